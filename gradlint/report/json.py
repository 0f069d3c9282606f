"""The report for machines: its shape is a promise, written down in `report.schema.json`."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from gradlint.report import OPTIONAL, Report, View
from gradlint.report._plain import printable

EXTRAS = False
_UNUSUAL = re.compile(r"[^\x00-\x7e]+")


def render(report: Report, view: View) -> str:
    """The report as JSON."""
    return written(as_data(report))


def written(data: object) -> str:
    """Plain data as JSON that can be printed: what a terminal would obey is written as an escape of JSON.

    So is `##[`, which would be a command in a log of GitHub's runner.
    """
    text = msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
    return _UNUSUAL.sub(_escaped, text).replace("##[", "##\\u005b") + "\n"


def _escaped(found: re.Match[str]) -> str:
    return "".join(c if printable(c) == c else json.dumps(c)[1:-1].replace("\x7f", "\\u007f") for c in found[0])


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain data, without the keys that have nothing to say."""
    data: dict[str, Any] = msgspec.to_builtins(report)
    for finding in data["findings"]:
        finding["runtime"] = _said(finding["runtime"], OPTIONAL["Runtime"])
        finding["path"] = [_said(step, OPTIONAL["Step"]) for step in finding["path"]]
        finding["also"] = [_said(place, OPTIONAL["Place"]) for place in finding["also"]]
        if finding["fix"]:
            finding["fix"]["edits"] = [_said(edit, OPTIONAL["Edit"]) for edit in finding["fix"]["edits"]]
    data["errors"] = [_said(error, OPTIONAL["FileError"]) for error in data["errors"]]
    return data


def _said(record: dict[str, Any], optional: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None or key not in optional}
