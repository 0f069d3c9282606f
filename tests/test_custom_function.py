"""What the backward of an `autograd.Function` returns, in the forms people write it; autograd is the judge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gradlint import api

PROGRAM = """\
import torch


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *weights):
        ctx.save_for_backward(x, *weights)
        return x * sum(w.sum() for w in weights)

    @staticmethod
    def backward(ctx, grad):
        x, *weights = ctx.saved_tensors
        scale = sum(w.sum() for w in weights)
{body}


x = torch.ones(3, requires_grad=True)
a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
loss = Scaled.apply(x, a, b).sum()
dx, da, db = torch.autograd.grad(loss, [x, a, b], allow_unused=True)
"""
#: what stands in the backward, and which of x, a and b get a gradient
BODIES = [
    ("return grad * scale, (grad * x).sum() * weights[0], (grad * x).sum() * weights[1]", "xab"),
    ("return (grad * scale,) + tuple((grad * x).sum() * w for w in weights)", "xab"),
    ("return (grad * scale,) + tuple(None for _ in weights)", "x"),
    ("if x.sum() < 0:\n    grad = None\nreturn grad, None, None", "x"),
    ("return (grad * scale, *[None for _ in weights])", "x"),
    ("return (grad * scale,) + (None,) * len(weights)", "x"),
    ("rest = [None] * 2\nreturn (grad * scale, *rest)", "x"),
    ("dx = torch.zeros_like(x)\nreturn dx, (grad * x).sum() * weights[0], None", "a"),
    ("dx = torch.zeros_like(x)\ndx[0] = 1.0\nreturn dx, None, (grad * x).sum() * weights[1]", "xb"),
    ("rest = [(grad * x).sum() * weights[0], None]\nrest[1] = rest[0] * 2\nreturn (None, *rest)", "ab"),
    ("return grad * 0 + scale, grad.sum() * 0 * weights[0], (grad * x).sum() * weights[1]", "xb"),
    ("if ctx.needs_input_grad[0]:\n    return grad * scale, None, None\nreturn None, None, None", "x"),
]


@pytest.mark.parametrize(("body", "given"), BODIES)
def test_what_gets_no_gradient_is_found_and_nothing_else(tmp_path: Path, body: str, given: str) -> None:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    text = PROGRAM.format(body=lines)
    here: dict[str, torch.Tensor | None] = {}
    exec(text, here)
    assert "".join(n for n in "xab" if (d := here[f"d{n}"]) is not None and bool(d.any())) == given
    for target in "xab":
        file = tmp_path / f"{target}.py"
        file.write_text(text.replace("[x, a, b]", f"[{target}]").replace("dx, da, db", "(found,)"))
        rules = [f.rule for f in api.check([file]).findings]
        assert rules == ([] if target in given else ["custom-function"]), target
