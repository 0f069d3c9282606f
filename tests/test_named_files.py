"""Which findings are told: those that stand, or are asked for, in a file that was named, whatever that file holds."""

from __future__ import annotations

from pathlib import Path

from gradlint.api import check

MODEL = """import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x):
        return self.layer(x) * self.scale
"""
OPTIMIZER = """import torch


def made_for(model):
    return torch.optim.SGD([*model.parameters(), model.scale], lr=0.1)
"""
MAIN = """import torch
from model import Scaled
from optimizer import made_for

model = Scaled()
optimizer = made_for(model)
model(torch.rand(2, 3)).sum().backward()
optimizer.step()
"""


def test_a_finding_between_files_that_are_not_run_by_themselves_is_told(tmp_path: Path) -> None:
    for name, text in (("model", MODEL), ("optimizer", OPTIMIZER), ("main", MAIN)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    (found,) = check([tmp_path]).findings
    assert (Path(found.file).name, found.rule) == ("model.py", "untrained-module")
    assert not check([tmp_path / "main.py"]).findings
    assert [f.rule for f in check([tmp_path / "optimizer.py"]).findings] == ["untrained-module"]
