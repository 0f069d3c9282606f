"""`gradlint baseline`: the findings that are known: written, looked through, and rid of what is no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gradlint.cli import INTERRUPTED
from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.api import Outcome
    from gradlint.baseline import Entry


@click.group(short_help="The file with the findings that are known.")
def command() -> None:
    """Write, look through or prune the file with the findings that are known.

    A run with a baseline (the key baseline in the settings, or --baseline FILE) reports new findings only.
    """


def _options(function: Any) -> Any:
    """What every subcommand takes."""
    paths = click.argument("paths", nargs=-1, type=click.Path(path_type=str))
    return paths(common.rule_options(common.exclude_option(common.baseline_option(common.config_option(function)))))


@command.command(short_help="Write all findings of PATHS to the baseline.")
@_options
@click.pass_context
def write(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Write all findings of PATHS (default: the working directory) to the baseline.

    Entries for what was not looked at stay.
    """
    ctx.exit(max(map(_write, _runs(paths, options, may_be_new=True))))


def _write(run: Run) -> int:
    compared, findings = run.outcome.compared, run.outcome.report.findings
    found = (*compared.findings, *findings)
    _save(run.file, (*compared.unasked(run.entries), *_entries(found, run.file)))
    told = f"{_count(len(found), 'finding')}, {len(findings)} of them new; {len(compared.stale)} taken out"
    common.write(f"{_shown(run.file)}: {told}\n")
    if not run.chosen:
        use = f'add baseline = "{run.file.name}" to the settings, or pass --baseline {_shown(run.file)}'
        common.note(f"note: to use it, {use}")
    return _status(run.outcome)


@command.command(short_help="Take out of the baseline what is not found any more.")
@_options
@click.pass_context
def prune(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Take out of the baseline what is not found any more in PATHS (default: the working directory)."""
    ctx.exit(max(map(_prune, _runs(paths, options))))


def _prune(run: Run) -> int:
    compared = run.outcome.compared
    kept = (*compared.unasked(run.entries), *_entries(compared.findings, run.file))
    _save(run.file, kept)
    common.write(f"{_shown(run.file)}: {len(compared.stale)} taken out, {len(kept)} left\n")
    return _status(run.outcome)


@command.command(short_help="Tell what of the baseline is still found.")
@_options
@click.pass_context
def status(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Tell what of the baseline is still found in PATHS (default: the working directory), and what is not any more.

    The exit status is 1 where something is to be pruned.
    """
    ctx.exit(max(map(_compare, _runs(paths, options))))


def _compare(run: Run) -> int:
    compared = run.outcome.compared
    for entry in compared.stale:
        told = f"{entry.file}: {entry.rule} in {entry.symbol}: not there any more: {entry.message}\n"
        common.write(common.plain(told))
    unasked = len(compared.unasked(run.entries))
    rest = f", {unasked} not looked for" if unasked else ""
    common.write(
        f"{_shown(run.file)}: {_count(len(compared.known), 'finding')} still there, {len(compared.stale)} not there any more"
        f"{rest}; {len(run.outcome.report.findings)} not in it\n"
    )
    return max(_status(run.outcome), int(bool(compared.stale)))


# --- running beside it -----------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """A baseline, its entries, and a run of its projects beside it."""

    file: Path
    entries: Sequence[Entry]
    outcome: Outcome
    chosen: bool  #: whether the settings or an option name the file


def _runs(paths: tuple[str, ...], options: dict[str, Any], *, may_be_new: bool = False) -> Iterator[Run]:
    """A run for each baseline that the projects of the paths have; one that cannot be used ends the command."""
    import msgspec

    from gradlint import api, baseline, cache, projects
    from gradlint.cli._progress import Bar
    from gradlint.discovery import Patterns, absolute
    from gradlint.processes import cores

    paths = paths or (".",)
    loaded = common.settings(paths, options["config_file"])
    task = api.Task(
        paths=paths,
        loaded=loaded,
        select=options["select"],
        ignore=options["ignore"],
        excludes=(Patterns(Path.cwd(), options["exclude"]),) if options["exclude"] else (),
        cache=cache.home([absolute(p) for p in paths]),
        jobs=cores(),
    )
    groups: dict[tuple[Path, bool], list[api.Task]] = {}
    for one in projects.split(task, fixed=options["config_file"] is not None):
        given = absolute(options["baseline"]) if options["baseline"] else one.loaded.baseline()
        groups.setdefault((given or loaded.base / baseline.NAME, given is not None), []).append(one)
    for (file, chosen), members in groups.items():
        there = file.exists() or not may_be_new
        known = [msgspec.structs.replace(one, baseline=file if there else None) for one in members]
        entries = _read(file) if there else ()
        with Bar() as bar:
            outcome = projects.joined(known, task, bar)
        if outcome.interrupted:
            common.note(f"interrupted: {_shown(file)} is as it was")
            raise click.exceptions.Exit(INTERRUPTED)
        yield Run(file, entries, outcome, chosen)


def _read(file: Path) -> Sequence[Entry]:
    from gradlint import baseline

    try:
        return baseline.read(file)
    except baseline.BaselineError as error:
        common.note(f"error: {error}")
        raise click.exceptions.Exit(2) from error


def _entries(findings: Iterable[Any], file: Path) -> list[Entry]:
    from gradlint import baseline

    return [baseline.entry(finding, file.parent) for finding in findings]


def _save(file: Path, entries: Iterable[Entry]) -> None:
    from gradlint import baseline

    common.save(file, baseline.text(entries), "--baseline")


def _status(outcome: Outcome) -> int:
    """Tell what could not be looked at; the exit status."""
    common.tell(outcome)
    return 2 if outcome.report.errors or outcome.problems else 0


def _shown(file: Path) -> str:
    from gradlint.discovery import shown

    return shown(file)


def _count(number: int, word: str) -> str:
    from gradlint.report._words import plural

    return plural(number, word)
