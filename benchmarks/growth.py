"""How the cost of a run grows: `python benchmarks/growth.py [--only SHAPES] [--share SHARE] [--repeat N]`.

All shapes take about ten minutes on a quiet core, half of that the 300,000 reachable lines; `--share 0.1` takes one.

Programs are made in sizes that double; each is linted in a process of its own on one core. Printed is the slope of the line
through the logarithms of size and CPU time, without what an almost empty file costs: 1 is linear, 2 quadratic. Only the three
largest sizes count, where the constant costs are small. Beside it stand the memory of the largest size at its peak and what
one line, hook, call, entry or file more costs there.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

Files = dict[str, str]  #: name -> text

HEAD = "import torch\nfrom torch import nn\n\n"
LINES = (
    "    x = torch.relu(x @ w + b)\n",
    "    x = x.view(x.shape[0], -1)\n",
    "    kept = [x, x * 2]\n",
    "    x = kept[0] + kept[1]\n",
)


def reachable(size: int) -> Files:
    """Lines of functions that ask for a gradient, 40 to a function, 1,000 to a file."""
    body = "".join(LINES) * 10
    functions = [
        f"def loss_{n}(x, w, b):\n{body}    x.sum().backward()\n    return x\n\n" for n in range(max(size // 40, 1))
    ]
    return {f"f{n}.py": HEAD + "".join(functions[n * 25 : n * 25 + 25]) for n in range((len(functions) + 24) // 25)}


def unreachable(size: int) -> Files:
    """The same lines where nothing asks for a gradient, beside one file that does."""
    body = "".join(LINES) * 10
    functions = [f"def make_{n}(x, w, b):\n{body}    return x\n\n" for n in range(max(size // 40, 1))]
    files = {f"g{n}.py": HEAD + "".join(functions[n * 25 : n * 25 + 25]) for n in range((len(functions) + 24) // 25)}
    return {**files, **reachable(40)}


def hooks(size: int) -> Files:
    """Hooks on one model, each filling a place of a dict that is read after the backward."""
    layers = "".join(
        f"model[{n}].register_forward_hook(lambda m, i, o: kept.update({{{n}: o}}))\n" for n in range(size)
    )
    reads = "".join(f"torch.autograd.grad(score, kept[{n}], retain_graph=True)\n" for n in range(size))
    made = f"kept = {{}}\nmodel = nn.Sequential(*[nn.Linear(4, 4) for _ in range({size})])\n"
    return {"main.py": f"{HEAD}{made}{layers}score = model(torch.ones(1, 4)).sum()\n{reads}"}


def depth(size: int) -> Files:
    """Functions that call each other, one inside the other."""
    calls = "".join(f"def f{n}(x):\n    return f{n + 1}(x) * 2\n\n" for n in range(size))
    return {
        "main.py": f"{HEAD}{calls}def f{size}(x):\n    return x\n\nx = torch.ones(2, requires_grad=True)\nf0(x).sum().backward()\n"
    }


def chain(size: int) -> Files:
    """One expression that calls method after method."""
    return {
        "main.py": f"{HEAD}x = torch.ones(2, requires_grad=True)\ny = x{'.exp().log()' * (size // 2)}\ny.sum().backward()\n"
    }


def literal(size: int) -> Files:
    """One dict of `size` entries."""
    entries = "".join(f"    'k{n}': dict(a={n}, b=[{n}, {n}]),\n" for n in range(size))
    return {
        "main.py": f"{HEAD}table = {{\n{entries}}}\nx = torch.ones(2, requires_grad=True)\n(x * len(table)).sum().backward()\n"
    }


def files(size: int) -> Files:
    """Small files that ask for a gradient and import one helper."""
    return {**_files(size, lambda n: "from common import scale"), "common.py": "def scale(x):\n    return x * 2\n"}


def imports(size: int) -> Files:
    """The same, but each imports the one before."""
    return _files(size, lambda n: f"from f{n - 1} import scale" if n else "def scale(x):\n    return x * 2\n")


def _files(size: int, first: Callable[[int], str]) -> Files:
    text = "\n\ndef loss_{n}(x):\n    loss = scale(x).sum()\n    loss.backward()\n    return loss\n"
    return {f"f{n}.py": f"{HEAD}{first(n)}{text.format(n=n)}" for n in range(size)}


def statements(size: int) -> Files:
    """One script of statements."""
    lines = "x = x * 2 + 1\n" * size
    return {"main.py": f"{HEAD}x = torch.ones(2, requires_grad=True)\n{lines}x.sum().backward()\n"}


class Shape(msgspec.Struct, frozen=True):
    """What grows, and how far."""

    make: Callable[[int], Files]
    largest: int


SHAPES = {
    "reachable lines": Shape(reachable, 300_000),
    "unreachable lines": Shape(unreachable, 300_000),
    "hooks": Shape(hooks, 400),
    "call depth": Shape(depth, 400),
    "call-chain length": Shape(chain, 800),
    "literal entries": Shape(literal, 16_000),
    "files": Shape(files, 800),
    "import chain": Shape(imports, 400),
    "statements": Shape(statements, 16_000),
}
STEPS = 5  #: sizes for each shape, each twice the one before


class Cost(NamedTuple):
    """What a run took."""

    seconds: float
    mebibytes: float


def cost(made: Files, repeat: int) -> Cost:
    """The least CPU time of a run over some files, with its memory at the peak."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in made.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return min(_once(folder) for _ in range(repeat))


def _once(folder: str) -> Cost:
    command = [
        sys.executable,
        "-m",
        "gradlint",
        ".",
        "--no-cache",
        "--exit-zero",
        "--jobs",
        "1",
        "--output-format",
        "concise",
    ]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 2):
        raise RuntimeError(f"gradlint ended with {child.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The slope of the regression line through the logarithms."""
    xs, ys = [math.log(s) for s in sizes], [math.log(max(c, 1e-3)) for c in costs]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def report(names: Sequence[str], share: float, repeat: int) -> Iterator[str]:
    """A line for each shape."""
    yield "| what grows | sizes | CPU s | slope | ms for one more | MiB |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in names:
        shape = SHAPES[name]
        empty = cost({"main.py": f"{HEAD}torch.ones(2, requires_grad=True).sum().backward()\n"}, repeat).seconds
        sizes = [max(int(shape.largest * share) // 2**k, 1) for k in reversed(range(STEPS))]
        costs = [cost(shape.make(size), repeat) for size in sizes]
        upper = [(s, c.seconds - empty) for s, c in zip(sizes, costs, strict=True)][STEPS // 2 :]
        told = ", ".join(f"{c.seconds:.2f}" for c in costs)
        steep = slope(*zip(*upper, strict=True))  # type: ignore[arg-type]
        each = 1000 * (costs[-1].seconds - costs[-2].seconds) / (sizes[-1] - sizes[-2])
        yield f"| {name} | {sizes[0]:,} to {sizes[-1]:,} | {told} | {steep:.2f} | {each:.3f} | {costs[-1].mebibytes:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--share", type=float, default=1.0, help="the share of the sizes that is used")
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    for line in report(given.only, given.share, given.repeat):
        print(line, flush=True)


if __name__ == "__main__":
    main()
