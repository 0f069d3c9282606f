"""Severed and zeroed demands: a data path leads from a source to what is differentiated, and no live one."""

from __future__ import annotations

from collections.abc import Mapping

from gradlint.engine.findings import Case
from gradlint.engine.graph import CUTS, NOTHING, SELECTS, UNKNOWN, ZEROES, Graph, is_source
from gradlint.engine.verdict import cut_claim, frontier, name
from gradlint.finding import Finding
from gradlint.tape import Demand, Flow


def target(case: Case, demand: Demand, value: int) -> Finding | None:
    """The first that holds of: dead target, side branch, cut between, zeroed; none where the gradient may arrive."""
    graph = case.graph
    lost = None
    if graph.strength[value] <= CUTS:
        lost = dead(case, demand, value, f"{name(case, demand, value)} has no graph")
    if lost is not None:
        return lost
    reach = {root: graph.towards(root).get(value, NOTHING) for root in reversed(demand.roots)}  # the last one is meant
    if any(strength >= UNKNOWN for strength in reach.values()) or _may_come_back(graph, reach, value):
        return None
    for root, strength in reach.items():
        found = None
        if strength == NOTHING:
            found = _side_branch(case, demand, root, value)
        elif graph.strength[root] > SELECTS:
            found = _between(case, demand, root, value, ZEROES if strength == ZEROES else CUTS)
        if found is not None:
            return found
    return None


def _may_come_back(graph: Graph, reach: Mapping[int, int], value: int) -> bool:
    """Whether unknown hands got the target (`cache.update(keys)`), and a root came out of unknown ones (`model(cache)`)."""
    outside = [root for root, strength in reach.items() if strength == NOTHING and graph.unknown[root]]
    return bool(outside) and not graph.in_sight(graph.reach([value], CUTS))


def root(case: Case, demand: Demand, value: int) -> Finding | None:
    """Dead root: everything that requires grad lies behind a cut; or its gradient is zero everywhere."""
    graph = case.graph
    label = name(case, demand, value)
    if graph.strength[value] in (CUTS, SELECTS):
        return dead(case, demand, value, f"{label} does not depend on anything that requires grad")
    if graph.strength[value] == ZEROES:
        edges = frontier(graph, graph.live(ZEROES), value, ZEROES)
        if edges:
            return cut_claim(
                case, demand, graph.way(edges, value), f"the gradient of {label} is always zero", contract="zeroed"
            )
    return None


def dead(case: Case, demand: Demand, value: int, message: str) -> Finding | None:
    """A dead value that a source has a data path to, placed where it died."""
    graph = case.graph
    if not any(is_source(graph.values[ancestor]) for ancestor in graph.towards(value)):
        return None
    edges = frontier(graph, graph.live(), value)
    return cut_claim(case, demand, graph.way(edges, value), message) if edges else None


def _between(case: Case, demand: Demand, root: int, value: int, level: int) -> Finding | None:
    graph = case.graph
    reached = frozenset(graph.reach([value], level))
    edges = frontier(graph, reached, root, level)
    if not edges:
        return None
    message = f"{name(case, demand, root)} cannot reach {name(case, demand, value)}"
    return cut_claim(
        case, demand, graph.way(edges, root, value), message, contract="zeroed" if level == ZEROES else "severed"
    )


def _side_branch(case: Case, demand: Demand, root: int, value: int) -> Finding | None:
    """The target is a cut-off copy of something on the way."""
    graph = case.graph
    on_the_way = {a for a, strength in graph.towards(root).items() if strength > CUTS and graph.strength[a] > CUTS}
    shared = frozenset(a for a, strength in graph.towards(value).items() if strength == CUTS and a in on_the_way)
    edges = [e for e in frontier(graph, shared, value) if e.flow == Flow.CUTS and not e.select]
    if not edges or any(
        graph.towards(value).get(a, NOTHING) > CUTS for a in on_the_way if a != value and _computed(case, a)
    ):
        return None
    way = graph.way(edges, value)
    if any(e.flow == Flow.UNKNOWN for e in way.edges):
        return None  # what came back from unknown hands may lie on the way itself
    message = f"{name(case, demand, root)} cannot reach {name(case, demand, value)}, a copy off its way"
    return cut_claim(case, demand, way, message)


def _computed(case: Case, value: int) -> bool:
    """Made by an operation: a live way from such a value explains the branch otherwise (a clone, a slice)."""
    return bool(case.graph.into[value])
