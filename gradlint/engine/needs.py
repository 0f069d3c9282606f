"""A tensor that a backward needs as it was, and that was changed in place before: autograd's version counter raises."""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import Graph
from gradlint.engine.hooks import passes
from gradlint.engine.timing import executed
from gradlint.finding import Finding, Step
from gradlint.tape import Change, Demand, Need

RULE = "overwritten-saved"


def overwritten(case: Case) -> Iterator[tuple[Demand, Finding | None]]:
    """Backwards through an operation that kept a tensor which holds other numbers by then."""
    graph = case.graph
    if not graph.changes:
        return
    for demand in passes(graph):
        if demand.certain:
            found = _first(graph, demand)
            if found is not None:
                yield demand, _finding(case, demand, *found)


def _first(graph: Graph, demand: Demand) -> tuple[Need, Change] | None:
    """The first change that a backward trips over."""
    through = executed(graph, demand)
    pairs = [
        (need, change)
        for need in graph.needs
        if need.by in through
        for change in graph.changes.get(need.value, ())
        if need.time < change.time < demand.time
    ]
    return min(pairs, key=lambda pair: pair[1].time, default=None)


def _finding(case: Case, demand: Demand, need: Need, change: Change) -> Finding | None:
    label = paths.name(case.graph, need.value, need.time)
    message = f"{change.label} changes {label} in place, and the backward of {paths.text(need.op)} needs it as it was"
    return finding(case, Claim("other", "", change.span, message, tuple(_steps(case, demand, need, change)), slug=RULE))


def _steps(case: Case, demand: Demand, need: Need, change: Change) -> Iterator[Step]:
    yield paths.taken(case.graph, need.value, need.time)
    yield paths.step("step", need.span, f"{paths.text(need.op)} keeps it for the backward")
    yield paths.step("cause", change.span, change.label)
    yield from paths.ended([], demand)
