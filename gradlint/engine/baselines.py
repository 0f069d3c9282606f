"""What a loss is measured from: `value(new) - value(old)`, where the old one was run without a gradient because it is constant."""

from __future__ import annotations

from collections.abc import Iterable

from gradlint.engine.graph import NOTHING, Graph
from gradlint.tape import Edge, Flow, Span

_MINUS = frozenset(("-", "-=", ".sub()", ".sub_()", "torch.sub()", ".subtract()", ".subtract_()", "torch.subtract()"))


def is_one(graph: Graph, root: int, part: int, alive: Iterable[int]) -> bool:
    """Whether a summand was run under `no_grad` by the very code that computed a live one, and is taken off it.

    Args: a loss, one of its summands that carry no gradient, those that do.
    """
    dead = {e.at for e in _into(graph, part) if e.at is not None and e.flow == Flow.CUTS and e.cause == "grad-mode"}
    if not dead or not _is_taken_off(graph, root, part):
        return False
    return any(not dead.isdisjoint(_places(graph, live)) for live in alive)


def _into(graph: Graph, value: int) -> Iterable[Edge]:
    """All operations that the value hangs on."""
    return (edge for v in graph.towards(value) for edge in graph.into[v])


def _places(graph: Graph, live: int) -> set[Span]:
    return {edge.span for edge in _into(graph, live) if edge.at is None}


def _is_taken_off(graph: Graph, root: int, part: int) -> bool:
    """Whether a minus sign stands before a summand, or before a sum that it is part of."""
    inside = graph.reach([part], NOTHING).intersection(graph.towards(root)) | {part, root}
    return any(
        edge.term and edge.op in _MINUS and edge.src in inside and edge is not graph.into[value][0]
        for value in inside
        for edge in graph.into[value]
    )
