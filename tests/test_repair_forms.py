"""How a repair is written, form by form: the text is what an expert would type, and autograd finds the gradient in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradlint import repair
from gradlint.api import Task
from gradlint.config import Config, Loaded

HEAD = """import math
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical, Normal
x = torch.tensor([0.3, 0.7], requires_grad=True)
"""
TAIL = "y.sum().backward()\n"
#: what is written between, and what it becomes
FORMS = {
    "float of item": ("y = torch.tensor(float(x.sum().item()))", "y = x.sum()"),
    "math": ("y = torch.tensor(math.exp(x.sum()))", "y = torch.exp(x.sum())"),
    "list": ("z = [v.item() for v in x]\ny = torch.tensor(z)", "z = [v for v in x]\ny = torch.stack(z)"),
    "type": (
        "y = torch.tensor([x[0], x[1]], dtype=torch.float64)",
        "y = torch.stack([x[0], x[1]]).to(dtype=torch.float64)",
    ),
    "numbers beside tensors": (
        "a, b = x.cos()\ny = torch.tensor([[a, 0.0], [-b, 2.5]])",
        (
            "a, b = x.cos()\n"
            "y = torch.stack([torch.stack([a, torch.zeros_like(a)]), torch.stack([-b, torch.full_like(a, 2.5)])])"
        ),
    ),
    "rebuilt like another": ("y = x.new_tensor([x[0], x[1]])", "y = torch.stack([x[0], x[1]])"),
    "block": (
        (
            "if True:\n    # before\n    with torch.no_grad():  # here\n        s = '''a\n  b'''\n\n"
            "        # inside\n        y = (x *\n             2)\n    z = 1"
        ),
        "if True:\n    # before\n    s = '''a\n  b'''\n\n    # inside\n    y = (x *\n         2)\n    z = 1",
    ),
    "one of two items": (
        "with open(__file__) as file, torch.no_grad():\n    y = x * 2",
        "with open(__file__) as file:\n    y = x * 2",
    ),
    "decorator": ("@torch.no_grad()\ndef f(t):\n    return t * 2\ny = f(x)", "def f(t):\n    return t * 2\ny = f(x)"),
    "switch": ("torch.set_grad_enabled(False)\ny = x * 2", "y = x * 2"),
    "switch alone in a block": (
        "def off():\n    torch.set_grad_enabled(False)\noff()\ny = x * 2",
        "def off():\n    pass\noff()\ny = x * 2",
    ),
    "sample": ("d = Normal(x, 1.0)\ny = d.sample((3,))", "d = Normal(x, 1.0)\ny = d.rsample((3,))"),
    "rounding": ("y = torch.round(x * 4) / 4", "y = ((x * 4) + (torch.round(x * 4) - (x * 4)).detach()) / 4"),
    "rounding as a method": ("y = x.floor()", "y = (x + (x.floor() - x).detach())"),
    "leaf made again": ("y = (x * 2).data.requires_grad_(True)", "y = (x * 2)"),
    "leaf in a statement": ("y = (x * 2).detach()\ny.requires_grad = True", "y = (x * 2)"),
    "through arrays": (
        "a = x.detach().cpu().numpy()\nb = np.clip(np.abs(a), 0, 1).astype(np.float32)\ny = torch.from_numpy(b * 2)",
        "a = x\nb = torch.clamp(torch.abs(a), min=0, max=1).float()\ny = b * 2",
    ),
    "axes": (
        "a = (x[:, None] * x).detach().numpy()\ny = torch.from_numpy(a.max(axis=1) + np.mean(a, 0, keepdims=True)[0])",
        "a = x[:, None] * x\ny = a.amax(axis=1) + torch.mean(a, dim=0, keepdim=True)[0]",
    ),
}
#: what has no form of one expression, or none that is certainly right
ALONE = {
    "a hard choice": "y = x.argmax().float()",
    "a comparison": "y = (x > 0.5).float()",
    "no reparameterised sample": "y = Categorical(x).sample().float()",
    "a distribution nobody knows": "def make(): return dict(d=Normal(x, 1.0))\ny = make()['d'].sample()",
    "writing in place": "w = torch.zeros(2)\nwith torch.no_grad():\n    w.add_(1)\n    y = x * 2",
    "a condition": "with torch.set_grad_enabled(not True):\n    y = x * 2",
    "a sign": "y = x.sign()",
    "an argument computed twice": "y = torch.ceil(F.softplus(x))",
    "a median": "y = torch.from_numpy(np.median(x.detach().numpy(), axis=0, keepdims=True))",
    "an unknown reader": "a = x.detach().numpy()\nprint(np.histogram(a))\ny = torch.from_numpy(np.exp(a))",
    "arrays beside tensors": "a = x.detach().numpy()\ny = torch.from_numpy(a * np.ones(2, dtype=np.float32))",
    "a cut that stays": "y = x.argmax().float()\ny.requires_grad_(True)",
}


def mended(between: str, folder: Path) -> tuple[str, list[str]]:
    """The repaired text between head and tail, and the rules of what is found in it."""
    file = folder / "program.py"
    file.write_text(f"{HEAD}{between}\n{TAIL}", encoding="utf-8")
    result = repair.repair(Task((str(file),), Loaded(Config(), folder)), unsafe=True)
    assert repair.write(result) == []
    after = file.read_text(encoding="utf-8")
    assert after.startswith(HEAD)
    assert after.endswith(TAIL)
    rules = [f.rule for f in result.outcome.report.findings]
    return after.removeprefix(HEAD).removesuffix(f"\n{TAIL}"), rules


@pytest.mark.parametrize("name", FORMS)
def test_the_form_and_its_gradient(name: str, tmp_path: Path) -> None:
    before, after = FORMS[name]
    assert mended(before, tmp_path) == (after, [])
    scope: dict[str, Any] = {"__file__": str(tmp_path / "program.py")}
    exec(f"{HEAD}{after}\n{TAIL}", scope)
    assert scope["x"].grad.abs().sum() > 0


@pytest.mark.parametrize("name", ALONE)
def test_what_has_no_certain_form_is_left_alone(name: str, tmp_path: Path) -> None:
    between = ALONE[name]
    text, rules = mended(between, tmp_path)
    assert text == between
    assert rules


STATE = """import torch
from torch import nn
cell, head = nn.{cell}(3, 4), nn.Linear(4, 1)
optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)
{first}
for chunk in torch.randn(3, 2, 3):
    {step}
    optimizer.zero_grad()
    head({out}).pow(2).mean().backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (("GRUCell", "h = torch.zeros(2, 4)", "h = cell(chunk, h)", "h"), "h = cell(chunk, h.detach())"),
        (
            ("LSTMCell", "s = (torch.zeros(2, 4), torch.zeros(2, 4))", "s = cell(chunk, s)", "s[0]"),
            "s = cell(chunk, tuple(part.detach() for part in s))",
        ),
        (
            ("LSTMCell", "h, c = torch.zeros(2, 4), torch.zeros(2, 4)", "h, c = cell(chunk, (h, c))", "h"),
            "h, c = cell(chunk, (h.detach(), c.detach()))",
        ),
        (("GRUCell", "h = None", "h = cell(chunk, h)", "h"), ""),
        (("GRUCell", "h = head.weight.new_zeros(2, 4)", "h = cell(chunk, h)", "h"), ""),
    ],
    ids=["tensor", "tuple", "two tensors", "nothing at first", "not known"],
)
def test_a_carried_state_is_detached_where_the_next_is_made(
    given: tuple[str, str, str, str], step: str, tmp_path: Path
) -> None:
    names = ("cell", "first", "step", "out")
    text = STATE.format(**dict(zip(names, given, strict=True)))
    file = tmp_path / "run.py"
    file.write_text(text, encoding="utf-8")
    done = repair.repair(Task((str(file),), Loaded(Config(), tmp_path)), unsafe=True)
    if not step:
        assert not done.texts
        return
    assert list(done.texts.values()) == [text.replace(given[2], step)]
    exec(compile(text.replace(given[2], step), "run.py", "exec"), {})
