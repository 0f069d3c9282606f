"""Numbers that are replaced, and roundings: the gradient exists and is zero, or goes another way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api

HEAD = "import torch\nlin = torch.nn.Linear(3, 3)\nh = lin(torch.rand(2, 3)) + 2\n"
#: a program's end, and the rule that is found where the gradient of the layer is zero
PROGRAMS = [
    ("h.fill_(1.0)\nh.sum().backward()\n", "zero-gradient"),
    ("h[0].fill_(1.0)\nh.sum().backward()\n", ""),
    ("h.copy_(torch.ones(2, 3))\nh.sum().backward()\n", "zero-gradient"),
    ("row = h[0]\nrow.copy_(torch.ones(3))\nrow.sum().backward()\n", "zero-gradient"),
    ("w = h.view(6)\nw[:3].copy_(torch.ones(3))\nh.sum().backward()\n", ""),
    ("buf = torch.zeros(2, 3)\nbuf.copy_(h)\nbuf.sum().backward()\n", ""),
    ("h.div(0.5, rounding_mode='floor').sum().backward()\n", "zero-gradient"),
    ("torch.div(h, 0.5, rounding_mode='trunc').sum().backward()\n", "zero-gradient"),
    ("torch.div(h, 0.5, rounding_mode=None).sum().backward()\n", ""),
    ("(h.div(0.5, rounding_mode='floor') + h).sum().backward()\n", ""),
    ("h.ge(2.5).type(torch.float64).sum().backward()\n", "non-differentiable"),
    ("assert h.type() == 'torch.FloatTensor'\nh.type(torch.float64).sum().backward()\n", ""),
]


def test_what_replaces_them_may_be_unknown(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(f"import mystery\n{HEAD}h.copy_(mystery.thing)\nh.sum().backward()\n", encoding="utf-8")
    assert not api.check([file]).findings


@pytest.mark.parametrize(("end", "rule"), PROGRAMS)
def test_what_is_found_and_happens(tmp_path: Path, end: str, rule: str) -> None:
    program = HEAD + end
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == ([rule] if rule else [])
    here: dict[str, object] = {}
    if rule == "non-differentiable":
        with pytest.raises(RuntimeError, match="does not require grad"):
            exec(program, here)
        return
    exec(program, here)
    gradient = here["lin"].weight.grad  # type: ignore[attr-defined]
    assert bool(gradient.any()) is not bool(rule)
