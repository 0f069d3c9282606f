"""The two sides of a class activation map, features and gradients: NumPy on one of them, and gradients of the wrong tensor.

Right for display; a limit if the map is differentiated further. The feature side is a tensor on the way to a demand's root, or
an array made from it; the gradient side comes from `.grad`, `autograd.grad` or a backward hook. A map is known by the product
of its two sides, or, where a program stops before it, by what the program calls its values.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import Graph
from gradlint.finding import Finding
from gradlint.tape import Demand, Edge, Flow, Kind, Span

FEATURES, GRADIENT, WEIGHT = "cam-numpy-features", "cam-numpy-gradient", "cam-weight-gradient"
#: names that people give to the values of a class activation map
MAP = re.compile(r"(feature|activation)_?maps?|fmaps?\b|grad_?cam|heat_?map", re.IGNORECASE)
CAM = re.compile(r"(\b|_)cams?(\b|_)", re.IGNORECASE)  #: such a map, or a camera
CAMERA = re.compile(r"camera|(\b|_)(rays?|poses?|c2w|w2c|intrinsics?|extrinsics?)(\b|_)", re.IGNORECASE)

LAYER_OPERATIONS = 3  #: a convolution, its normalisation, its activation


class Sides:
    """What belongs to the features and what to the gradients of one tape, up to and beyond where they meet."""

    def __init__(self, graph: Graph, demands: list[Demand]) -> None:
        self.graph = graph
        self.demands = sorted((d for d in demands if d.roots), key=lambda d: d.time)
        self.gradient = made_of(graph, {v.id for v in graph.values if v.gradient})
        on_the_way = {a for d in self.demands for r in d.roots for a in graph.towards(r)
                      if graph.into[a] and graph.strength[a] > 0 and graph.values[a].kind == Kind.TENSOR}  # fmt: skip
        self.features = made_of(graph, on_the_way - self.gradient, beside=True)
        unknown = {v.id for v in graph.values if v.kind == Kind.UNKNOWN}
        self.mixed = made_of(graph, {e.dst for value in unknown for e in graph.out[value] if e.product})
        self.names = [MAP] if any(map(CAMERA.search, labels(graph, range(len(graph.values))))) else [MAP, CAM]

    def of(self, edge: Edge) -> str | None:
        """The side an operation lies on: only one, so before the two meet."""
        if (edge.dst in self.features) == (edge.dst in self.gradient) or edge.src in self.mixed:
            return None  # they have met, as far as anybody knows, or it belongs to neither
        side = FEATURES if edge.dst in self.features else GRADIENT
        return side if edge.src in (self.features if side == FEATURES else self.gradient) else None

    def meets(self, value: int, other: set[int]) -> bool:
        """Whether the value is multiplied with the other side later."""
        changed = made_of(self.graph, {value})
        products = {e.dst for v in changed for e in self.graph.out[v] if e.product}
        return any(e.product and e.src in other and e.src not in changed for p in products for e in self.graph.into[p])

    def demand(self, time: int) -> Demand | None:
        """The last demand before that moment: the one whose map it is."""
        earlier = bisect_left(self.demands, time, key=lambda d: d.time)
        return self.demands[earlier - 1] if earlier else None


def judge(case: Case, demands: list[Demand]) -> list[tuple[Demand, Finding]]:
    """The findings of a whole tape, each with the demand whose map it belongs to."""
    graph = case.graph
    if not any(v.gradient for v in graph.values) and not any(e.foreign for edges in graph.into for e in edges):
        return []
    sides = Sides(graph, demands)
    found: dict[object, tuple[Demand, Finding]] = {}
    for demand, one in (*_changed(case, sides), *_of_weights(case, sides)):
        if one is not None:
            found.setdefault((one.rule, one.file, one.range), (demand, one))
    return list(found.values())


def _changed(case: Case, sides: Sides) -> Iterator[tuple[Demand, Finding | None]]:
    """Value-changing NumPy operations on one side."""
    graph = sides.graph
    for edge in (e for edges in graph.into for e in edges if e.foreign):
        side = sides.of(edge)
        demand = sides.demand(edge.time)
        if side is None or demand is None:
            continue
        if sides.meets(edge.dst, sides.gradient if side == FEATURES else sides.features) or _named(sides, edge):
            what = "feature maps" if side == FEATURES else "gradient that weights the feature maps"
            verb = "are" if side == FEATURES else "is"
            message = f"the {what} of a class activation map {verb} changed by NumPy: {paths.text(graph.values[edge.dst].label)}"
            yield demand, _finding(case, side, edge.src, edge.time, edge.span, edge.op, message, demand)


def _of_weights(case: Case, sides: Sides) -> Iterator[tuple[Demand, Finding | None]]:
    """Feature maps weighted by the gradient of a parameter."""
    graph = sides.graph
    reads = {d.span: d for d in sides.demands if d.kind == "grad-read" and any(graph.values[t].parameter for t in d.targets)}  # fmt: skip
    for value in graph.values:
        demand = reads.get(value.span) if value.gradient else None
        if demand is not None and sides.meets(value.id, sides.features - sides.gradient):
            message = f"feature maps are weighted by {value.label}, the gradient of a weight, not of the maps"
            yield demand, _finding(case, WEIGHT, value.id, demand.time, demand.span, demand.label, message, demand)


def _finding(case: Case, slug: str, value: int, time: int, place: Span, label: str, message: str,
             demand: Demand) -> Finding | None:  # fmt: skip
    steps = [paths.taken(case.graph, value, time), paths.step("cause", place, label)]
    return finding(case, Claim("other", "", place, message, paths.ended(steps, demand), slug=slug))


def made_of(graph: Graph, starts: set[int], *, beside: bool = False) -> set[int]:
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


def _named(sides: Sides, edge: Edge) -> bool:
    """Whether the program calls what is changed, or what comes of it, a part of a class activation map."""
    graph = sides.graph
    values = {edge.src, *made_of(graph, {edge.dst})}
    todo = [edge.src]
    while todo:
        for earlier in graph.into[todo.pop()]:
            if earlier.src not in values and _exports(graph, earlier):
                values.add(earlier.src)
                todo.append(earlier.src)
    read = {graph.values[v].span for v in values if graph.values[v].gradient}
    for target in (t for d in sides.demands if d.span in read for t in d.targets):
        values |= _maps_of(graph, target)
    return any(name.search(label) for label in labels(graph, values) for name in sides.names)


def labels(graph: Graph, values: Iterable[int]) -> Iterator[str]:
    """What a program calls some values."""
    return (c.label for v in values for c in graph.captures.get(v, ()) if c.kind in paths.NAMES)


def _maps_of(graph: Graph, target: int) -> set[int]:
    """What a gradient was asked of; of a layer's weights: what the layer makes, its activation included."""
    found = {target}
    for _ in range(LAYER_OPERATIONS if graph.values[target].parameter else 0):
        found |= {e.dst for v in found for e in graph.out[v]}
    return found


def _exports(graph: Graph, edge: Edge) -> bool:
    """A step on the way out of torch."""
    return graph.values[edge.dst].kind == Kind.ARRAY or edge.flow == Flow.CUTS
