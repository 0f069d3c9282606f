"""A cut in a caller is found when only the callee's file is named, and when only the caller's is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from gradlint.api import check
from gradlint.config import Config
from gradlint.finding import Finding
from tests.expectations import reported

ROOT = Path(__file__).resolve().parent.parent / "fixtures"

_NO_WORD = "missing: a file without a word that matters is not looked at alone"
#: known gaps, each with its reason
MISSING = {
    "reach/backbone_base": _NO_WORD,
    "reach/hsic_penalty": _NO_WORD,
    "reach/model_by_name": "missing: who imports a file by a name that is text is not looked for",
}

Claim = tuple[str, str, int, str]


def _name(project: Path) -> str:
    return project.relative_to(ROOT).as_posix()


def _claim(finding: Finding) -> Claim:
    return (finding.rule, Path(finding.file).name, finding.range.start.line, finding.severity)


def _files(finding: Finding) -> set[Path]:
    """Where a finding stands, and where its gradient is demanded."""
    return {Path(finding.file).resolve()} | {Path(s.file).resolve() for s in finding.path if s.role == "demand"}


def _projects() -> Iterator[ParameterSet]:
    for project in sorted(main.parent for main in ROOT.rglob("main.py")):
        name = _name(project)
        marks = [pytest.mark.xfail(reason=MISSING[name], strict=True)] if name in MISSING else []
        yield pytest.param(project, id=name, marks=marks)


@pytest.mark.parametrize("project", _projects())
def test_one_file_of_a_project_tells_as_much(project: Path) -> None:
    for finding in reported(project):
        for file in _files(finding):
            assert _claim(finding) in {_claim(f) for f in reported(file)}, file


STEP = "def step(model, x):\n    model(x).sum().backward()\n"
SCRIPT = """import torch
from work import step
model = torch.nn.Linear(2, 1)
model.requires_grad_(False)
step(model, torch.ones(2))
"""


def test_a_project_may_lie_in_a_folder_called_test(tmp_path: Path) -> None:
    folder = tmp_path / "test" / "project"
    folder.mkdir(parents=True)
    (folder / "work.py").write_text(STEP)
    (folder / "main.py").write_text(SCRIPT)
    assert [f.rule for f in reported(folder / "work.py")] == ["no-graph"]


def test_tests_are_no_callers(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(STEP)
    (tmp_path / "test_work.py").write_text(SCRIPT)
    assert reported(tmp_path / "work.py") == []


def test_a_file_that_is_linted_is_no_caller_beside(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(STEP)
    (tmp_path / "build.py").write_text(
        "import torch\nmodel = torch.nn.Linear(2, 1)\nmodel.requires_grad_(False)\nx = torch.ones(2)\n"
    )
    (tmp_path / "main.py").write_text("from build import model, x\nfrom work import step\nstep(model, x)\n")
    report = check([tmp_path], Config())
    assert [f.rule for f in report.findings] == ["no-graph"]
    assert report.summary.files.context == 0


def test_other_projects_in_an_unmarked_folder_are_not_looked_through(tmp_path: Path) -> None:
    for name in ("mine[1]", "theirs"):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / "main.py").write_text(SCRIPT)
    (tmp_path / "work.py").write_text(STEP)
    assert reported(tmp_path / "work.py") == []


def test_a_repository_may_be_a_package(tmp_path: Path) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "__init__.py").write_text("")
    (tmp_path / "repository" / "work.py").write_text(STEP)
    (tmp_path / "main.py").write_text(SCRIPT.replace("work", "repository.work"))
    assert reported(tmp_path / "repository" / "work.py") == []
