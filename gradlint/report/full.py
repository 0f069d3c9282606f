"""The report for people: code frames with the numbered path, the cut marked, then help; last the count of demands.

Rich is asked for colour only, and imported only where there is any.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from gradlint.finding import FileError, Finding, Position, Range, Step
from gradlint.report import Report, View
from gradlint.report._frames import Frames, Line, Mark, margin
from gradlint.report._plain import flat
from gradlint.report._words import at, broken, closing, extras, interrupted, named, repeats

EXTRAS = True
STYLES = {
    "error": "bold red", "warning": "bold yellow", "info": "bold cyan", "title": "bold", "frame": "blue", "place": "",
    "code": "", "step": "blue", "help": "green", "count": "bold",
}  # fmt: skip


def render(report: Report, view: View) -> str:
    """The whole report as text."""
    return paint(lines_of(report, view), color=view.color)


def lines_of(report: Report, view: View) -> Iterator[Line]:
    """The report as lines of styled pieces."""
    for error in broken(report):
        yield from error_lines(error, view)
        yield []
    for finding in report.findings:
        yield from finding_lines(finding, view)
        yield []
    yield from ([(line, "")] for line in (*extras(report, view), *interrupted(report)))
    yield [(closing(report, view.sites), "count")]


def finding_lines(finding: Finding, view: View) -> Iterator[Line]:
    """One finding: what, where, the way, and what helps."""
    yield [(f"{finding.severity}[{finding.rule}]", finding.severity), (f": {finding.message}", "title")]
    marks = _marks(finding, view)
    yield from Frames(marks, view.source, view.width).draw(finding.range.start)
    for word, text in _remarks(finding):
        yield [(f"{' ' * margin(marks)} = ", "frame"), (f"{word}: ", "help"), (text, "")]


def error_lines(error: FileError, view: View) -> Iterator[Line]:
    """One file that could not be analysed."""
    yield [(f"error[{error.kind}]", "error"), (f": {error.message}", "title")]
    there = Range(Position(error.line, error.column), Position(error.line, error.column + 1))
    if error.kind == "syntax-error":
        mark = Mark(error.file, there, "^", "error", "", named(error.file, error.cell), error.cell)
        yield from Frames([mark], view.source, view.width).draw(there.start)
    else:
        yield [(" --> ", "frame"), (at(error.file, there, error.cell), "place")]


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """Styled lines as text, with or without colour."""
    plain = ([(flat(text), style) for text, style in line] for line in lines)
    if not color:
        return "".join("".join(text for text, _ in line) + "\n" for line in plain)
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", no_color=False, legacy_windows=False)
    for line in plain:
        styled = Text.assemble(*((text, STYLES[style] if style else "") for text, style in line))
        console.print(styled, soft_wrap=True, highlight=False)
    return out.getvalue()


def _marks(finding: Finding, view: View) -> list[Mark]:
    """The steps in the order of the data, numbered; the place of the finding comes first if it is none of them."""
    own = Mark(finding.file, finding.range, "^", finding.severity, "", named(finding.file, finding.cell), finding.cell)
    steps = [
        Mark(s.file, s.range, *_sign(finding, s), _label(i, s, view), named(s.file, s.cell), s.cell)
        for i, s in enumerate(finding.path, 1)
    ]
    steps.sort(key=lambda m: m.place != own.place)
    marked = any((m.place, m.range) == (own.place, own.range) for m in steps)
    return steps if marked else [own, *steps]


def _label(number: int, step: Step, view: View) -> str:
    """What a step is; its text is not repeated where it stands right above."""
    told = repeats(step.label, step.range, view.source(step.file, step.cell))
    return f"({number}) {step.role}" + ("" if told else f": {step.label}")


def _sign(finding: Finding, step: Step) -> tuple[str, str]:
    """How a step is underlined: what loses the gradient stands out."""
    if step.role == "cut" or (step.file, step.cell, step.range) == (finding.file, finding.cell, finding.range):
        return "^", finding.severity
    return "-", "step"


def _seen(finding: Finding) -> str:
    """What a run showed: what went into the place of the cut, what came out, and what the demand got."""
    from gradlint.report._way import evidence

    told = "; ".join(f"{part}: {said}" for part, said in evidence(finding).items())
    return told or "seen while the program ran"


def _remarks(finding: Finding) -> Iterator[tuple[str, str]]:
    for other in finding.also:
        yield "also cut off", f"{other.label} at {at(other.file, other.range, other.cell)}"
    if finding.confidence == "likely":
        yield "likely", "an unknown call, a condition or a joined value lies on the way"
    if finding.runtime.status != "not-run":
        yield finding.runtime.status, finding.runtime.reason or _seen(finding)
    if finding.help:
        yield "help", finding.help
