"""`gradlint check PATH...`: the report."""

from __future__ import annotations

import gc
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradlint.cli import _common as common
from gradlint.cli._report import Running, end, run_script, traced_options
from gradlint.report import formats

if TYPE_CHECKING:
    from gradlint.api import Outcome, Task, Watch
    from gradlint.config import Loaded

STDIN = "-"
_RARELY = (
    20_000,
    10,
    10,
)  #: a run leaves few cycles; to look for them at every 700th object takes an eighth of the time
_WHOLE = ("fix", "diff", "confirm", "dask", "statistics", "show_unknown", "exit_zero")  #: what needs the whole report


@click.command(cls=Running, short_help="Find where a gradient is lost in files and folders.")
@click.argument("paths", nargs=-1, type=click.Path(readable=False, path_type=str))
@common.setting_options
@common.exclude_option
@click.option("--force-exclude", is_flag=True, help="Leave excluded files out even where they are named.")
@common.baseline_option
@click.option("--exit-zero", is_flag=True, help="Exit status 0 even with findings.")
@click.option("--output-format", type=click.Choice(formats()), default="full", show_default=True, help="How to report.")
@click.option("--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option("--statistics", is_flag=True, help="Count findings by rule, and undecided demands by reason.")
@click.option("--show-unknown", is_flag=True, help="List the demands that gradlint could not decide, and why.")
@click.option("--fix", is_flag=True, help="Apply the safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: the unsafe fixes too.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and change nothing.")
@click.option("--stdin-filename", help="The name of the file on standard input (path -).")
@click.option("--no-cache", is_flag=True, help="Neither use nor fill the cache.")
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    help="Where the cache lies (default: .gradlint_cache in the project).",
)
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), metavar="N", help="At most N processes (default: one per core)."
)
@click.option("--dask", metavar="ADDRESS", help="Hand the projects to the Dask cluster whose scheduler is at ADDRESS.")
@click.option(
    "--shard", metavar="K/N", callback=common.share, help="Do the Kth of N shares of the work; see gradlint merge."
)
@click.option(
    "--confirm", metavar="SCRIPT", help="Also execute this script, and say what it proves: --confirm SCRIPT -- ARGS"
)
@traced_options
@common.color_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Find where a gradient is lost in files and folders; - is standard input."""
    from gradlint import discovery
    from gradlint.cli._progress import Bar

    gc.set_threshold(*_RARELY)
    if not options["paths"]:
        options["paths"] = (STDIN if options["stdin_filename"] else ".",)
    name = options["stdin_filename"] or "<stdin>"
    loaded = common.settings([name if p == STDIN else p for p in options["paths"]], options["config_file"])
    if options["dask"] is not None and (options["confirm"] or options["fix"] or options["diff"]):
        raise click.UsageError("--dask only lints: --fix, --diff and --confirm work on the files and scripts here")
    if options["shard"] is not None:
        _shard(ctx, options)
    task = _task(options, loaded, name)
    if options["fix"] or options["diff"]:
        from gradlint.cli._repair import mended

        mended(ctx, task, options, discovery.absolute(name) if STDIN in options["paths"] else None)
    with Bar() as bar:
        outcome = _confirmed(task, options, bar, ctx.obj) if options["confirm"] else _linted(task, options, bar)
    end(ctx, outcome, options, loaded)


def _shard(ctx: click.Context, options: dict[str, Any]) -> None:
    """Write the share of the work for `gradlint merge`."""
    from gradlint import shards
    from gradlint.cli._progress import Bar
    from gradlint.processes import cores

    unfit = [f"--{name.replace('_', '-')}" for name in _WHOLE if options[name]]
    if options["output_format"] not in ("full", "json"):
        unfit.append("--output-format")
    if unfit or STDIN in options["paths"]:
        raise click.UsageError(
            f"--shard leaves a part for gradlint merge: give {', '.join(unfit) or 'files, not -'} there"
        )
    given = {name: options[name] for name in ("paths", "select", "ignore", "exclude", "force_exclude", "fail_on")}
    config_file, baseline = (str(options[n]) if options[n] is not None else None for n in ("config_file", "baseline"))
    index, count = options["shard"]
    with Bar() as bar:
        asked = shards.Options(**given, config_file=config_file, baseline=baseline)
        data = shards.run(asked, index, count, options["jobs"] or cores(), bar)
    if options["output_file"] is None:
        common.write(data.decode())
    else:
        common.save(options["output_file"], data.decode(), "--output-file")
    ctx.exit(0)


def _linted(task: Task, options: dict[str, Any], watch: Watch) -> Outcome:
    """The report on all projects that the paths lie in."""
    from gradlint import projects

    fixed = options["config_file"] is not None
    if options["dask"] is None:
        return projects.run(task, watch, fixed=fixed)
    from gradlint.cluster import Cluster, ClusterError

    try:
        with closing(Cluster(options["dask"])) as cluster:
            return projects.run(task, watch, fixed=fixed, ways=cluster)
    except ClusterError as error:
        raise click.UsageError(f"--dask: {error}") from error


def _confirmed(task: Task, options: dict[str, Any], watch: Watch, args: tuple[str, ...]) -> Outcome:
    """The report with what the script's run says of every finding."""
    from gradlint import report

    quiet = options["output_file"] is None and not report.load(options["output_format"]).EXTRAS
    return run_script(options["confirm"], args, options, task, watch, quiet=quiet).outcome


def _task(options: dict[str, Any], loaded: Loaded, name: str) -> Task:
    from msgspec import UNSET

    from gradlint import api, cache
    from gradlint.discovery import Patterns, absolute
    from gradlint.processes import cores

    paths = options["paths"]
    folder = absolute(options["cache_dir"]) if options["cache_dir"] else cache.home([absolute(p) for p in paths])
    return api.Task(
        paths=tuple(name if p == STDIN else p for p in paths),
        loaded=loaded,
        select=options["select"],
        ignore=options["ignore"],
        excludes=(Patterns(Path.cwd(), options["exclude"]),) if options["exclude"] else (),
        force_exclude=options["force_exclude"],
        baseline=absolute(options["baseline"]) if options["baseline"] else UNSET,
        cache=None if options["no_cache"] else folder,
        jobs=options["jobs"] or cores(),
        buffers={absolute(name): sys.stdin.buffer.read()} if STDIN in paths else {},
    )
