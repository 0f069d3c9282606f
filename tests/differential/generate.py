"""Seeded random PyTorch programs of growing richness. Every demand is one line; `CONSTRUCTS` names what a program may use.

All tensors are (3, 3); a construct takes a variable and makes another one. A construct returns the name of the new variable.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec


class Program(msgspec.Struct, frozen=True):
    """The text, the constructs in it, and the lines of its demands."""

    seed: int
    text: str
    constructs: tuple[str, ...]


class Writer:
    """The program being written: definitions first, then the script's lines."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.definitions: list[str] = []
        self.lines: list[str] = []
        self.used: list[str] = []
        self.count = 0

    def fresh(self, prefix: str) -> str:
        """A name that was not used yet."""
        self.count += 1
        return f"{prefix}{self.count}"

    def chance(self, probability: float) -> bool:
        """True that often."""
        return self.random.random() < probability

    def pick(self, options: list[str]) -> str:
        """One of several texts."""
        return self.random.choice(options)


LIVE = ["torch.tanh({0})", "{0} * 1.5 + 0.1", "{0} @ {0}.t()", "torch.exp({0} * 0.1)", "{0} - {0}.mean()", "{0}.clone()",
        "torch.cat([{0}[:1], {0}[1:]])", "{0}.reshape(9).view(3, 3)", "torch.softmax({0}, dim=1)", "{0}.abs() + 0.5",
        "torch.stack([{0}[0], {0}[1], {0}[2]])", "{0}.clamp(-5.0, 5.0)", "{0}.t().contiguous()", "F.relu({0} + 3.0)"]  # fmt: skip
DEAD = ["{0}.detach()", "{0}.data", "torch.tensor({0}.tolist(), dtype=torch.float64)", "torch.from_numpy({0}.detach().numpy().copy())",
        "{0}.detach().clone() * 2.0", "({0} > 0).double()", "torch.full((3, 3), {0}.sum().item(), dtype=torch.float64)",
        "F.one_hot({0}.argmax(dim=1), 3).double()"]  # fmt: skip
ZERO = ["torch.round({0})", "torch.sign({0})", "torch.floor({0})"]


def operation(w: Writer, name: str, dead: float = 0.12) -> str:
    """An expression over one tensor, sometimes one that loses the gradient."""
    roll = w.random.random()
    if roll < dead:
        return w.pick(DEAD).format(name)
    return w.pick(ZERO).format(name) if roll < dead + 0.02 else w.pick(LIVE).format(name)


