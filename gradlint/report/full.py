"""The report for people: code frames with the numbered path, the cut marked, then help; last the count of demands.

Rich is asked for colour only, and imported only where there is any.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from gradlint.finding import FileError, Finding, Position, Range
from gradlint.report import Report, View
from gradlint.report._frames import Line, Mark, frames, margin
from gradlint.report._words import closing, extras

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
    for error in report.errors:
        yield from error_lines(error, view)
        yield []
    for finding in report.findings:
        yield from finding_lines(finding, view)
        yield []
    yield from ([(line, "")] for line in extras(report, view))
    yield [(closing(report, view.sites), "count")]


def finding_lines(finding: Finding, view: View) -> Iterator[Line]:
    """One finding: what, where, the way, and what helps."""
    yield [(f"{finding.severity}[{finding.rule}]", finding.severity), (f": {finding.message}", "title")]
    marks = _marks(finding)
    yield from frames(finding.range.start, marks, view.lines)
    for word, text in _remarks(finding):
        yield [(f"{' ' * margin(marks)} = ", "frame"), (f"{word}: ", "help"), (text, "")]


def error_lines(error: FileError, view: View) -> Iterator[Line]:
    """One file that could not be analysed."""
    yield [(f"error[{error.kind}]", "error"), (f": {error.message}", "title")]
    place = Range(Position(error.line, error.column), Position(error.line, error.column + 1))
    if error.kind == "syntax-error":
        yield from frames(place.start, [Mark(error.file, place, "^", "error", "")], view.lines)
    else:
        yield [(" --> ", "frame"), (f"{error.file}:{error.line}:{error.column}", "place")]


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """Styled lines as text, with or without colour."""
    if not color:
        return "".join("".join(text for text, _ in line) + "\n" for line in lines)
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", no_color=False, legacy_windows=False)
    for line in lines:
        styled = Text.assemble(*((text, STYLES[style] if style else "") for text, style in line))
        console.print(styled, soft_wrap=True, highlight=False)
    return out.getvalue()


def _marks(finding: Finding) -> list[Mark]:
    """The steps in the order of the data, numbered; the place of the finding comes first if it is none of them."""
    steps = [
        Mark(s.file, s.range, *_sign(finding, s.file, s.range, s.role), f"({i}) {s.role}: {s.label}")
        for i, s in enumerate(finding.path, 1)
    ]
    if any((m.file, m.range) == (finding.file, finding.range) for m in steps):
        return sorted(steps, key=lambda m: m.file != finding.file)
    own = Mark(finding.file, finding.range, "^", finding.severity, "")
    return [own, *sorted(steps, key=lambda m: m.file != finding.file)]


def _sign(finding: Finding, file: str, place: Range, role: str) -> tuple[str, str]:
    """How a step is underlined: what loses the gradient stands out."""
    if role == "cut" or (file, place) == (finding.file, finding.range):
        return "^", finding.severity
    return "-", "step"


def _remarks(finding: Finding) -> Iterator[tuple[str, str]]:
    for place in finding.also:
        start = place.range.start
        yield "also cut off", f"{place.label} at {place.file}:{start.line}:{start.column}"
    if finding.confidence == "likely":
        yield "likely", "an unknown call, a condition or a joined value lies on the way"
    if finding.runtime.status != "not-run":
        yield finding.runtime.status, finding.runtime.reason or "seen while the program ran"
    if finding.help:
        yield "help", finding.help
