"""`torch.func.grad` and its old name in functorch: what is differentiated, and with respect to what."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api

HEAD = """\
import torch, functorch
from torch.func import functional_call, grad
net = torch.nn.Linear(3, 1)
x, w = torch.rand(3), torch.rand(3)
"""
#: a program's end that leaves gradients in `found`, and the rule that is found where one of them is zero
PROGRAMS = [
    ("def loss(w):\n    return (w * 2).detach().sum()\nfound = [grad(loss)(w)]\n", "detach"),
    ("def f(w):\n    return torch.round(w).sum()\nfound = [functorch.grad(f)(w)]\n", "zero-gradient"),
    ("def f(w):\n    with torch.no_grad():\n        return net(w).sum()\nfound = [grad(f)(w)]\n", "grad-disabled"),
    ("def f(w, x):\n    return (x ** 2).sum()\nfound = [grad(f)(w, x)]\n", "off-path-target"),
    ("def f(w, x):\n    return (w * x).sum()\nfound = [grad(f)(w, x), functorch.grad(f, argnums=1)(w, x)]\n", ""),
    ("def f(w):\n    return (w ** 3).sum()\nfound = [grad(lambda v: grad(f)(v).sum())(w)]\n", ""),
    (
        "def f(p):\n    return functional_call(net, p, (x,)).sum()\nfound = [*grad(f)(dict(net.named_parameters())).values()]\n",
        "",
    ),
]


@pytest.mark.parametrize(("end", "rule"), PROGRAMS)
def test_what_is_found_and_happens(tmp_path: Path, end: str, rule: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + end, encoding="utf-8")
    report = api.check([file])
    assert [f.rule for f in report.findings] == ([rule] if rule else [])
    here: dict[str, list[object]] = {}
    exec(HEAD + end, here)
    assert all(bool(gradient.any()) for gradient in here["found"]) is not bool(rule)  # type: ignore[attr-defined]