def _straight(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines.append(f"{made} = {operation(w, name)}")
    return made


def _mix(w: Writer, name: str) -> str:
    made = w.fresh("v")
    other = w.pick(["x", "y", name, "frozen"])
    w.lines.append(f"{made} = {operation(w, name)} {w.pick(['+', '*', '-'])} {other}")
    return made


def _function(w: Writer, name: str) -> str:
    function, made = w.fresh("f"), w.fresh("v")
    body = [f"def {function}(a, scale=1.0):", f"    b = {operation(w, 'a')}"]
    if w.chance(0.3):
        body.append("    if scale > 2.0:")
        body.append("        return a.detach()")
    body.append(f"    return {operation(w, 'b')} * scale")
    w.definitions += [*body, ""]
    w.lines.append(f"{made} = {function}({name})")
    return made


def _lambda(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines.append(f"{made} = (lambda t, k=2.0: {operation(w, 't')} * k)({name})")
    return made


def _branch(w: Writer, name: str) -> str:
    made = w.fresh("v")
    known = w.chance(0.6)
    test = f"{w.random.randint(0, 3)} > 1" if known else f"float({name}.detach().sum()) > {w.random.randint(-2, 2)}"
    w.lines += [f"if {test}:", f"    {made} = {operation(w, name, 0.2 if known else 0.0)}", "else:",
                f"    {made} = {operation(w, name, 0.2 if known else 0.0)}"]  # fmt: skip
    return made


def _loop(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines += [
        f"{made} = {name}",
        f"for step in range({w.random.randint(1, 20)}):",
        f"    {made} = {operation(w, made, 0.06)}",
    ]
    return made


def _class(w: Writer, name: str) -> str:
    cls, made = w.fresh("Keeper"), w.fresh("v")
    w.definitions += [
        f"class {cls}:", "    def __init__(self, value):", f"        self.value = {operation(w, 'value')}", "        self.log = []", "",
        "    def update(self, other):", "        self.log.append(other.detach().sum().item())",
        f"        self.value = {operation(w, 'self.value')} + other * 0.1", "        return self", "",
        "    @property", "    def result(self):", "        return self.value", "",
    ]  # fmt: skip
    w.lines += [f"{made}_keeper = {cls}({name})", f"{made} = {made}_keeper.update({w.pick(['x', 'y', name])}).result"]
    return made


def _module(w: Writer, name: str) -> str:
    cls, made = w.fresh("Net"), w.fresh("v")
    w.definitions += [
        f"class {cls}(nn.Module):", "    def __init__(self):", "        super().__init__()",
        "        self.lin = nn.Linear(3, 3).double()", "        self.act = nn.Tanh()", "",
        "    def forward(self, t):", "        h = self.act(self.lin(t))", f"        return {operation(w, 'h')}", "",
    ]  # fmt: skip
    w.lines += [f"{made}_net = {cls}()"]
    if w.chance(0.3):
        w.lines += [f"for p in {made}_net.parameters():", "    p.requires_grad_(False)"]
    w.lines.append(f"{made} = {made}_net({name})")
    return made


def _hook(w: Writer, name: str) -> str:
    made = w.fresh("v")
    stored = w.pick(["o", "o", "o", "o.detach()", "o.clone()", "o.data", "o * 1.0"])
    w.lines += [
        f"{made}_net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()", f"{made}_kept = {{}}",
        f"def {made}_hook(module, inputs, o):", f"    {made}_kept['act'] = {stored}",
        f"{made}_handle = {made}_net[{w.random.randint(0, 1)}].register_forward_hook({made}_hook)",
        f"{made}_out = {made}_net({name})", f"{made}_handle.remove()",
        f"{made} = {made}_kept['act']" if w.chance(0.6) else f"{made} = {made}_out",
    ]  # fmt: skip
    return made


def _container(w: Writer, name: str) -> str:
    made = w.fresh("v")
    match w.random.randrange(4):
        case 0:
            w.lines += [f"{made}_all = [{operation(w, name)}]", f"{made}_all.append({name} * 0.5)",
                        f"{made} = {made}_all[{w.random.randint(0, 1)}]"]  # fmt: skip
        case 1:
            w.lines += [
                f"{made}_all = {{'a': {operation(w, name)}, 'b': {name}}}",
                f"{made} = {made}_all['{w.pick(['a', 'b'])}']",
            ]
        case 2:
            w.lines += [
                f"{made}_p, {made}_q = {name}, {operation(w, name)}",
                f"{made} = {made}_q + {made}_p * {w.pick(['0.0', '1.0'])}",
            ]
            w.lines[-1] = f"{made} = {made}_{w.pick(['p', 'q'])}"
        case _:
            w.lines += [
                f"{made}_all = [t * k for k, t in enumerate([{operation(w, name)}, {name}], 1)]",
                f"{made} = sum({made}_all)",
            ]
    return made


def _numpy(w: Writer, name: str) -> str:
    made = w.fresh("v")
    array = w.pick(
        [f"{name}.detach().numpy()", f"{name}.detach().cpu().numpy().copy()", f"np.asarray({name}.detach())"]
    )
    w.lines += [
        f"{made}_array = {w.pick(['np.clip({0}, -1.0, 1.0)', '{0} * 2.0', 'np.sqrt(np.abs({0}))']).format(array)}"
    ]
    back = f"torch.from_numpy({made}_array)"
    w.lines.append(f"{made} = {back}" if w.chance(0.35) else f"{made} = {name} * {back}")
    return made


def _number(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines.append(
        f"{made}_scale = {w.pick(['float({0}.sum().detach())', '{0}.mean().item()', '{0}.max().item()']).format(name)}"
    )
    w.lines.append(
        f"{made} = {name} * {made}_scale"
        if w.chance(0.7)
        else f"{made} = torch.ones(3, 3, dtype=torch.float64) * {made}_scale"
    )
    return made


def _mode(w: Writer, name: str) -> str:
    made = w.fresh("v")
    kind = w.random.randrange(4)
    if kind == 0:
        w.lines += [
            "with torch.no_grad():",
            f"    {made}_stat = {name}.mean()",
            f"{made} = {operation(w, name)} - {made}_stat",
        ]
    elif kind == 1:
        w.lines += ["with torch.no_grad():", f"    {made} = {w.pick(LIVE).format(name)}"]
    elif kind == 2:
        function = w.fresh("f")
        w.definitions += ["@torch.no_grad()" if w.chance(0.4) else "@torch.enable_grad()", f"def {function}(a):",
                          f"    return {operation(w, 'a')}", ""]  # fmt: skip
        w.lines.append(f"{made} = {function}({name})")
    else:
        w.lines += [
            f"with torch.set_grad_enabled({w.pick(['True', 'True', 'False'])}):",
            f"    {made} = {operation(w, name)}",
        ]
    return made


def _in_place(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines += [f"{made} = {name} * 1.0", w.pick([
        f"{made}.add_({name}.detach())", f"{made}[0] = {operation(w, name)}[1]", f"{made}.mul_(2.0)", f"{made} += {operation(w, name)}",
        f"{made}[1:].zero_()",
    ])]  # fmt: skip
    return made


def _view(w: Writer, name: str) -> str:
    made = w.fresh("v")
    w.lines += [f"{made}_row = {name}[{w.random.randint(0, 2)}]", f"{made} = torch.outer({made}_row, {made}_row)"]
    return made


def _through(w: Writer, name: str) -> str:
    made = w.fresh("v")
    hard = w.pick([f"({name} > 0).double()", f"torch.round({name})", f"torch.sign({name})"])
    w.lines += [f"{made}_hard = {hard}", f"{made} = {name} + ({made}_hard - {name}).detach()"]
    return made


CONSTRUCTS: dict[str, Callable[[Writer, str], str]] = {
    "straight": _straight, "mix": _mix, "function": _function, "lambda": _lambda, "branch": _branch, "loop": _loop, "class": _class,
    "module": _module, "hook": _hook, "container": _container, "numpy": _numpy, "number": _number, "mode": _mode,
    "in-place": _in_place, "view": _view, "straight-through": _through,
}  # fmt: skip
_HEADER = [
    "import numpy as np",
    "import torch",
    "import torch.nn as nn",
    "import torch.nn.functional as F",
    "",
    "torch.manual_seed(0)",
    "",
]


def program(seed: int) -> Program:
    """The program of a seed."""
    w = Writer(seed)
    script = ["x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)",
              "y = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)",
              "frozen = torch.randn(3, 3, dtype=torch.float64)", "probe = torch.rand(3, 3, dtype=torch.float64)"]  # fmt: skip
    made = ["x"]
    for _ in range(w.random.randint(2, 6)):
        kind = w.pick(list(CONSTRUCTS))
        w.used.append(kind)
        source = made[-1] if w.chance(0.75) else w.random.choice(made)
        made.append(CONSTRUCTS[kind](w, source))
    for _ in range(w.random.randint(1, 2)):
        _demand(w, made)
    text = "\n".join([*_HEADER, *w.definitions, *script, *w.lines]) + "\n"
    return Program(seed, text, tuple(w.used))


def _demand(w: Writer, made: list[str]) -> None:
    """One place that asks for a gradient."""
    root = w.pick([made[-1], made[-1], w.random.choice(made[1:])])
    if w.chance(0.3):
        w.lines.append(f"({root} * probe).sum().backward(retain_graph=True)")
        return
    target = w.pick(["x", "x", "x", "y", w.random.choice(made)])
    w.lines.append(f"{w.fresh('g')} = torch.autograd.grad(({root} * probe).sum(), {target}, retain_graph=True)")
