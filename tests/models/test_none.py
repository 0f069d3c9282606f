"""What the machine believes of None: no function of torch takes it in the place of its first tensor."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch

from gradlint.api import check
from gradlint.catalog import Catalog

ONE = torch.ones(2)
BESIDE = ((), (ONE,), (ONE, ONE), (2,), (2, 2))


def _functions() -> dict[str, object]:
    rows = (row for row in Catalog.load().rows() if row.refuses_none and not row.name.startswith("torch.Tensor."))
    found: dict[str, object] = {}
    for row in rows:
        try:
            found[row.name] = functools.reduce(getattr, row.name.split(".")[1:], torch)
        except AttributeError:
            continue  # of a release before this one
    return {name: function for name, function in found.items() if callable(function) and not isinstance(function, type)}


@pytest.mark.filterwarnings("ignore")
def test_every_function_raises_for_none() -> None:
    functions = _functions()
    assert len(functions) > 400
    taken = [name for name, function in functions.items() if any(_takes(function, beside) for beside in BESIDE)]
    assert taken == []


def _takes(function: object, beside: tuple[object, ...]) -> bool:
    assert callable(function)
    try:
        function(None, *beside)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("use", ["torch.relu(kept)", "kept * 2", "1 - kept", "x + kept", "torch.nn.functional.mse_loss(kept, x)"])
def test_a_hook_whose_catch_is_used_so(tmp_path: Path, use: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(f"""import torch
from torch import nn

net, beside, kept = nn.Linear(2, 2), nn.Linear(2, 2), None


def hook(module, args, output):
    global kept
    kept = output


beside.register_forward_hook(hook)
x = net(torch.ones(2))
x.sum().backward()
print({use})
""")
    assert [f.rule for f in check([file]).findings] == ["dead-hook"]
