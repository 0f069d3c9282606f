"""`torch.func`, its old name functorch and `torch.autograd.functional`: what is differentiated, and with respect to what."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api

HEAD = """\
import torch, functorch
from torch.autograd import functional
from torch.func import functional_call, grad, grad_and_value, hessian, jacrev, stack_module_state, vjp, vmap
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
    (
        """\
def f(p):
    return functional_call(net, {k: v.detach() for k, v in p.items()}, (x,)).sum()
found = [*grad(f)(dict(net.named_parameters())).values()]
""",
        "detach",
    ),
    ("def f(w):\n    return (w.detach() * 2).sum(), x\ng, aux = grad(f, has_aux=True)(w)\nfound = [g]\n", "detach"),
    ("def f(w):\n    return (w * 2).sum()\ng, value = grad_and_value(f)(w)\nfound = [g]\n", ""),
    ("def f(w, x):\n    return (w * x.data).sum()\nfound = [*grad(f, argnums=(0, 1))(w, x)]\n", "data-attribute"),
    ("def f(w):\n    return net(w.detach())\nfound = [jacrev(f)(w)]\n", "detach"),
    ("def f(w):\n    return torch.tanh(net(w))\nfound = [jacrev(f)(w), hessian(f)(w)]\n", ""),
    (
        "def f(w):\n    return torch.sign(w).sum()\nvalue, pull = vjp(f, w)\nfound = [pull(torch.tensor(1.0))[0]]\n",
        "zero-gradient",
    ),
    ("def f(w, x):\n    return (w * x).sum()\nfound = [vmap(grad(f), (None, 0))(w, torch.rand(4, 3))]\n", ""),
    (
        "def f(w, x):\n    return (w.detach() * x).sum()\nfound = [vmap(grad(f), (None, 0))(w, torch.rand(4, 3))]\n",
        "detach",
    ),
    ("def f(w):\n    return torch.tanh(net(w))\nfound = [functional.jacobian(f, w), *functional.vjp(f, w)[1:]]\n", ""),
    ("def f(w):\n    return net(w.detach())\nfound = [functional.jacobian(f, w)]\n", "detach"),
    ("def f(w, x):\n    return (w * x.detach()).sum()\nfound = [*functional.jacobian(f, (w, x))]\n", "detach"),
    ("def f(w):\n    return (w.round() ** 2).sum()\nfound = [functional.hvp(f, w, x)[1]]\n", "zero-gradient"),
    (
        """\
J = functional.jacobian(torch.nn.Sequential(net, torch.nn.Tanh()), w, create_graph=True)
J.pow(2).sum().backward()
found = [net.weight.grad]
""",
        "",
    ),
    (
        """\
p, b = stack_module_state([torch.nn.Linear(3, 1) for _ in range(2)])
vmap(lambda p, b: functional_call(net, (p, b), (x,)))(p, b).sum().backward()
found = [v.grad for v in p.values()]
""",
        "",
    ),
]
#: a program's end that raises, and the rule that is found
RAISING = [
    (
        "J = functional.jacobian(torch.nn.Sequential(net, torch.nn.Tanh()), w)\nJ.pow(2).sum().backward()\n",
        "missing-create-graph",
    ),
    (
        """\
nets = [torch.nn.Linear(3, 1) for _ in range(2)]
p, b = stack_module_state(nets)
vmap(lambda p, b: functional_call(net, (p, b), (x,)))(p, b).sum().backward()
nets[0].weight.grad.norm()
""",
        "hidden-cut",
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


@pytest.mark.parametrize(("end", "rule"), RAISING)
def test_what_is_found_and_raises(tmp_path: Path, end: str, rule: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + end, encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == [rule]
    with pytest.raises((RuntimeError, AttributeError)):
        exec(HEAD + end, {})
