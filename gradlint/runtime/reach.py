"""What autograd's own graph says: which tensors a root reaches, which only through derivatives that are zero everywhere.

Edges are asked for when they are needed and never kept; the walk holds the nodes it has met, because their identity is only
stable while somebody does. Node names alone do not tell every zero: `DivBackward1` and `DivBackward2` may be ordinary division.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Edge = tuple[Any, int]
#: nodes whose derivative is zero everywhere
ZERO = frozenset(
    (
        "RoundBackward0",
        "RoundBackward1",
        "SignBackward0",
        "SgnBackward0",
        "FloorBackward0",
        "CeilBackward0",
        "TruncBackward0",
    )
)


def edge(tensor: Tensor) -> Edge | None:
    """Where a tensor hangs in autograd's graph; None if it requires no grad."""
    if not tensor.requires_grad:
        return None
    found = torch.autograd.graph.get_gradient_edge(tensor)
    return found.node, found.output_nr


def reached(roots: Iterable[Tensor], *, through_zero: bool = True) -> set[Edge]:
    """All edges on the way back from some roots; on request none behind a derivative that is zero everywhere."""
    todo = [e for root in roots if (e := edge(root)) is not None]
    found: set[Edge] = set(todo)
    walked: set[Any] = set()
    while todo:
        node, _ = todo.pop()
        if node in walked or (not through_zero and node.name() in ZERO):
            continue
        walked.add(node)
        for following in node.next_functions:
            if following[0] is not None and following not in found:
                found.add(following)
                todo.append(following)
    return found


def leaves(roots: Sequence[Tensor]) -> list[Tensor]:
    """The leaf tensors that a graph ends at."""
    todo = [e[0] for root in roots if (e := edge(root)) is not None]
    seen = set(todo)
    ends = []
    while todo:
        node = todo.pop()
        following = node.next_functions
        if not following:
            ends.append(node)
        for one, _ in following:
            if one is not None and one not in seen:
                seen.add(one)
                todo.append(one)
    return [node.variable for node in ends if hasattr(node, "variable")]


def strength(root: Tensor, target: Tensor) -> Literal["connected", "zero", "unreachable"]:
    """Whether the gradient of `root` gets to `target`: connected, zero or unreachable."""
    wanted = edge(target)
    if wanted is None or wanted not in reached([root]):
        return "unreachable"
    return "connected" if wanted in reached([root], through_zero=False) else "zero"
