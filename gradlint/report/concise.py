"""One line for each finding."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.report import Report, View
from gradlint.report._words import closing, extras

EXTRAS = True


def render(report: Report, view: View) -> str:
    """`file:line:column: severity[rule] message`, and the count."""
    errors = [f"{e.file}:{e.line}:{e.column}: {e.kind}: {e.message}" for e in report.errors]
    findings = [_line(finding) for finding in report.findings]
    more = extras(report, view)
    return "\n".join([*errors, *findings, *more, closing(report, view.sites)]) + "\n"


def _line(finding: Finding) -> str:
    start = finding.range.start
    return f"{finding.file}:{start.line}:{start.column}: {finding.severity}[{finding.rule}] {finding.message}"
