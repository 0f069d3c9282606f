"""`gradlint check PATH...`: the report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradlint.cli import INTERRUPTED
from gradlint.cli import _common as common
from gradlint.report import formats

if TYPE_CHECKING:
    from gradlint.api import Outcome, Task
    from gradlint.config import Loaded

STDIN = "-"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=str))
@click.option(
    "--select", metavar="RULES", callback=common.names, multiple=True, help="Only these rules (names with commas)."
)
@click.option(
    "--ignore", metavar="RULES", callback=common.names, multiple=True, help="Not these rules (names with commas)."
)
@click.option("--exclude", multiple=True, help="Patterns of files and folders to leave out, as in .gitignore.")
@click.option("--force-exclude", is_flag=True, help="Leave excluded files out even where they are named.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    help="Findings from this severity on make the exit status 1 (default: warning).",
)
@click.option("--exit-zero", is_flag=True, help="Exit status 0 even with findings.")
@click.option("--output-format", type=click.Choice(formats()), default="full", show_default=True, help="How to report.")
@click.option("--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option("--statistics", is_flag=True, help="Count findings by rule, and undecided demands by reason.")
@click.option("--show-unknown", is_flag=True, help="List the demands that gradlint could not decide, and why.")
@click.option("--stdin-filename", help="The name of the file on standard input (path -).")
@click.option("--no-cache", is_flag=True, help="Accepted; there is no cache yet.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Accepted; there is only one process yet.")
@common.config_option
@common.color_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Find where a gradient is lost in files and folders; - is standard input."""
    from gradlint import api
    from gradlint.cli._progress import Bar

    if not options["paths"]:
        options["paths"] = (STDIN if options["stdin_filename"] else ".",)
    name = options["stdin_filename"] or "<stdin>"
    loaded = common.settings([name if p == STDIN else p for p in options["paths"]], options["config_file"])
    with Bar() as bar:
        outcome = api.run(_task(options, loaded, name), bar)
    _print(outcome, options)
    for text in outcome.notes:
        common.note(f"note: {text}")
    for text in outcome.problems:
        common.note(f"error: {text}")
    if outcome.interrupted:
        common.note("interrupted: the report holds what was found so far")
        ctx.exit(INTERRUPTED)
    ctx.exit(outcome.status(options["fail_on"] or loaded.config.fail_on, exit_zero=options["exit_zero"]))


def _task(options: dict[str, Any], loaded: Loaded, name: str) -> Task:
    from gradlint import api
    from gradlint.discovery import Patterns, absolute

    paths = options["paths"]
    return api.Task(
        paths=tuple(name if p == STDIN else p for p in paths),
        loaded=loaded,
        select=options["select"],
        ignore=options["ignore"],
        excludes=(Patterns(Path.cwd(), options["exclude"]),) if options["exclude"] else (),
        force_exclude=options["force_exclude"],
        buffers={absolute(name): sys.stdin.buffer.read()} if STDIN in paths else {},
    )


def _print(outcome: Outcome, options: dict[str, Any]) -> None:
    """The report on standard output or in its file; what its format cannot hold goes to standard error."""
    from gradlint import report
    from gradlint.report import _words as words
    from gradlint.report._plain import printable

    file: Path | None = options["output_file"]
    color = options["color"] == "always" if file else common.colored(options["color"], terminal=common.on_terminal())
    form = report.load(options["output_format"])
    wishes = {"show_unknown": options["show_unknown"], "statistics": options["statistics"]}
    screen = report.SCREEN if file else common.columns()
    view = report.View(
        outcome.texts.lines, outcome.sites, outcome.rules, screen, color, cells=outcome.texts.cells, **wishes
    )
    try:
        text = form.render(outcome.report, view)
    except report.MissingPackageError as error:
        raise click.UsageError(str(error)) from error
    if file is None:
        common.write(common.unheard(text) if form.EXTRAS else text)
    else:
        common.save(file, text, "--output-file")
    if not form.EXTRAS:
        for line in words.extras(outcome.report, view):
            click.echo(printable(line), err=True)
