"""Flags `inplace` of functions, by name and by position: where torch has them, and what is written."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from torch.nn import functional

from gradlint import api
from gradlint.static.overwrites import FLAGS, TRAINING

HEAD = "import torch, torch.nn.functional as F\nx = torch.rand(4, requires_grad=True)\ny = x.sigmoid()\n"
#: a call, and whether it raises at the backward
CALLS = [
    ("F.relu(y, True)", True),
    ("F.relu(y)", False),
    ("F.leaky_relu(y, 0.1, True)", True),
    ("F.leaky_relu(y, True)", False),
    ("F.dropout(y, 0.5, True, True)", True),
    ("F.dropout(y, inplace=True)", True),
    ("F.dropout(y, 0.5, False, True)", False),
    ("F.dropout(y, training=False, inplace=True)", False),
    ("F.dropout(y, 0.0, True, True)", False),
    ("F.alpha_dropout(y, inplace=True)", False),
    ("F.alpha_dropout(y, 0.5, True, True)", True),
    ("torch.dropout_(y, 0.5, True)", True),
]


def test_torch_has_the_flags_there() -> None:
    places = {}
    for name, value in vars(functional).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            words = list(inspect.signature(value).parameters)
            if "inplace" in words:
                places[name] = words.index("inplace")
                assert "dropout" not in name or words.index("training") == TRAINING
    assert places == FLAGS


@pytest.mark.parametrize(("call", "raises"), CALLS)
def test_what_is_found_and_happens(tmp_path: Path, call: str, raises: bool) -> None:
    program = f"{HEAD}{call}\ny.sum().backward()\n"
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == ["overwritten-saved"] * raises
    if raises:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            exec(program, {})
    else:
        exec(program, {})


@pytest.mark.parametrize("name", FLAGS)
def test_a_function_is_not_in_its_own_way(tmp_path: Path, name: str) -> None:
    more = "0.1, 0.2, " if name == "threshold" else ""
    head = "import torch, torch.nn.functional as F\nlayer = torch.nn.Conv1d(2, 3, 1)\n"
    program = f"{head}y = F.{name}(layer(torch.rand(2, 2, 4)), {more}inplace=True)\ny.pow(2).sum().backward()\n"
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    assert not api.check([file]).findings
    here: dict[str, object] = {}
    exec(program, here)
    assert here["layer"].weight.grad is not None  # type: ignore[attr-defined]
