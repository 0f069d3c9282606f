"""The report for machines: its shape is a promise, written down in `report.schema.json`."""

from __future__ import annotations

from typing import Any

import msgspec

from gradlint.report import OPTIONAL, Report, View

EXTRAS = False


def render(report: Report, view: View) -> str:
    """The report as JSON."""
    text = msgspec.json.format(msgspec.json.encode(as_data(report)), indent=2)
    return text.decode() + "\n"


def as_data(report: Report) -> dict[str, Any]:
    """The report as plain data, without the keys that have nothing to say."""
    data: dict[str, Any] = msgspec.to_builtins(report)
    for finding in data["findings"]:
        finding["runtime"] = _said(finding["runtime"], OPTIONAL["Runtime"])
        finding["path"] = [_said(step, OPTIONAL["Step"]) for step in finding["path"]]
    return data


def _said(record: dict[str, Any], optional: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None or key not in optional}
