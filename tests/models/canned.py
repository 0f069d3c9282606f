"""How to call what the hand-written rows describe: a scene of tensors and arrays, and the expressions of `canned.toml`.

Knows no row. To add a call: an entry in `canned.toml`, whole under the qualified name, or its further arguments under
the bare name. What has no entry is called with a single tensor.
"""

from __future__ import annotations

import copy
import math
import operator
import random
import statistics
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLES: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "canned.toml").read_text(encoding="utf-8"))
NOT_RUN: dict[str, str] = TABLES["not-run"]

_SHAPES: dict[str, tuple[int, ...]] = {
    "x": (3, 4), "y": (3, 4), "v": (4,), "s": (), "q": (4, 4), "image": (1, 2, 6, 6), "photo": (3, 16, 16),
    "single": (3, 4), "z": (3, 4),
}  # fmt: skip
_DTYPES = {"single": torch.float32, "z": torch.complex128}  #: the rest is double
_MODULES: dict[str, Any] = {
    "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "D": torch.distributions, "np": np, "numpy": np,
    "copy": copy, "math": math, "operator": operator, "random": random, "statistics": statistics,
}  # fmt: skip


class Scene(msgspec.Struct, frozen=True):
    """Fresh values under short names, and the leaves that the tensors among them were made of, by the same names."""

    names: dict[str, Any]
    leaves: dict[str, Tensor]

    def run(self, expression: str) -> Any:
        """Evaluate an expression, always with the same random numbers."""
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        return eval(expression, dict(self.names))


def scene(seed: int = 0, kind: Literal["live", "dead", "array"] = "live") -> Scene:
    """What every expression may use; another seed gives other values of the same shapes, but the same choices.

    `kind`: the tensors require grad, do not, or are arrays.
    """
    torch.manual_seed(seed)
    leaves = {name: _values(shape, _DTYPES.get(name, torch.float64)) for name, shape in _SHAPES.items()}
    arrays = {name: leaf.numpy().copy() for name, leaf in leaves.items()}
    for leaf in leaves.values():
        leaf.requires_grad_(kind == "live")
    held: dict[str, Any] = arrays if kind == "array" else {name: leaf.clone() for name, leaf in leaves.items()}
    upper = {name.upper(): array.copy() for name, array in arrays.items()}
    return Scene({**_MODULES, **_choices(), **held, **upper}, leaves)


def _values(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Away from zero and one, where derivatives vanish or do not exist."""
    return torch.rand(shape, dtype=dtype) * 0.7 + 0.2


def _choices() -> dict[str, Tensor]:
    """What selects, or is written to, and is not differentiated."""
    return {
        "index": torch.tensor([[0, 1], [1, 0], [2, 2]]),
        "rows": torch.tensor([0, 2]),
        "flat": torch.tensor([1, 5, 7]),
        "mask": torch.tensor([[True, False, True, False]] * 3),
        "lengths": torch.tensor([4, 2]),
        "zeros": torch.zeros(3, 4, dtype=torch.float64),
    }


def expression(name: str) -> str:
    """How to call the callable, or read the attribute, of this qualified name."""
    if name in TABLES["calls"]:
        return str(TABLES["calls"][name])
    space, _, word = name.rpartition(".")
    match space:
        case "torch.Tensor":
            return f"x.{word}" if _is_attribute(Tensor, word) else _call("x.", word, "", "arguments")
        case "numpy.ndarray":
            return f"X.{word}" if _is_attribute(np.ndarray, word) else _call("X.", word, "", "numpy")
        case "numpy":
            return _call("np.", word, "x", "numpy")
        case "builtins":
            return _call("", word, "s", "python")
        case "math" | "operator":
            return _call(f"{space}.", word, "s", "python")
    return _call(f"{space}.", word, "x", "arguments")


def building(word: str) -> tuple[str, str]:
    """How to build the `torch.nn` module of this name, and what to call it with."""
    build, given = TABLES["modules"].get(word, (f"nn.{word}()", "x"))
    return build, given


def _call(prefix: str, word: str, first: str, table: str) -> str:
    return f"{prefix}{word}({', '.join(filter(None, (first, TABLES[table].get(word, ''))))})"


def _is_attribute(owner: type, word: str) -> bool:
    return not callable(getattr(owner, word))
