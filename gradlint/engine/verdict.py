"""The judgement of one demand, and what the contracts share: a demand with its tape, and the ways to speak of it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Literal

import msgspec

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, cuts, doubtful, finding
from gradlint.engine.graph import CUTS, NOTHING, Graph, Way
from gradlint.finding import Contract, Finding, Severity, Step
from gradlint.tape import STOPS, Demand, Edge


class Verdict(msgspec.Struct, frozen=True):
    """What became of one demand in one run."""

    demand: Demand | None  #: None: findings that belong to no demand
    verdict: Literal["connected", "severed", "undecided"]
    reason: str = ""  #: why undecided
    findings: tuple[Finding, ...] = ()


def name(case: Case, demand: Demand, value: int) -> str:
    """What the program calls a value, as of the demand."""
    given = dict(zip(demand.targets, demand.target_labels, strict=False))
    known = paths.name(case.graph, value, demand.time)
    return known if known != case.graph.values[value].label else given.get(value, known)


def cut_claim(case: Case, demand: Demand, way: Way, message: str, *, contract: Contract = "severed", severity: Severity | None = None,
              likely: bool = False, extra: Iterable[Step] = ()) -> Finding | None:  # fmt: skip
    """The finding of a way that crosses a cut: placed at the frontier, named by its cause."""
    edge = way.frontier
    used = _wrong_copy(case.graph, demand, way)
    along = paths.along(case.graph, way, demand, extra)
    claim = Claim(
        contract=contract,
        cause=edge.cause,
        place=edge.span,
        message=f"{message}: {cuts(edge)}",
        steps=along if used is None else paths.marked(along, used),
        likely=likely or doubtful(case.graph, way, demand),
        severity=severity,
        names=(("cut", edge.op), ("target", case.graph.values[way.start].label)),
    )
    return finding(case, claim)


def _wrong_copy(graph: Graph, demand: Demand, way: Way) -> Step | None:
    """Where a stopped copy is taken that another loss takes rightly, while the live one has a name of its own: it was mistaken."""
    edge = way.frontier
    at = way.edges.index(edge) if edge in way.edges else len(way.edges)
    if edge.cause != "detach" or at + 1 >= len(way.edges) or edge.src not in graph.captures:
        return None
    others = (r for d in graph.passes for r in d.roots if d.span != demand.span)
    if not any(graph.towards(r).get(edge.dst, NOTHING) > CUTS for r in others):
        return None
    following = way.edges[at + 1]
    taken = [c for c in graph.captures.get(edge.dst, ()) if c.kind in ("read", "argument") and c.time <= following.time]
    place = max(taken, key=lambda c: c.time).span if taken else following.span
    return paths.step("cause", place, f"the stopped copy of {graph.captures[edge.src][-1].label} is taken")


def frontier(graph: Graph, live: AbstractSet[int], end: int, level: int = CUTS) -> list[Edge]:
    """The cuts that end the last live stretch before `end`, the one to report last.

    A cut whose data lives again further on explains nothing; nor does a gradient without a graph where another cut does.
    Of cuts side by side, a stopped gradient (a detached advantage) is often meant, a tensor made again hardly ever is.
    """
    edges = graph.frontier(live, end, level)
    last = _dead_stretch(graph, live, end)
    near = [e for e in edges if e.dst in last] or edges
    return sorted(near, key=suspicion)


def suspicion(edge: Edge) -> int:
    """How little a cut can have been meant."""
    return 0 if edge.cause == "no-create-graph" else 1 if edge.cause in STOPS else 2


def _dead_stretch(graph: Graph, live: AbstractSet[int], end: int) -> set[int]:
    """The values that lead to `end` without passing a live one."""
    found, todo = {end}, [end]
    while todo:
        for edge in graph.into[todo.pop()]:
            if edge.src not in live and edge.src not in found:
                found.add(edge.src)
                todo.append(edge.src)
    return found
