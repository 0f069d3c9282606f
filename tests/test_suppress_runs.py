"""Suppressions in whole runs: what is silenced, what is told of comments that do nothing, and what a formatter does to them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from gradlint.cli import main

CELLS = (
    "import torch\nfrom torch import nn\nmodel = nn.Linear(4, 2)",
    "scores = model(torch.ones(3, 4))\n{above}lost = scores.detach().pow(2).mean(){behind}",
    "%time loss = scores.sum() + lost\nloss.backward()",
)
LOST = """\
import torch
from torch import nn

model = nn.Linear(4, 2)
scores = model(torch.ones(3, 4))
loss = scores.sum() + 0.5 * scores.detach().pow(2).mean() + model.weight.square().mean() * torch.ones(1).sum()
loss.backward()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*args: str) -> tuple[list[tuple[str, str]], int]:
    """Rule and message of every finding, and how many were suppressed."""
    data = json.loads(run(*args, "--output-format", "json").stdout)
    return [(f["rule"], f["message"]) for f in data["findings"]], data["summary"]["suppressed"]


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["check", *args], catch_exceptions=False)


@pytest.mark.parametrize("width", [20, 40, 60, 88, 120])
def test_a_comment_survives_the_formatter(here: Path, width: int) -> None:
    line = "loss = scores.sum()"
    (here / "a.py").write_text(
        LOST.replace(".sum()\nloss", ".sum()  # gradlint: ignore[dead-loss-term] shown\nloss"), encoding="utf-8"
    )
    assert line in (here / "a.py").read_text(encoding="utf-8")
    assert told("a.py") == ([], 1)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", str(width), "a.py"]
    subprocess.run(command, check=True, capture_output=True)
    assert told("a.py") == ([], 1)


@pytest.mark.parametrize(
    "where", [{"behind": "  # gradlint: ignore[dead-loss-term]"}, {"above": "# gradlint: ignore[dead-loss-term]\n"}]
)
def test_cells(here: Path, where: dict[str, str]) -> None:
    def book(**given: str) -> None:
        texts = [text.format(**{"above": "", "behind": "", **given}) if "{" in text else text for text in CELLS]
        cells: list[dict[str, object]] = [
            {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
            for text in texts
        ]
        data = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (here / "a.ipynb").write_text(json.dumps(data), encoding="utf-8")

    book()
    assert [rule for rule, _ in told("a.ipynb")[0]] == ["dead-loss-term"]
    book(**where)
    assert told("a.ipynb") == ([], 1)
    book(above="# gradlint: file-ignore[dead-loss-term]\n")
    assert told("a.ipynb") == ([], 1)


def test_comments_that_do_nothing_are_told_in_files_without_any_demand(here: Path) -> None:
    (here / "a.py").write_text("x = 1  # gradlint: ignore[detach, typo]\ny = 2  # gradlint: ignore\n", encoding="utf-8")
    assert sorted(told("a.py")[0]) == [
        ("unused-suppression", "names no rule, so it silences nothing: write # gradlint: ignore[rule] and the reason"),
        ("unused-suppression", "nothing to silence here: detach"),
        ("unused-suppression", "there is no rule 'typo'"),
    ]


def test_only_what_is_not_needed_is_taken_out(here: Path) -> None:
    text = LOST.replace(".sum()\nloss", ".sum()  # gradlint: ignore[detach, dead-loss-term] shown\nloss")
    (here / "a.py").write_text(
        f"# gradlint: ignore[no-graph] nothing here\n{text}y = 1  # gradlint: ignore[dettach]\n", encoding="utf-8"
    )
    assert run("a.py", "--fix").exit_code == 1
    fixed = (here / "a.py").read_text(encoding="utf-8")
    assert (
        fixed == text.replace("[detach, dead-loss-term]", "[dead-loss-term]") + "y = 1  # gradlint: ignore[dettach]\n"
    )
    assert told("a.py") == ([("unused-suppression", "there is no rule 'dettach'; did you mean 'detach'?")], 1)
