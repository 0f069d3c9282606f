"""A GitLab code quality report: a list of problems for the merge request."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from gradlint.finding import FileError, Finding
from gradlint.report import Report, View
from gradlint.report._plain import printable
from gradlint.report._words import from_root, in_cell
from gradlint.report.json import written

EXTRAS = False
_SEVERITIES = {"error": "critical", "warning": "major", "info": "info"}


def render(report: Report, view: View) -> str:
    """The report as GitLab's JSON."""
    return written([*map(_error, report.errors), *map(_finding, report.findings)])


def _error(error: FileError) -> dict[str, Any]:
    identity = "\0".join((error.kind, error.file, str(error.cell or ""), error.message))
    return {
        "check_name": error.kind,
        "description": printable(f"{in_cell(error.cell, error.line)}{error.message}"),
        "severity": "blocker",
        "fingerprint": sha256(identity.encode()).hexdigest()[:16],
        "location": _location(error.file, error.line, error.line),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check_name": finding.rule,
        "description": printable(f"{in_cell(finding.cell, finding.range.start.line)}{finding.message}"),
        "severity": _SEVERITIES[finding.severity],
        "fingerprint": finding.fingerprint,
        "location": _location(finding.file, finding.range.start.line, finding.range.end.line),
    }


def _location(file: str, begin: int, end: int) -> dict[str, Any]:
    return {"path": from_root(file, "CI_PROJECT_DIR"), "lines": {"begin": begin, "end": end}}
