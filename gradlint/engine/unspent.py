"""Penalties that nobody adds: a gradient was taken to be differentiated again, and what was made of it goes into no loss.

`create_graph=True` costs memory and time and serves one purpose. Where a whole run that is known to its end uses what came of
it as a mere number, while the same parameters are trained by something else, the term was left out of the sum.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.engine import paths
from gradlint.engine.derivatives import second_order
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, Graph
from gradlint.engine.verdict import name
from gradlint.finding import Finding
from gradlint.tape import Demand, Kind, Span


def judge(case: Case) -> Iterator[tuple[Demand, Finding]]:
    """The backwards beside which a penalty was made and left, each with the finding; one for every place."""
    graph = case.graph
    told: set[Span] = set()
    for made in _unspent(graph):
        last = max((v for v in graph.reach([made], CUTS) if graph.strength[v] > CUTS), default=made)
        demand = _beside(graph, last)
        if demand is not None and graph.values[made].span not in told:
            told.add(graph.values[made].span)
            root = next(r for r in demand.roots if _trained(graph, demand, r, last))
            found = _finding(case, demand, root, made, last)
            if found is not None:
                yield demand, found


def _beside(graph: Graph, last: int) -> Demand | None:
    """The first backward after a value was made, if that trains parameters which the value hangs on."""
    time = graph.values[last].time
    demand = next((d for d in graph.passes if d.time > time), None)
    if demand is None or demand.kind != "backward" or not (demand.whole and demand.certain):
        return None
    return demand if any(_trained(graph, demand, r, last) for r in demand.roots) else None


def _trained(graph: Graph, demand: Demand, root: int, last: int) -> bool:
    """Whether a backward from the root trains a parameter that the value hangs on as well."""
    shared = graph.sources(root) & graph.sources(last)
    return not graph.unknown[root] and any(graph.values[a].parameter and a not in demand.unused for a in shared)


def _unspent(graph: Graph) -> list[int]:
    """Gradients of inputs, with a graph, that reach no demand, whenever they are taken at this place, and that end as numbers.

    Those of parameters are often taken to be looked at, with `create_graph` for no more than to keep the graph.
    """
    of_inputs = {d.span for d in graph.demands if d.targets and not any(graph.values[t].parameter for t in d.targets)}
    taken = [v.id for v in graph.values if v.gradient and v.span in of_inputs and second_order(graph, v.id)]
    roots = {r for d in graph.demands for r in (*d.roots, *d.targets)}
    spent: set[Span] = set()
    found = []
    for value in taken:
        if graph.values[value].span not in spent:
            reached = graph.reach([value], CUTS)
            shown = any(graph.values[v].kind in (Kind.ARRAY, Kind.UNKNOWN) for v in reached)
            if shown or not roots.isdisjoint(reached) or not graph.in_sight(reached):
                spent.add(graph.values[value].span)
            found.append(value)
    return [value for value in found if graph.values[value].span not in spent]


def _finding(case: Case, demand: Demand, root: int, made: int, last: int) -> Finding | None:
    taken, left, total = (case.graph.values[v] for v in (made, last, root))
    message = f"{name(case, demand, last)} goes into no loss: the {paths.text(taken.label)} was taken with create_graph=True for nothing"
    steps = [
        paths.step("capture", taken.span, taken.label),
        paths.step("cause", left.span, f"{paths.text(left.label)} is added to nothing"),
        paths.step("cause", total.span, f"{name(case, demand, root)} is without it"),
    ]
    return finding(case, Claim("dead-term", "", total.span, message, paths.ended(steps, demand)))
