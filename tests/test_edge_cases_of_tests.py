"""What a test hands in may be the case that a function leaves early for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

FUNCTION = """import torch


def spread(losses, params, groups):
    if int(torch.unique(groups).numel()) < 2:
        return 0.0
    slopes = torch.autograd.grad(losses.sum(), params, allow_unused=True)
    return sum(float(s.var()) for s in slopes)
"""
CALLER = """import torch
from spread import spread


def test_one_group():
    params = [torch.nn.Parameter(torch.ones(3))]
    assert spread(torch.tensor([1.0, 2.0]), params, torch.tensor([0, 0])) == 0.0


test_one_group()
"""


@pytest.mark.parametrize(("name", "rules"), [("tests/test_spread.py", []), ("main.py", ["off-path-target"])])
def test_only_a_test_does_so(tmp_path: Path, name: str, rules: list[str]) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "spread.py").write_text(FUNCTION)
    caller = tmp_path / name
    caller.parent.mkdir(exist_ok=True)
    caller.write_text(CALLER)
    assert [f.rule for f in check([tmp_path]).findings] == rules
