"""A cut in a caller is found when only the callee's file is named, and when only the caller's is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.finding import Finding
from tests.expectations import reported

ROOT = Path(__file__).resolve().parent.parent / "fixtures"
PROJECTS = sorted(main.parent for main in ROOT.rglob("main.py"))

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


@pytest.mark.parametrize("project", PROJECTS, ids=_name)
def test_one_file_of_a_project_tells_as_much(project: Path) -> None:
    if _name(project) in MISSING:
        pytest.xfail("a file without a word that matters is not looked at alone")
    for finding in reported(project):
        for file in _files(finding):
            assert _claim(finding) in {_claim(f) for f in reported(file)}, file
