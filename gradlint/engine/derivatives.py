"""Gradients that a loss is made of: taken to be differentiated again, and reaching the loss as numbers."""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.engine.findings import Case
from gradlint.engine.graph import CUTS, ZEROES, Graph
from gradlint.engine.verdict import cut_claim, frontier, name
from gradlint.finding import Finding
from gradlint.tape import STOPS, Demand, Edge, Flow

NO_GRAPH = "no-create-graph"


def lost_derivative(case: Case, demand: Demand, root: int) -> Finding | None:
    """A gradient that was to be differentiated itself (`create_graph`), that no backward does, and that reaches the root as numbers.

    Of whole runs `untrained` tells more, at their end.
    """
    if demand.whole:
        return None
    graph = case.graph
    ways = graph.towards(root)
    wanted = [v for v in sorted(ways) if ways[v] == CUTS and second_order(graph, v)]
    if not wanted:
        return None
    roots = {r for d in graph.demands for r in d.roots}
    reached = {v for r in roots for v, strength in graph.towards(r).items() if strength > CUTS}
    places = {graph.values[v].span for v in reached if graph.values[v].gradient}
    for value in wanted:
        if value in reached or graph.values[value].span in places:  # a helper takes it, here only to measure a scale
            continue
        edges = frontier(graph, frozenset(graph.reach([value], CUTS)), root)
        if edges and edges[-1].cause not in STOPS:
            message = f"{graph.values[value].label} was taken to be differentiated, and reaches {name(case, demand, root)} as numbers"
            return cut_claim(case, demand, graph.way(edges, root, value), message, severity="warning")
    return None


def second_order(graph: Graph, value: int) -> bool:
    """Whether a value is a gradient that was taken with `create_graph`."""
    return graph.values[value].gradient and any(e.flow == Flow.CARRIES for e in graph.into[value])


# --- beside a live summand -------------------------------------------------------------------------------------------


def frozen_derivative(case: Case, demand: Demand, root: int) -> Finding | None:
    """Somewhere inside the root a gradient without a graph is added to what the same network computed: a residual is half dead.

    An update is none of that: there the gradient is added to the very tensor that it was taken of (a step of an attack, of an
    inner loop, of a sampler), or to what was made of that tensor alone.
    """
    if demand.kind != "backward":
        return None
    graph = case.graph
    ways = graph.towards(root)
    taken = [e for v in ways for e in graph.into[v] if e.cause == NO_GRAPH and graph.strength[e.src] > CUTS]
    for edge in sorted(taken, key=lambda e: e.time):
        part = next((p for p, other in _added(graph, edge.dst, ways) if _of_one_network(graph, edge, other)), None)
        if part is not None:
            message = f"{name(case, demand, part)} is a constant in the loss {name(case, demand, root)}"
            return cut_claim(case, demand, graph.way([edge], root, over=part), message, contract="dead-term",
                             likely=not demand.whole)  # fmt: skip
    return None


def _added(graph: Graph, value: int, ways: dict[int, int]) -> Iterator[tuple[int, int]]:
    """What a dead value becomes before it is added to something live, each with that; not past a stop, which is meant.

    Nor where the sum reaches the root as data: a residual that only chooses points.
    """
    todo, seen = [value], {value}
    while todo:
        at = todo.pop()
        for edge in graph.out[at]:
            if edge.dst not in ways or edge.cause in STOPS or graph.values[edge.dst].joined:
                continue
            if graph.strength[edge.dst] <= CUTS and edge.dst not in seen:
                seen.add(edge.dst)
                todo.append(edge.dst)
            elif edge.term and graph.strength[edge.dst] > ZEROES and ways[edge.dst] > ZEROES:
                yield from ((at, e.src) for e in graph.into[edge.dst] if e.term and graph.strength[e.src] > ZEROES)


def _of_one_network(graph: Graph, edge: Edge, other: int) -> bool:
    """Whether the gradient and what it is added to come from the same parameters, and none of what was asked for does.

    What `.grad` holds is not asked for in one place, and so is left.
    """
    here = (edge.span, edge.at)
    asked = next(
        (d for d in graph.demands if d.kind == "autograd.grad" and d.span in here and edge.src in d.roots), None
    )
    if asked is None or not asked.targets:
        return False
    theirs = {a for target in asked.targets for a in graph.towards(target)}
    both = graph.sources(edge.src) & graph.sources(other)
    return any(graph.values[s].parameter for s in both - theirs)
