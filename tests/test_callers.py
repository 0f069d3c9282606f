"""A cut in a caller is found when only the callee's file is named, and when only the caller's is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from gradlint.finding import Finding
from tests.expectations import reported

ROOT = Path(__file__).resolve().parent.parent / "fixtures"

#: missing: files that hold neither a word of torch nor one that asks for a gradient are not looked at alone
MISSING = ("reach/backbone_base", "reach/hsic_penalty")

Claim = tuple[str, str, int, str]


def _name(project: Path) -> str:
    return project.relative_to(ROOT).as_posix()


def _claim(finding: Finding) -> Claim:
    return (finding.rule, Path(finding.file).name, finding.range.start.line, finding.severity)


def _files(finding: Finding) -> set[Path]:
    """Where a finding stands, and where its gradient is demanded."""
    return {Path(finding.file).resolve()} | {Path(s.file).resolve() for s in finding.path if s.role == "demand"}


def _projects() -> Iterator[ParameterSet]:
    gap = pytest.mark.xfail(reason="missing: a file without a word that matters is not looked at alone", strict=True)
    for project in sorted(main.parent for main in ROOT.rglob("main.py")):
        yield pytest.param(project, id=_name(project), marks=[gap] if _name(project) in MISSING else [])


@pytest.mark.parametrize("project", _projects())
def test_one_file_of_a_project_tells_as_much(project: Path) -> None:
    for finding in reported(project):
        for file in _files(finding):
            assert _claim(finding) in {_claim(f) for f in reported(file)}, file
