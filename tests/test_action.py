"""The GitHub Action and the snippets for CI: valid by the services' own schemas, their scripts run by a real shell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gradlint.report import formats
from tests.runner import commands

ROOT = Path(__file__).resolve().parent.parent
ACTION = ROOT / "action.yml"
CUT = "import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


def action() -> Any:
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))


PAGES = ("README.md", "docs/ci.md")


def blocks(page: str, kind: str = "yaml") -> list[str]:
    """What a page shows of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def valid(schema: str, file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_github_takes_the_action() -> None:
    valid("vendor.github-actions", ACTION)
    for step in action()["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input inside a script would be an injection"


@pytest.mark.parametrize("page", PAGES)
def test_gitlab_takes_the_snippet(page: str, tmp_path: Path) -> None:
    (block,) = [b for b in blocks(page) if "codequality:" in b]
    (tmp_path / ".gitlab-ci.yml").write_text(block, encoding="utf-8")
    valid("vendor.gitlab-ci", tmp_path / ".gitlab-ci.yml")


@pytest.mark.parametrize(("page", "mark"), [*((p, "upload-sarif") for p in PAGES), ("docs/ci.md", "reviewdog")])
def test_github_takes_the_snippet(page: str, mark: str, tmp_path: Path) -> None:
    (block,) = [b for b in blocks(page) if mark in b]
    steps = yaml.safe_load(block)
    ours = [step["with"] for step in steps if str(step.get("uses")).startswith("gradlint/")]
    assert all(given.keys() <= action()["inputs"].keys() for given in ours)
    workflow = {"on": "push", "jobs": {"lint": {"runs-on": "ubuntu-latest", "steps": steps}}}
    (tmp_path / "lint.yml").write_text(json.dumps(workflow), encoding="utf-8")
    valid("vendor.github-workflows", tmp_path / "lint.yml")


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_the_gitlab_snippet_run(page: str, tmp_path: Path) -> None:
    (block,) = [b for b in blocks(page) if "codequality:" in b]
    command = yaml.safe_load(block)["gradlint"]["script"][-1]
    (tmp_path / "train.py").write_text(CUT, encoding="utf-8")
    words = [sys.executable, "-m", *command.split()]
    assert subprocess.run(words, cwd=tmp_path, check=False).returncode == 1
    (problem,) = json.loads((tmp_path / "gl-code-quality-report.json").read_text(encoding="utf-8"))
    assert problem["check_name"] == "detach"


def test_the_page_names_every_format() -> None:
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(formats())


class Job:
    """A runner's working directory and environment, as far as the action asks for them."""

    def __init__(self, folder: Path) -> None:
        self.work, self.temp, self.output = folder / "work", folder / "temp", folder / "output"
        self.work.mkdir()
        self.temp.mkdir()

    def run(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a step of the action as the runner does."""
        (script,) = [step["run"] for step in action()["runs"]["steps"] if step.get("name") == name]
        given = {"RUNNER_TEMP": str(self.temp), "GITHUB_OUTPUT": str(self.output), "GITHUB_WORKSPACE": str(self.work)}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=self.work,
            env={**os.environ, **given, **env}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def lint(
        self, paths: str = ".", args: str = "", sarif: str = "", html: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The step that lints."""
        return self.run("Run gradlint", PATHS=paths, ARGS=args, SARIF=sarif, HTML=html)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job in which gradlint is installed, and the working directory holds a cut."""
    made = Job(tmp_path)
    command = made.temp / "gradlint" / "bin" / "gradlint"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gradlint "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    (made.work / "train.py").write_text(CUT, encoding="utf-8")
    return made


def test_the_action_annotates_and_writes_its_files(job: Job) -> None:
    ran = job.lint(sarif="a b.sarif", html="page.html")
    assert ran.returncode == 1, ran.stderr
    assert [(name, given["file"], given["line"]) for name, given, _ in commands(ran.stdout)] == [
        ("error", "train.py", "3")
    ]
    assert job.output.read_text(encoding="utf-8") == "status=1\n"
    assert json.loads((job.work / "a b.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
    assert (job.work / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_action_passes_on_its_arguments(job: Job) -> None:
    assert job.lint(args="--exit-zero").returncode == 0
    assert job.lint(args="--ignore detach\n--no-cache").returncode == 0
    assert job.lint(paths="nowhere.py train.py").returncode == 2
    evil = "$(touch owned) `touch owned` ; touch owned"
    assert job.lint(paths=evil).returncode == 2
    assert not (job.work / "owned").exists()


@pytest.mark.slow
def test_the_action_installs_gradlint(tmp_path: Path) -> None:
    made = Job(tmp_path)
    ran = made.run("Install gradlint", SOURCE=str(ROOT), VERSION="")
    assert ran.returncode == 0, ran.stderr
    (made.work / "train.py").write_text(CUT, encoding="utf-8")
    assert made.lint(html="page.html").returncode == 1
    assert (made.work / "page.html").exists()
