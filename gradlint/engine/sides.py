"""NumPy on one side of a class activation map: features or gradients changed outside torch before they meet in a product.

Right for display; a limit if the map is differentiated further. The feature side is a tensor on the way to a demand's root, or
an array made from it; the gradient side comes from `.grad`, `autograd.grad` or a backward hook.
"""

from __future__ import annotations

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import Graph
from gradlint.finding import Finding
from gradlint.tape import Demand, Edge

FEATURES, GRADIENT = "cam-numpy-features", "cam-numpy-gradient"


def judge(case: Case, demands: list[Demand]) -> list[tuple[Demand, Finding]]:
    """The findings of a whole tape, each with the demand whose map it belongs to."""
    graph = case.graph
    gradients = [v.id for v in graph.values if v.gradient]
    roots = [(d, r) for d in demands for r in d.roots]
    if not gradients or not roots:
        return []
    from_gradient = _made_of(graph, set(gradients))
    on_the_way = {a: d for d, r in roots for a in graph.towards(r) if graph.into[a] and graph.strength[a] > 0}
    from_features = _made_of(graph, set(on_the_way) - from_gradient, beside=True)
    found: dict[object, tuple[Demand, Finding]] = {}
    for edge in _foreign(graph):
        side = _side(edge, from_features, from_gradient)
        if side is None or not _meets(graph, edge, from_gradient if side == FEATURES else from_features):
            continue
        demand = max((d for d, _ in roots if d.time < edge.time), key=lambda d: d.time, default=None)
        made = _finding(case, demand, edge, side) if demand is not None else None
        if demand is not None and made is not None:
            found.setdefault((made.rule, made.file, made.range), (demand, made))
    return list(found.values())


def _made_of(graph: Graph, starts: set[int], *, beside: bool = False) -> set[int]:
    """What holds the numbers of `starts`, changed or not; on request leaving out gradients that were taken through them."""
    found, todo = set(starts), list(starts)
    while todo:
        for edge in graph.out[todo.pop()]:
            if edge.dst not in found and _keeps(edge) and not (beside and graph.values[edge.dst].gradient):
                found.add(edge.dst)
                todo.append(edge.dst)
    return found


def _keeps(edge: Edge) -> bool:
    """Whether the numbers themselves go on: an index, a mask or a class is no feature map any more."""
    return not edge.select and edge.cause != "non-differentiable"


def _foreign(graph: Graph) -> list[Edge]:
    return [e for edges in graph.into for e in edges if e.foreign]


def _side(edge: Edge, features: set[int], gradient: set[int]) -> str | None:
    """Which side an operation lies on: only one, so before the two meet."""
    if (edge.dst in features) == (edge.dst in gradient):
        return None  # they have met, or it belongs to neither
    side = features if edge.dst in features else gradient
    return None if edge.src not in side else FEATURES if side is features else GRADIENT


def _meets(graph: Graph, edge: Edge, other: set[int]) -> bool:
    """Whether the value is multiplied with the other side later."""
    changed = _made_of(graph, {edge.dst})
    factors = ([e.src for e in edges if e.product] for edges in graph.into)
    return any(any(s in changed for s in f) and any(s in other and s not in changed for s in f) for f in factors)


def _finding(case: Case, demand: Demand, edge: Edge, side: str) -> Finding | None:
    graph = case.graph
    what = "feature maps" if side == FEATURES else "gradient"
    steps = [paths.taken(graph, edge.src, edge.time), paths.step("cause", edge.span, edge.op)]
    message = f"the {what} of a class activation map are changed by NumPy: {edge.op}" if side == FEATURES else (
        f"the gradient that weights a class activation map is changed by NumPy: {edge.op}"
    )  # fmt: skip
    claim = Claim("other", "", edge.span, message, paths.ended(steps, demand), slug=side)
    return finding(case, claim)
