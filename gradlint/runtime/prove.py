"""Prove a model row: call what it describes on tensors that require grad, and compare what autograd says with the row.

Knows torch and the shape of a row. How to call something is the row's `example`, an expression over `x`, `y` and `z`; a
function without one is called with a tensor for each of its inputs. Nothing is said of what cannot be called.
"""

from __future__ import annotations

import builtins
import importlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from gradlint.catalog import FlowWord, Row

NAMES = ("x", "y", "z")  #: what an example may use: tensors of 3 times 4 between 0.2 and 0.9 that require grad


class Proof(msgspec.Struct, frozen=True):
    """What became of one row."""

    row: str
    outcome: Literal["proved", "contradicted", "not run"]
    reason: str = ""


def prove(rows: Iterable[Row]) -> Iterator[Proof]:
    """One proof for each row; never raises for what a row or its example does."""
    for row in rows:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield _proof(row)


def _proof(row: Row) -> Proof:
    text = row.example or _call(row)
    if not text:
        return Proof(row.name, "not run", "add a key 'example' that calls it, such as example = \"lib.f(x)\"")
    leaves = _leaves(live=not row.raises)
    try:
        if row.raises and _raises(text):
            return Proof(row.name, "proved")
        result = eval(text, _space(row.name, leaves))
    except Exception as error:
        return Proof(
            row.name, "not run", f"{text}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    wrong = _difference(row, list(tensors(result)), list(leaves.values()))
    return Proof(row.name, "contradicted", f"{text}: {wrong}") if wrong else Proof(row.name, "proved")


def _call(row: Row) -> str:
    """The call of a plain function: a tensor for each argument that carries, else one."""
    if "*" in row.name or row.returns in ("instance", "module", "given") or row.module or row.demand:
        return ""
    owner = _find(row.name.rpartition(".")[0])
    if owner is None or isinstance(owner, type):
        return ""
    return f"{row.name}({', '.join(NAMES[: max(len(row.inputs), 1)])})"


def _find(name: str) -> Any:
    """The thing of a qualified name, None if there is none."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except Exception:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found
    return None


def _leaves(*, live: bool = True) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    return {name: (torch.rand(3, 4) * 0.7 + 0.2).requires_grad_(live) for name in NAMES}


def _space(name: str, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """What an example sees: the tensors, torch, the row's library, and copies so that it may write in place."""
    import torch

    library = name.split(".")[0]
    _find(name)
    found = builtins if library == "builtins" else importlib.import_module(library)
    return {"torch": torch, library: found, **{key: leaf.clone() for key, leaf in leaves.items()}}


def _raises(text: str) -> bool:
    """Whether the call fails on tensors that require grad, as the row says."""
    try:
        eval(text, _space(text.split(".")[0], _leaves()))
    except (RuntimeError, TypeError, BufferError):
        return True
    return False


def tensors(value: object) -> Iterator[Any]:
    """Every tensor in a value, through lists, tuples, dicts."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def _difference(row: Row, outputs: list[Any], leaves: list[Any]) -> str:
    """How the outputs differ from what the row says; nothing if they do not."""
    kept: tuple[FlowWord, ...] = ("cuts" if row.mode == "no-grad" else row.flow,) * len(outputs)
    said = row.outputs or kept
    if not outputs and row.flow == "carries" and row.returns in ("tensor", "tensors", "tuple"):
        return "the row says that a tensor comes back, none did"
    if row.outputs and len(outputs) != len(row.outputs):
        return f"the row says {len(row.outputs)} outputs, there were {len(outputs)}"
    for place, (word, output) in enumerate(zip(said, outputs, strict=True)):
        seen = _flow(output, leaves)
        if word != "unknown" and seen != ("cuts" if word == "constant" else word):
            return f"output {place} {seen}, the row says that it {word}"
    return ""


def _flow(output: Any, leaves: list[Any]) -> FlowWord:
    """What autograd says of one output."""
    import torch

    if not output.requires_grad:
        return "cuts"
    try:
        grads = torch.autograd.grad(output, leaves, torch.ones_like(output), retain_graph=True, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return "cuts"
    return "carries" if any(g is not None and bool((g != 0).any()) for g in grads) else "zeroes"
