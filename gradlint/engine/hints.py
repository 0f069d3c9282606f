"""Hints between networks: what hooks caught of a student is compared with what hooks caught of a teacher, through an adapter.

Where the student's side is cut off before it was caught, the adapter still learns, and the hint trains nothing else. A probe of
stopped features looks alike and means it; it is not compared with the features of another network.
"""

from __future__ import annotations

import re

from gradlint.engine.findings import Case
from gradlint.engine.graph import CUTS, ZEROES, Graph
from gradlint.engine.verdict import cut_claim, frontier, name
from gradlint.finding import Finding
from gradlint.tape import Demand

#: operations that say how far two things are apart
DISTANCE = re.compile(r"(^-$|(mse|l1|huber)_?loss|cosine_?(similarity|embedding)|kl_?div)", re.IGNORECASE)


def adapted(case: Case, demand: Demand, root: int) -> Finding | None:
    """A distance between caught features of which the student's were cut off, while other terms train the student."""
    graph = case.graph
    if demand.kind != "backward" or not (demand.whole and demand.certain) or not any(h.fired for h in graph.hooks):
        return None
    ways = graph.towards(root)
    trained = {a for a in graph.sources(root) if graph.values[a].parameter and a not in demand.unused}
    for value in sorted(v for v, strength in ways.items() if strength > ZEROES):
        into = graph.into[value]
        if len(into) == 2 and all(DISTANCE.search(edge.op) for edge in into):
            for mine, other in ((into[0].src, into[1].src), (into[1].src, into[0].src)):
                lost = _lost(graph, mine, other, trained)
                if lost:
                    edges = frontier(graph, frozenset(graph.reach(lost, CUTS)), mine, CUTS)
                    message = f"the hint {name(case, demand, value)} trains only what adapts the features, not what they come from"
                    return cut_claim(case, demand, graph.way(edges, root, over=mine), message, contract="dead-term")
    return None


def _lost(graph: Graph, mine: int, other: int, trained: set[int]) -> set[int]:
    """The trained parameters that only cut data of leads to the learner's side, if the other side is a teacher's."""
    if graph.strength[mine] <= ZEROES or graph.strength[other] > ZEROES or not _caught(graph, other):
        return set()
    ways = graph.towards(mine)
    lost = {a for a in trained if ways.get(a) == CUTS}
    teaches = trained.isdisjoint(graph.towards(other))
    return lost if teaches and any(lost & graph.towards(v).keys() for v in _caught(graph, mine)) else set()


def _caught(graph: Graph, value: int) -> list[int]:
    """The dead values on the way that a hook caught."""
    held = (v for v in graph.towards(value) if graph.strength[v] <= ZEROES)
    return [v for v in held if any(c.kind == "hook" for c in graph.captures.get(v, ()))]
