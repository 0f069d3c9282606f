"""Gradients at the wrong time: used before there are any or after they were thrown away, graphs used after they were freed."""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.engine import absent, paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, NOTHING, Graph
from gradlint.engine.hooks import passes
from gradlint.engine.verdict import name
from gradlint.finding import Finding
from gradlint.tape import Capture, Demand, Flow


def mistimed(case: Case, demand: Demand) -> Finding | None:
    """`.grad` of a tensor before any backward of the run, or after it was cleared."""
    target = demand.targets[0] if demand.targets else None
    if target is None or not (demand.early or demand.cleared) or not demand.certain:
        return None
    if _out_of_sight(case.graph, target, demand):
        return None
    steps = [paths.taken(case.graph, target, demand.time)]
    steps += [paths.step("cause", c.span, "its buffer is kept, not a copy") for c in _kept(case.graph, demand)]
    if demand.cleared is not None:
        steps.append(paths.step("cause", demand.cleared, "the gradient is thrown away"))
        message = f"{demand.label} comes after the gradient of {name(case, demand, target)} was thrown away"
    else:
        message = f"{demand.label} is used before any backward: there is no gradient yet"
    return finding(case, Claim("mistimed", "", demand.span, message, paths.ended(steps, demand)))


def _kept(graph: Graph, demand: Demand) -> list[Capture]:
    """Where the program put the gradient under a name of its own."""
    found = graph.captures.get(demand.kept, ())
    return [c for c in found if c.kind in absent.KEEPS and c.time <= demand.time][:1]


def _out_of_sight(graph: Graph, target: int, demand: Demand) -> bool:
    """Whether something unknown got hold of what the target flows into: it may have run a backward.

    Of a target that flows nowhere, as far as is known, it is enough if something got hold of anything live.
    """
    reached = graph.reach([target], NOTHING)
    values = reached if len(reached) > 1 else [v.id for v in graph.values if graph.strength[v.id] > CUTS]
    return any(
        edge.flow == Flow.UNKNOWN and demand.since < edge.time < demand.time
        for value in values
        for edge in graph.out[value]
    )


# --- freed graphs ----------------------------------------------------------------------------------------------------


def freed(case: Case) -> Iterator[tuple[Demand, Finding | None]]:
    """Backwards through an operation whose kept tensors an earlier one freed."""
    graph = case.graph
    gone: dict[int, Demand] = {}  # an operation's result, and the backward that went through it and freed what it kept
    for demand in passes(graph):
        if not (demand.whole and demand.certain):
            continue
        through = executed(graph, demand)
        again = [v for v in through if v in gone and _keeps(graph, v)]
        if again:
            carried = {e.src for v in through if v not in gone for e in graph.into[v] if e.src in gone}
            yield demand, _second(case, demand, gone[max(again)], max(again), carried)
        if not demand.retains:
            gone |= {v: demand for v in through if v not in gone}


def _second(case: Case, demand: Demand, first: Demand, value: int, carried: set[int]) -> Finding | None:
    """The finding of a second backward; `carried` is what the new part of its graph takes over from the old one."""
    message = f"{demand.label} goes through {name(case, demand, value)} again, whose graph was freed by {first.label}"
    steps = [paths.taken(case.graph, value, demand.time), paths.step("cause", first.span, first.label)]
    steps += [
        paths.step("cause", c.span, f"{c.label} takes the graph along") for c in _kept_in(case.graph, carried, demand)
    ]
    return finding(case, Claim("freed", "", demand.span, message, paths.ended(steps, demand)))


def _kept_in(graph: Graph, values: set[int], demand: Demand) -> list[Capture]:
    """Where the program put one of the values: into an attribute or a container, else under a name."""
    found = [
        c
        for v in values
        for c in graph.captures.get(v, ())
        if c.kind in (*absent.KEEPS, "variable") and c.time <= demand.time
    ]
    return sorted(found, key=lambda c: (c.kind == "variable", -c.time))[:1]


def executed(graph: Graph, demand: Demand) -> set[int]:
    """The results of operations that a backward certainly goes through: no joins, nothing unknown, no gradient's own graph."""
    seen: set[int] = set()
    todo = list(demand.roots)
    while todo:
        value = todo.pop()
        if value in seen or not _sure(graph, value):
            continue
        seen.add(value)
        todo += [e.src for e in graph.into[value] if e.flow in (Flow.CARRIES, Flow.ZEROES)]
    if not demand.targets:
        return {v for v in seen if graph.into[v] and not graph.values[v].leaf}
    leading: set[int] = set()
    for value in sorted(seen):
        if any(e.src in leading or e.src in demand.targets for e in graph.into[value] if e.src in seen):
            leading.add(value)
    return leading


def _sure(graph: Graph, value: int) -> bool:
    known = graph.values[value]
    return graph.certain[value] and not known.joined and not known.gradient


def _keeps(graph: Graph, value: int) -> bool:
    """Whether the operation that made the value certainly keeps tensors for its backward."""
    return any(e.saves and graph.certain[e.src] for e in graph.into[value])
