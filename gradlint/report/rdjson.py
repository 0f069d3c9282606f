"""Reviewdog's diagnostic format. Its columns count bytes of UTF-8, ours code points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlint.edits import applied
from gradlint.finding import Edit, FileError, Finding, Position, Range
from gradlint.report import Report, View
from gradlint.report._plain import printable
from gradlint.report._words import HOME, in_cell, link
from gradlint.report.json import written

EXTRAS = False
_SEVERITIES = {"error": "ERROR", "warning": "WARNING", "info": "INFO"}


def render(report: Report, view: View) -> str:
    """The report as a `DiagnosticResult`."""
    diagnostics = [*(_error(e, view) for e in report.errors), *(_finding(f, view) for f in report.findings)]
    return written({"source": {"name": "gradlint", "url": HOME}, "diagnostics": diagnostics})


def _error(error: FileError, view: View) -> dict[str, Any]:
    there = Position(error.line, error.column)
    return {
        "message": printable(f"{in_cell(error.cell, error.line)}{error.message}"),
        "location": {"path": error.file, "range": {"start": _position(view.source(error.file, error.cell), there)}},
        "severity": "ERROR",
        "code": {"value": error.kind},
    }


def _finding(finding: Finding, view: View) -> dict[str, Any]:
    where = in_cell(finding.cell, finding.range.start.line)
    told = f"{where}{finding.message}" + (f"\nhelp: {finding.help}" if finding.help else "")
    steps = [
        {
            "message": printable(f"{in_cell(s.cell, s.range.start.line)}({i}) {s.role}: {s.label}"),
            "location": _location(s.file, s.cell, s.range, view),
        }
        for i, s in enumerate(finding.path, 1)
    ]
    return {
        "message": "\n".join(map(printable, told.split("\n"))),
        "location": _location(finding.file, finding.cell, finding.range, view),
        "severity": _SEVERITIES[finding.severity],
        "code": {"value": finding.rule, "url": link(finding.url)},
        "suggestions": _suggestions(finding, view),
        "related_locations": steps,
    }


def _suggestions(finding: Finding, view: View) -> list[dict[str, Any]]:
    """The fix as one suggestion: several would be alternatives. None where a part of it would be left out, or in cells."""
    edits = finding.fix.edits if finding.fix else ()
    if not edits or finding.cell is not None or any(e.file != finding.file for e in edits):
        return []
    whole = Range(min(e.range.start for e in edits), max(e.range.end for e in edits))
    lines = view.source(finding.file)
    around = [Range(Position(1, 1), whole.start), Range(whole.end, _end(lines))]
    text = applied("\n".join(lines), [*edits, *(Edit(finding.file, r, "") for r in around if r.start < r.end)])
    return [{"range": _location(finding.file, None, whole, view)["range"], "text": text}]


def _end(lines: Sequence[str]) -> Position:
    return Position(len(lines), len(lines[-1]) + 1) if lines else Position(1, 1)


def _location(file: str, cell: int | None, there: Range, view: View) -> dict[str, Any]:
    lines = view.source(file, cell)
    start, end = (_position(lines, position) for position in (there.start, there.end))
    return {"path": file, "range": {"start": start, "end": end}}


def _position(lines: Sequence[str], there: Position) -> dict[str, int]:
    before = lines[there.line - 1][: there.column - 1] if there.line <= len(lines) else ""
    wide = len(before.encode("utf-8", "surrogatepass")) - len(before)
    return {"line": there.line, "column": there.column + wide}
