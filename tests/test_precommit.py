"""The hooks as pre-commit installs and runs them: `try-repo`, and commits into a project of a user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.skipif(find_spec("pre_commit") is None, reason="pre-commit is not installed"),
    pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git repository"),
]

HELPER = "def shown(x):\n    return x\n"
CUT_HELPER = "def shown(x):\n    return x.detach()\n"
MAIN = """import torch
from helper import shown

x = torch.ones(2, requires_grad=True)
y = shown(x) * 2
y.sum().backward()
"""
CELLS = ["import torch\nx = torch.ones(2, requires_grad=True)", "y = x.detach()", "%time y.sum().backward()"]
FIXABLE = """import torch
from torch import nn

net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
x = torch.ones(1, 2, requires_grad=True)
h = net(x)
h.sum().backward()
print(h.grad.norm())
"""


def notebook() -> str:
    """A notebook whose second cell cuts what its third one demands."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
        for source in CELLS
    ]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}, indent=1)


class Project:
    """A git repository of somebody."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GIT_", "PRE_COMMIT", "VIRTUAL_ENV"))
        }
        names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.env = {**kept, **names, "PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never", "NO_COLOR": "1"}

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """What a command does in the repository."""
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=600
        )

    def git(self, *args: str | Path) -> str:
        """What git prints; it must succeed."""
        done = self.run("git", *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def precommit(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """The pre-commit of this environment."""
        return self.run(sys.executable, "-m", "pre_commit", *args)

    def write(self, **files: str) -> None:
        """Write and stage files; two underscores stand for a dot."""
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
        self.git("add", "-A")

    def commit(self) -> subprocess.CompletedProcess[str]:
        """Commit what is staged, hooks and all."""
        return self.run("git", "commit", "-m", "work")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("hooks") / "gradlint"
    here = Project(ROOT, folder)
    here.git("clone", "--quiet", "--no-hardlinks", ROOT, folder)
    changed = here.git("ls-files", "-z", "--modified", "--others", "--exclude-standard").split("\0")
    for name in filter(None, changed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    clone = Project(folder, folder)
    clone.git("add", "-A")
    clone.git("commit", "--quiet", "--allow-empty", "-m", "what is being worked on")
    return folder


def repository(folder: Path, home: Path) -> Project:
    """A new repository."""
    folder.mkdir()
    made = Project(folder, home)
    made.git("init", "--quiet")
    return made


def test_both_hooks_are_tried(hooks: Path, tmp_path: Path) -> None:
    project = repository(tmp_path / "project", tmp_path / "home")
    project.write(helper__py=CUT_HELPER, main__py=MAIN, cam__ipynb=notebook(), notes__md="x.detach()\n")
    tried = project.precommit("try-repo", hooks, "--verbose", "--all-files")
    assert tried.returncode == 1, tried.stderr
    _, changed, whole = tried.stdout.split("- hook id: ")
    for name, part in (("gradlint", changed), ("gradlint-project", whole)):
        assert part.splitlines()[0] == name
        assert "- exit code: 1" in part
        assert "error[detach]: y.sum() does not depend on anything that requires grad" in part
        assert " --> helper.py:2:12\n" in part
        assert " --> cam.ipynb:cell 2:1:5\n" in part
        assert "\n2 errors. 2 demands: 0 connected, 2 severed, 0 undecided. 3 files, " in part
    assert "\x1b" not in tried.stdout


@pytest.fixture(scope="module")
def installed(hooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which `pre-commit install` has been run, with the hook of the README."""
    folder = tmp_path_factory.mktemp("user")
    project = repository(folder / "project", folder / "home")
    rev = Project(hooks, hooks).git("rev-parse", "HEAD").strip()
    entry = {"repo": str(hooks), "rev": rev, "hooks": [{"id": "gradlint"}]}
    fixing = {**entry, "hooks": [{"id": "gradlint", "args": ["--fix", "--unsafe-fixes"]}]}
    whole = {**entry, "hooks": [{"id": "gradlint-project"}]}
    for name, chosen in (("config", entry), ("fixing", fixing), ("whole", whole)):
        name = ".pre-commit-config.yaml" if name == "config" else f"{name}.yaml"
        (project.folder / name).write_text(json.dumps({"repos": [chosen]}), encoding="utf-8")
    done = project.precommit("install", "--install-hooks")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(installed: Project) -> Iterator[Project]:
    """The project as it was before the last test, with a program of two files."""
    installed.write(helper__py=HELPER, main__py=MAIN)
    done = installed.run("git", "commit", "--quiet", "--no-verify", "--allow-empty", "-m", "a program")
    assert done.returncode == 0
    before = installed.git("rev-parse", "HEAD").strip()
    yield installed
    installed.git("reset", "--quiet", "--hard", before)
    installed.git("clean", "--quiet", "-fd")


def test_a_commit_without_a_finding_passes(project: Project) -> None:
    project.write(main__py=MAIN + "x.grad.norm()\n", notes__md="text\n")
    done = project.commit()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stderr
    assert "demands" not in done.stderr, "a hook that passes is silent"


def test_a_commit_of_other_files_is_not_looked_at(project: Project) -> None:
    project.write(notes__md="more text\n")
    done = project.commit()
    assert done.returncode == 0
    assert "(no files to check)Skipped" in done.stderr


@pytest.mark.parametrize(
    "changed", [{"helper__py": CUT_HELPER}, {"main__py": MAIN.replace("y.sum", "shown(x.detach()).sum")}]
)
def test_a_commit_that_cuts_the_gradient_of_another_file_fails(project: Project, changed: dict[str, str]) -> None:
    project.write(**changed)
    done = project.commit()
    assert done.returncode == 1
    assert "- hook id: gradlint\n- exit code: 1\n\nerror[detach]: " in done.stderr
    assert "cut: .detach()" in done.stderr
    assert "demand" in done.stderr
    assert project.git("log", "-1", "--format=%s") == "a program\n"


def test_a_notebook_is_looked_at(project: Project) -> None:
    project.write(cam__ipynb=notebook())
    done = project.commit()
    assert done.returncode == 1
    assert " --> cam.ipynb:cell 2:1:5\n" in done.stderr


def test_a_file_that_cannot_be_analysed_fails(project: Project) -> None:
    project.write(broken__py="import torch\nx = (\n")
    done = project.commit()
    assert done.returncode == 1
    assert "- exit code: 2" in done.stderr
    assert "broken.py:2:5" in done.stderr


def test_excluded_files_are_left_out_although_pre_commit_names_them(project: Project) -> None:
    project.write(gradlint__toml='exclude = ["main.py"]\n', main__py=MAIN.replace("y.sum", "x.detach().sum"))
    done = project.commit()
    assert done.returncode == 0, done.stderr


def test_the_hook_fixes_what_it_can(project: Project) -> None:
    project.write(fixable__py=FIXABLE)
    first = project.precommit("run", "--config", "fixing.yaml", "--files", "fixable.py")
    assert first.returncode == 1
    assert "files were modified by this hook" in first.stdout
    assert "h.retain_grad()" in (project.folder / "fixable.py").read_text(encoding="utf-8")
    second = project.precommit("run", "--config", "fixing.yaml", "--files", "fixable.py")
    assert second.returncode == 0, second.stdout
    assert "Passed" in second.stdout


def test_the_hook_for_the_whole_project_names_no_files(project: Project) -> None:
    project.write(helper__py=CUT_HELPER)
    done = project.precommit("run", "--config", "whole.yaml", "--files", "main.py")
    assert done.returncode == 1
    assert " --> helper.py:2:12\n" in done.stdout
