"""`gradlint models`: rows are run and compared, beliefs are shown, mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradlint.cli.models import command

ROWS = """\
library = { name = "mine" }
"torch.round" = { flow = "carries" }
"torch.sigmoid" = { saves = "output" }
"torch.topk" = { outputs = ["carries", "cuts"], cause = "non-differentiable", example = "torch.topk(x, 2)" }
"nowhere.f" = {}
"""


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, words)
    return result.exit_code, result.output


def test_check_runs_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(ROWS, encoding="utf-8")
    status, text = run("check", str(file))
    assert status == 2
    assert "mine.toml:2: row 'torch.round': says of torch.round: carries" in text
    assert "row 'torch.round': contradicted: torch.round(x): output 0 zeroes, the row says that it carries" in text
    assert "row 'torch.sigmoid': proved" in text
    assert "row 'torch.topk': proved" in text
    assert "row 'nowhere.f': not run: add a key 'example'" in text
    assert "2 proved, 1 contradicted, 1 not run.\n" in text


def test_check_is_content_with_rows_that_hold(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('"torch.sigmoid" = {}\n"torch.argmax" = { flow = "cuts", cause = "non-differentiable" }\n')
    assert run("check", str(file))[0] == 0


@pytest.mark.parametrize("text", ['"a.f" = { flow = "cuts", cause = "magic" }', '"a.f" = {}\n"a.f" = {}', '"a.f" = 1'])
def test_check_names_file_and_row(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    status, told = run("check", str(file))
    assert status == 2
    assert re.search(r"bad\.toml:[12]: row 'a\.f'", told)


@pytest.mark.parametrize(
    ("name", "belief"),
    [
        ("torch.topk", "its outputs: carries, cuts"),
        ("torch.round", "the gradient is always zero"),
        ("transformers.GPT2LMHeadModel.generate", "runs without gradients"),
        ("torch_cluster.knn", "nobody could run it here"),
        ("torch.topkk", "did you mean 'torch.topk'?"),
        ("some.thing", "unknown"),
    ],
)
def test_show(name: str, belief: str) -> None:
    status, text = run("show", name)
    assert status == 0
    assert belief in text
