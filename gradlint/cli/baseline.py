"""`gradlint baseline`: the findings that are known: written, looked through, and rid of what is no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@command.command()
@_options
@click.pass_context
def write(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Write all findings of PATHS (default: the working directory) to the baseline.

    Entries for what was not looked at stay.
    """
    file, entries, outcome = _run(paths, options, may_be_new=True)
    found = (*outcome.compared.findings, *outcome.report.findings)
    _save(file, (*outcome.compared.unasked(entries), *_entries(found, file)))
    new, gone = len(outcome.report.findings), len(outcome.compared.stale)
    common.write(f"{_shown(file)}: {_count(len(found), 'finding')}, {new} of them new; {gone} taken out\n")
    if not options["baseline"] and common.settings(paths or (".",), options["config_file"]).baseline() is None:
        common.note(f'note: to use it, add baseline = "{file.name}" to the settings, or pass --baseline {_shown(file)}')
    _end(ctx, outcome)


@command.command()
@_options
@click.pass_context
def prune(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Take out of the baseline what is not found any more in PATHS (default: the working directory)."""
    file, entries, outcome = _run(paths, options)
    kept = (*outcome.compared.unasked(entries), *_entries(outcome.compared.findings, file))
    _save(file, kept)
    common.write(f"{_shown(file)}: {len(outcome.compared.stale)} taken out, {len(kept)} left\n")
    _end(ctx, outcome)


@command.command()
@_options
@click.pass_context
def status(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Tell what of the baseline is still found in PATHS (default: the working directory), and what is not any more.

    The exit status is 1 where something is to be pruned.
    """
    file, entries, outcome = _run(paths, options)
    compared = outcome.compared
    for entry in compared.stale:
        common.write(
            common.plain(f"{entry.file}: {entry.rule} in {entry.symbol}: not there any more: {entry.message}\n")
        )
    unasked = len(compared.unasked(entries))
    rest = f", {unasked} not looked for" if unasked else ""
    common.write(
        f"{_shown(file)}: {_count(len(compared.known), 'finding')} still there, {len(compared.stale)} not there any more"
        f"{rest}; {len(outcome.report.findings)} not in it\n"
    )
    _end(ctx, outcome, stale=bool(compared.stale))


def _run(
    paths: tuple[str, ...], options: dict[str, Any], *, may_be_new: bool = False
) -> tuple[Path, Sequence[Entry], Outcome]:
    """The baseline, its entries, and a run beside it; one that cannot be used ends the command."""
    from gradlint import api, baseline, cache, projects
    from gradlint.cli._progress import Bar
    from gradlint.discovery import Patterns, absolute
    from gradlint.processes import cores

    paths = paths or (".",)
    loaded = common.settings(paths, options["config_file"])
    file = absolute(options["baseline"]) if options["baseline"] else loaded.baseline() or loaded.base / baseline.NAME
    there = file.exists() or not may_be_new
    try:
        entries = baseline.read(file) if there else ()
    except baseline.BaselineError as error:
        common.note(f"error: {error}")
        raise click.exceptions.Exit(2) from error
    task = api.Task(
        paths=paths,
        loaded=loaded,
        select=options["select"],
        ignore=options["ignore"],
        excludes=(Patterns(Path.cwd(), options["exclude"]),) if options["exclude"] else (),
        baseline=file if there else None,
        cache=cache.home([absolute(p) for p in paths]),
        jobs=cores(),
    )
    with Bar() as bar:
        outcome = projects.run(task, bar, fixed=options["config_file"] is not None)
    if outcome.interrupted:
        common.note(f"interrupted: {_shown(file)} is as it was")
        raise click.exceptions.Exit(INTERRUPTED)
    return file, entries, outcome


def _entries(findings: Iterable[Any], file: Path) -> list[Entry]:
    from gradlint import baseline

    return [baseline.entry(finding, file.parent) for finding in findings]


def _save(file: Path, entries: Iterable[Entry]) -> None:
    from gradlint import baseline

    common.save(file, baseline.text(entries), "--baseline")


def _end(ctx: click.Context, outcome: Outcome, *, stale: bool = False) -> None:
    """Tell what could not be looked at, and leave with the exit status."""
    broken = (f"{e.file}:{e.line}:{e.column}: {e.kind}: {e.message}" for e in outcome.report.errors)
    for told in (*broken, *outcome.problems):
        common.note(f"error: {told}")
    ctx.exit(2 if outcome.report.errors or outcome.problems else int(stale))


def _shown(file: Path) -> str:
    from gradlint.discovery import shown

    return shown(file)


def _count(number: int, word: str) -> str:
    from gradlint.report._words import plural

    return plural(number, word)
