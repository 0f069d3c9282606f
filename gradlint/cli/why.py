"""`gradlint why`: PyTorch's message or a traceback on standard input, the suspects as the answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradlint.cli import _common as common
from gradlint.cli._report import Running, run_script, traced_options

if TYPE_CHECKING:
    from gradlint.api import Outcome
    from gradlint.finding import Finding, Place, Site, Step
    from gradlint.report import View
    from gradlint.symptoms import Frame, Symptom
    from gradlint.texts import Texts


@click.command(cls=Running, short_help="Explain a traceback or a message of PyTorch.")
@click.argument("paths", nargs=-1, type=click.Path(readable=False, path_type=str))
@click.option(
    "--run", "script", metavar="SCRIPT", help="Execute this script instead of reading a message: --run SCRIPT -- ARGS"
)
@traced_options
@common.config_option
@common.color_option
@click.pass_context
def command(
    ctx: click.Context, /, paths: tuple[str, ...], script: str | None, config_file: Path | None, color: str, **run: Any
) -> None:
    """Explain a message of PyTorch: pipe the message or the whole traceback in.

    The suspects are looked for in PATHS and in the files of the traceback. With --run the script is executed, and every suspect is
    confirmed or refuted by what was seen.
    """
    from gradlint import symptoms

    if script is not None:
        _by_running(ctx, script, paths or (script,), config_file, color, run)
        return
    if sys.stdin.isatty():
        common.note("paste the message or the traceback, then end the input")
    text = symptoms.unpainted(sys.stdin.buffer.read().decode("utf-8", "replace"))
    symptom, frames = symptoms.symptom(text), symptoms.frames(text)
    files = tuple(dict.fromkeys((*paths, *(str(frame.path) for frame in frames if frame.path))))
    if symptom is None and not files:
        raise click.UsageError("neither a message of PyTorch that gradlint knows nor a traceback through your files")
    common.write(common.plain(_meaning(symptom)))
    if not files:
        common.write("Name files or folders to look for suspects in: gradlint why PATH... < message\n")
        return
    _told(ctx, _checked(files, config_file), color, symptom, frames)


def _by_running(ctx: click.Context, script: str, paths: tuple[str, ...], config_file: Path | None, color: str,
                options: dict[str, Any]) -> None:  # fmt: skip
    """Answer from a run of the script: what it raised, and what the run says of the suspects."""
    import msgspec

    from gradlint import api, discovery, symptoms

    done = run_script(script, ctx.obj, options, api.Task(paths, common.settings(paths, config_file), baseline=None))
    symptom = symptoms.symptom(done.run.raised)
    if done.run.raised:
        common.write(common.plain(_meaning(symptom)))
    else:
        common.write(f"{script} ended without an exception.\n\n")
    for problem in done.outcome.problems:
        common.note(f"note: {problem}")
    frames = [symptoms.Frame(span.line, discovery.absolute(span.file)) for span in done.run.raised_at]
    _told(ctx, msgspec.structs.replace(done.outcome, problems=()), color, symptom, frames)


def _told(ctx: click.Context, outcome: Outcome, color: str, symptom: Symptom | None, frames: Sequence[Frame]) -> None:
    from gradlint.report import View

    painted = common.colored(color, terminal=common.on_terminal())
    view = View(outcome.texts.lines, color=painted, cells=outcome.texts.cells)
    common.write(_answer(outcome, view, symptom, frames))
    ctx.exit(2 if outcome.problems or outcome.report.errors else 0)


def _meaning(symptom: Symptom | None) -> str:
    if symptom is None:
        return "gradlint does not know this message.\n\n"
    return f"{symptom.line}\n  means: {symptom.message.meaning}\n  usual causes: {', '.join(symptom.message.rules)}\n\n"


def _checked(files: Sequence[str], config_file: Path | None) -> Outcome:
    """The report on the files; what went wrong is told at once."""
    from gradlint import api

    outcome = api.run(api.Task(tuple(files), common.settings(files, config_file), baseline=None))
    common.tell(outcome)
    return outcome


def _answer(outcome: Outcome, view: View, symptom: Symptom | None, frames: Sequence[Frame]) -> str:
    """The findings: first those whose demand lies on the traceback, the innermost first, and the likeliest cause first."""
    depths = {f.fingerprint: _depth(f, frames, outcome.texts) for f in outcome.report.findings}
    ranked = sorted(outcome.report.findings, key=lambda f: (depths[f.fingerprint], _rank(f, symptom)))
    if not ranked:
        return _silence(outcome, frames)
    close = [f for f in ranked if depths[f.fingerprint] < len(frames)]
    others = ranked[len(close) :]
    groups = (("Suspects on the lines of the traceback", close), ("Other suspects" if close else "Suspects", others))
    return "".join(f"{title} ({len(g)}):\n\n{common.findings_text(g, view)}" for title, g in groups if g)


def _depth(finding: Finding, frames: Sequence[Frame], texts: Texts) -> int:
    """How far the nearest frame on one of the finding's demands is from the innermost one."""
    demands: list[Place | Step] = [s for s in finding.path if s.role == "demand"]
    demands += finding.also
    hits = (i for i, frame in enumerate(frames) if any(_holds(place, frame, texts) for place in demands))
    return next(hits, len(frames))


def _holds(place: Place | Step | Site, frame: Frame, texts: Texts) -> bool:
    """Whether a frame lies on the lines of a place, in its file or its cell."""
    from gradlint.discovery import absolute

    if not place.range.start.line <= frame.line <= place.range.end.line:
        return False
    if place.cell is None:
        return frame.path == absolute(place.file)
    return frame.prompt is not None and frame.prompt == texts.notebooks[place.file].cells[place.cell].prompt


def _rank(finding: Finding, symptom: Symptom | None) -> int:
    from gradlint.symptoms import likeliest

    return likeliest(symptom.message.rules, finding.rule) if symptom else 0


def _silence(outcome: Outcome, frames: Sequence[Frame]) -> str:
    """No suspects: say what is not known at the lines of the traceback."""
    from gradlint.report._words import undecided

    here = [site for site in outcome.sites if any(_holds(site, frame, outcome.texts) for frame in frames)]
    return common.plain(
        "".join(f"{line}\n" for line in ("gradlint finds no suspect in these files.", *undecided(here)))
    )
