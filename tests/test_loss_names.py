"""Functions that are called a loss: what they return is to be differentiated, and what is called its gradient is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradlint import api

PROGRAM = """
import torch

def {NAME}(model, batch):
    chosen = model(batch).softmax(-1)[:, 0]
    return (1 - chosen).clone().detach()
"""


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("weighted_loss", ["dead-loss-term"]),
        ("gradient_loss", ["dead-loss-term"]),
        ("out_to_loss_grad", []),
        ("loss_gradients", []),
    ],
)
def test_what_is_found(tmp_path: Path, name: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.replace("{NAME}", name), encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == rules
    here: dict[str, object] = {}
    exec(file.read_text(encoding="utf-8"), here)

    assert not here[name](torch.nn.Linear(3, 2), torch.rand(4, 3)).requires_grad  # type: ignore[operator]


MEASURED = """
import torch

def token_l1_loss({ONE}, {OTHER}, mask):
    one = torch.tensor({ONE}[mask].cpu().numpy())
    other = torch.tensor({OTHER}[mask].cpu().numpy())
    return torch.nn.functional.l1_loss(one, other)
"""


@pytest.mark.parametrize(
    ("one", "other", "rules"),
    [
        ("predicted_ids", "labels", []),
        ("prediction", "target", ["dead-loss-term"]),
        ("indices", "wanted", ["dead-loss-term"]),
    ],
)
def test_whole_numbers_have_no_gradient_to_lose(tmp_path: Path, one: str, other: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(MEASURED.replace("{ONE}", one).replace("{OTHER}", other), encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == rules
