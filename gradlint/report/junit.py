"""JUnit's XML: a suite for each file that something was found in, a case for each finding, failed from a warning on.

Where nothing was found there is one case that passed: services take a report without cases for a broken one.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

from gradlint.finding import FileError, Finding
from gradlint.report import Report, View
from gradlint.report._plain import printable
from gradlint.report._words import at, closing, link, named, unheard, way

EXTRAS = False
Told = FileError | Finding


def render(report: Report, view: View) -> str:
    """The report as XML."""
    by_file = attrgetter("file")
    told: list[Told] = sorted((*report.errors, *report.findings), key=by_file)
    root = ET.Element("testsuites", {"name": "gradlint", **_counts(told, passed=not told)})
    for file, group in groupby(told, key=by_file):
        _suite(root, file, list(group))
    if not told:
        suite = ET.SubElement(root, "testsuite", {"name": "gradlint", **_counts(told, passed=True)})
        case = ET.SubElement(suite, "testcase", name="gradient", classname="gradlint")
        ET.SubElement(case, "system-out").text = closing(report, view.sites)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return unheard(text.decode()) + "\n"


def _counts(told: list[Told], *, passed: bool = False) -> dict[str, str]:
    errors = sum(isinstance(one, FileError) for one in told)
    failures = sum(isinstance(one, Finding) and _fails(one) for one in told)
    return {"tests": str(len(told) + passed), "failures": str(failures), "errors": str(errors)}


def _suite(root: ET.Element, file: str, told: list[Told]) -> None:
    suite = ET.SubElement(root, "testsuite", {"name": printable(file), **_counts(told)})
    for one in told:
        name = _error_name(one) if isinstance(one, FileError) else f"{one.rule} at {at(one.file, one.range, one.cell)}"
        classname = ".".join(PurePosixPath(file).with_suffix("").parts)
        case = ET.SubElement(suite, "testcase", name=printable(name), classname=printable(classname))
        if isinstance(one, FileError):
            ET.SubElement(case, "error", type=one.kind, message=printable(one.message))
        elif _fails(one):
            failure = ET.SubElement(case, "failure", type=one.severity, message=printable(one.message))
            failure.text = "\n".join(map(printable, _text(one)))
        else:
            ET.SubElement(case, "system-out").text = "\n".join(map(printable, _text(one)))


def _fails(finding: Finding) -> bool:
    """Whether a case is a failure: what is right for display is not, nor what the running program refuted."""
    return finding.severity != "info" and finding.runtime.status != "refuted"


def _error_name(error: FileError) -> str:
    return f"{error.kind} at {named(error.file, error.cell)}:{error.line}:{error.column}"


def _text(finding: Finding) -> list[str]:
    helped = [f"help: {finding.help}"] if finding.help else []
    return [finding.message, *way(finding), *helped, *([link(finding.url)] if finding.url else [])]
