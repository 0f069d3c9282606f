"""One line for each finding."""

from __future__ import annotations

from gradlint.finding import FileError, Finding, Position, Range
from gradlint.report import Report, View
from gradlint.report._plain import flat
from gradlint.report._words import at, broken, closing, extras, interrupted

EXTRAS = True


def render(report: Report, view: View) -> str:
    """`file:line:column: severity[rule] message`, and the count."""
    errors = [_error(error) for error in broken(report)]
    findings = [_line(finding) for finding in report.findings]
    more = (*extras(report, view), *interrupted(report))
    return "\n".join(map(flat, [*errors, *findings, *more, closing(report, view.sites)])) + "\n"


def _error(error: FileError) -> str:
    there = Position(error.line, error.column)
    return f"{at(error.file, Range(there, there), error.cell)}: {error.kind}: {error.message}"


def _line(finding: Finding) -> str:
    there = at(finding.file, finding.range, finding.cell)
    return f"{there}: {finding.severity}[{finding.rule}] {finding.message}"
