"""`gradlint why`: PyTorch's message or a traceback on standard input, the suspects as the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.api import Outcome
    from gradlint.finding import Finding, Range
    from gradlint.report import View
    from gradlint.symptoms import Symptom

Frame = tuple[Path, int]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=str))
@common.config_option
@common.color_option
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], config_file: Path | None, color: str) -> None:
    """Explain a message of PyTorch: pipe the message or the whole traceback in.

    The suspects are looked for in PATHS and in the files of the traceback.
    """
    from gradlint import symptoms
    from gradlint.report import View

    if sys.stdin.isatty():
        common.note("paste the message or the traceback, then end the input")
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    symptom, frames = symptoms.symptom(text), symptoms.frames(text)
    files = tuple(dict.fromkeys((*paths, *(str(path) for path, _ in frames))))
    if symptom is None and not files:
        raise click.UsageError("neither a message of PyTorch that gradlint knows nor a traceback through your files")
    common.write(common.plain(_meaning(symptom)))
    if not files:
        common.write("Name files or folders to look for suspects in: gradlint why PATH... < message\n")
        return
    outcome = _checked(files, config_file)
    view = View(
        outcome.texts.lines,
        color=common.colored(color, terminal=common.on_terminal()),
        cells=outcome.texts.cells,
    )
    common.write(_answer(outcome, view, symptom, frames))
    ctx.exit(2 if outcome.problems or outcome.report.errors else 0)


def _meaning(symptom: Symptom | None) -> str:
    if symptom is None:
        return "gradlint does not know this message.\n\n"
    return f"{symptom.line}\n  means: {symptom.message.meaning}\n  usual causes: {', '.join(symptom.message.rules)}\n\n"


def _checked(files: Sequence[str], config_file: Path | None) -> Outcome:
    """The report on the files; what went wrong is told at once."""
    from gradlint import api

    outcome = api.run(api.Task(tuple(files), common.settings(files, config_file)))
    broken = (f"{e.file}:{e.line}:{e.column}: {e.message}" for e in outcome.report.errors)
    for problem in (*outcome.problems, *broken):
        common.note(f"error: {problem}")
    return outcome


def _answer(outcome: Outcome, view: View, symptom: Symptom | None, frames: Sequence[Frame]) -> str:
    """The findings: first those whose demand lies on the traceback, the innermost first, and the likeliest cause first."""
    ranked = sorted(outcome.report.findings, key=lambda f: (_depth(f, frames), _rank(f, symptom)))
    if not ranked:
        return _silence(outcome, frames)
    close = [f for f in ranked if _depth(f, frames) < len(frames)]
    others = ranked[len(close) :]
    groups = (("Suspects on the lines of the traceback", close), ("Other suspects" if close else "Suspects", others))
    return "".join(f"{title} ({len(g)}):\n\n{common.findings_text(g, view)}" for title, g in groups if g)


def _depth(finding: Finding, frames: Sequence[Frame]) -> int:
    """How far the nearest frame on one of the finding's demands is from the innermost one."""
    from gradlint.discovery import absolute

    demands: list[tuple[str, Range]] = [(s.file, s.range) for s in finding.path if s.role == "demand"]
    demands += ((place.file, place.range) for place in finding.also)
    spans = [(absolute(file), place.start.line, place.end.line) for file, place in demands]
    hits = (i for i, (path, line) in enumerate(frames) if any(p == path and a <= line <= b for p, a, b in spans))
    return next(hits, len(frames))


def _rank(finding: Finding, symptom: Symptom | None) -> int:
    from gradlint.symptoms import likeliest

    return likeliest(symptom.message.rules, finding.rule) if symptom else 0


def _silence(outcome: Outcome, frames: Sequence[Frame]) -> str:
    """No suspects: say what is not known at the lines of the traceback."""
    from gradlint.discovery import absolute

    here = [
        site
        for site in outcome.sites
        if site.verdict == "undecided"
        and any(
            absolute(site.span.file) == path and site.span.line <= line <= site.span.end_line for path, line in frames
        )
    ]
    listed = "".join(
        f"  {s.span.file}:{s.span.line}:{s.span.column}: {s.label}: undecided ({s.reason})\n" for s in here
    )
    return common.plain(f"gradlint finds no suspect in these files.\n{listed}")
