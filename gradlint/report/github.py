"""Workflow commands of GitHub Actions: an annotation at the line of each finding.

A command is one line; what could end it or its properties is percent-encoded, as the runner decodes it. GitHub shows at
most ten annotations of each level per step: the log holds them all.
"""

from __future__ import annotations

from gradlint.finding import FileError, Finding
from gradlint.report import Report, View
from gradlint.report._plain import printable
from gradlint.report._words import from_root, in_cell, way

EXTRAS = False
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def render(report: Report, view: View) -> str:
    """A command for each error and finding."""
    return "".join([*map(_error, report.errors), *map(_finding, report.findings)])


def _error(error: FileError) -> str:
    where: dict[str, object] = {"file": from_root(error.file, "GITHUB_WORKSPACE")}
    where |= {} if error.cell else {"line": error.line, "col": error.column}
    told = f"{in_cell(error.cell, error.line)}{error.message}"
    return _command("error", {"title": f"gradlint ({error.kind})", **where}, [told])


def _finding(finding: Finding) -> str:
    start, end = finding.range.start, finding.range.end
    where: dict[str, object] = {"file": from_root(finding.file, "GITHUB_WORKSPACE")}
    if finding.cell is None:
        where |= {"line": start.line, "endLine": end.line}
        where |= {"col": start.column, "endColumn": end.column} if start.line == end.line else {}
    helped = [f"help: {finding.help}"] if finding.help else []
    lines = [f"{in_cell(finding.cell, start.line)}{finding.message}", *way(finding), *helped]
    return _command(_COMMANDS[finding.severity], {"title": f"gradlint ({finding.rule})", **where}, lines)


def _command(name: str, properties: dict[str, object], lines: list[str]) -> str:
    given = ",".join(f"{key}={printable(str(value)).translate(_PROPERTY)}" for key, value in properties.items())
    text = "\n".join(map(printable, lines))
    return f"::{name} {given}::{text.translate(_DATA)}\n"
