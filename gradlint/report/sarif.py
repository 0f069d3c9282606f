"""SARIF 2.1.0 for GitHub's code scanning and other viewers: the path is a code flow, the pages of the rules its help.

GitHub rejects a run of more than 25,000 results and shows the first 1,000 places of a flow and 100 related places, so
the gravest results come first and longer lists are shortened in their middle; what is left out is told in a notification.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, TypeVar
from urllib.parse import quote

from gradlint import __version__
from gradlint.catalog import Rule
from gradlint.finding import Edit, FileError, Finding, Fix, Range, Step
from gradlint.report import Report, View
from gradlint.report._plain import printable
from gradlint.report._words import HOME, from_root, in_cell, link
from gradlint.report.json import written

EXTRAS = False
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 25_000
MOST_PLACES = 1_000  #: of a flow
MOST_RELATED = 100
_LONGEST = 400  #: characters of a snippet
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_PROBLEMS = {"error": "error", "warning": "warning", "info": "recommendation"}
_GRAVITY = ("error", "warning", "info")
_ROOT = "%SRCROOT%"
_DESCRIPTION = re.compile(r"^## What it does\n+(.*?)\n## ", re.MULTILINE | re.DOTALL)

T = TypeVar("T")


def render(report: Report, view: View) -> str:
    """The report as a SARIF log with one run."""
    findings = sorted(report.findings, key=lambda f: _GRAVITY.index(f.severity))[:MOST_RESULTS]
    rules = _rules(findings, view)
    index = {rule["id"]: i for i, rule in enumerate(rules)}
    run = {
        "tool": {"driver": _driver(rules)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(report, len(report.findings) - len(findings))],
        "results": [_result(finding, index[finding.rule], view) for finding in findings],
    }
    return written({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


# --- the tool and its rules ------------------------------------------------------------------------------------------


def _driver(rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "gradlint",
        "version": __version__,
        "semanticVersion": __version__,
        "informationUri": HOME,
        "rules": rules,
    }


def _rules(findings: Iterable[Finding], view: View) -> list[dict[str, Any]]:
    """Every rule there is, so that a viewer can tell what was looked for; unknown ones by their name."""
    unknown = sorted({f.rule for f in findings} - view.rules.keys())
    return [*(_rule(view.rules[slug]) for slug in sorted(view.rules)), *({"id": slug} for slug in unknown)]


def _rule(rule: Rule) -> dict[str, Any]:
    page = rule.page
    described = _DESCRIPTION.search(page)
    return {
        "id": rule.slug,
        "shortDescription": {"text": _sentence(rule.summary)},
        "fullDescription": {"text": _sentence(" ".join((described[1] if described else rule.summary).split()))},
        "help": {"text": _sentence(rule.help), "markdown": page},
        "helpUri": link(rule.url),
        "defaultConfiguration": {"level": _LEVELS[rule.severity], "enabled": rule.enabled},
        "properties": {
            "tags": ["autograd", "correctness", "pytorch"],
            "precision": "high",
            "problem.severity": _PROBLEMS[rule.severity],
        },
    }


def _sentence(text: str) -> str:
    """Text as SARIF wants its descriptions: a sentence with a full stop."""
    text = printable(text)
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def _invocation(report: Report, left_out: int) -> dict[str, Any]:
    """Whether the tool could do its work, and where it could not."""
    notes = [_notification(error) for error in report.errors]
    if left_out:
        told = f"{left_out} results are left out: code scanning takes at most {MOST_RESULTS} of a run."
        notes.append({"level": "warning", "message": {"text": told}})
    return {"executionSuccessful": not report.errors, "toolExecutionNotifications": notes}


def _notification(error: FileError) -> dict[str, Any]:
    region = {"startLine": error.line, "startColumn": error.column}
    place = {"physicalLocation": {"artifactLocation": _artifact(error.file), "region": region}}
    told = {"text": _message(f"{in_cell(error.cell, error.line)}{error.kind}: {error.message}")}
    return {"level": "error", "message": told, "locations": [place]}


# --- results ---------------------------------------------------------------------------------------------------------


def _result(finding: Finding, index: int, view: View) -> dict[str, Any]:
    cell = in_cell(finding.cell, finding.range.start.line)
    where = _location(finding.file, finding.cell, finding.range, view)
    if finding.symbol != "<module>":
        where["logicalLocations"] = [{"fullyQualifiedName": printable(finding.symbol), "kind": "function"}]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(f"{cell}{finding.message}" + (f". {finding.help}" if finding.help else ""))},
        "locations": [where],
        "relatedLocations": _related(finding, view),
        "partialFingerprints": _fingerprints(finding),
        "properties": _properties(finding),
    }
    if finding.path:
        result["codeFlows"] = [_flow(finding, view)]
    if finding.fix and finding.fix.edits and all(edit.cell is None for edit in finding.fix.edits):
        result["fixes"] = [_fix(finding.fix)]
    return result


def _fingerprints(finding: Finding) -> dict[str, str]:
    """Ours survives moved lines, so code scanning is told to recognise alerts by it."""
    return {"gradlint/v1": finding.fingerprint, "primaryLocationLineHash": f"{finding.fingerprint}:1"}


def _properties(finding: Finding) -> dict[str, Any]:
    runtime = {"status": finding.runtime.status, "reason": finding.runtime.reason, "evidence": finding.runtime.evidence}
    said = {key: value for key, value in runtime.items() if value is not None}
    return {
        "contract": finding.contract, "confidence": finding.confidence, "foundBy": finding.found_by, "runtime": said,
    }  # fmt: skip


def _flow(finding: Finding, view: View) -> dict[str, Any]:
    """The path as a code flow: one thread, its places in the order of the data."""
    places = [_place(i, step, view) for i, step in enumerate(finding.path, 1)]
    told = "The way of the data from the capture to the demand; the gradient should come back along it."
    return {"message": {"text": told}, "threadFlows": [{"locations": _shortened(places, MOST_PLACES)}]}


def _place(number: int, step: Step, view: View) -> dict[str, Any]:
    where = _location(step.file, step.cell, step.range, view)
    where["message"] = {"text": _message(f"{in_cell(step.cell, step.range.start.line)}{step.role}: {step.label}")}
    return {
        "location": where,
        "kinds": [step.role],
        "executionOrder": number,
        "importance": "important" if step.role in ("step", "select", "unknown") else "essential",
    }


def _related(finding: Finding, view: View) -> list[dict[str, Any]]:
    steps = [(s.file, s.cell, s.range, f"({i}) {s.role}: {s.label}") for i, s in enumerate(finding.path, 1)]
    others = [(p.file, p.cell, p.range, f"also cut off: {p.label}") for p in finding.also]
    places = [
        {
            "id": i,
            **_location(file, cell, there, view),
            "message": {"text": _message(f"{in_cell(cell, there.start.line)}{told}")},
        }
        for i, (file, cell, there, told) in enumerate((*steps, *others), 1)
    ]
    return _shortened(places, MOST_RELATED)


def _fix(fix: Fix) -> dict[str, Any]:
    files = sorted({edit.file for edit in fix.edits})
    changes = [
        {"artifactLocation": _artifact(file), "replacements": [_replacement(e) for e in fix.edits if e.file == file]}
        for file in files
    ]
    return {"description": {"text": _sentence(f"{fix.message} ({fix.applicability})")}, "artifactChanges": changes}


def _replacement(edit: Edit) -> dict[str, Any]:
    return {"deletedRegion": _region(edit.range), "insertedContent": {"text": edit.content}}


# --- places and words ------------------------------------------------------------------------------------------------


def _location(file: str, cell: int | None, there: Range, view: View) -> dict[str, Any]:
    region: dict[str, Any] = _region(there)
    snippet = _snippet(there, view.source(file, cell))
    if 0 < len(snippet) <= _LONGEST:
        region["snippet"] = {"text": snippet}
    return {"physicalLocation": {"artifactLocation": _artifact(file), "region": region}}


def _region(there: Range) -> dict[str, Any]:
    start, end = there.start, there.end
    return {"startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column}


def _snippet(there: Range, lines: Sequence[str]) -> str:
    """The text of a region."""
    found = list(lines[there.start.line - 1 : there.end.line])
    if not found or sum(map(len, found)) > 10 * _LONGEST:
        return ""
    found[-1] = found[-1][: there.end.column - 1]
    found[0] = found[0][there.start.column - 1 :]
    return "\n".join(found)


def _artifact(file: str) -> dict[str, Any]:
    """A file as a URI: below the root where it lies there."""
    path = from_root(file, "GITHUB_WORKSPACE")
    if PurePath(path).is_absolute():
        return {"uri": PurePath(path).as_uri()}
    return {"uri": quote(path), "uriBaseId": _ROOT}


def _message(text: str) -> str:
    """Foreign words as the text of a message, in which `layers[0](x)` would be a link: there brackets are escaped."""
    text = printable(text)
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]") if "](" in text else text


def _shortened(places: list[T], most: int) -> list[T]:
    """The beginning and the end of a list that is too long: where the data comes from, and where it is demanded."""
    return places if len(places) <= most else [*places[: most // 2], *places[len(places) - most + most // 2 :]]
