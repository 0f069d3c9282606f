"""The path that a finding shows: from the capture, over hops and cuts, to the demand.

Knows how tape records become steps, and nothing of contracts. A new kind of hop: one word in `HOPS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gradlint.engine.graph import Graph, Way
from gradlint.finding import Range, Role, Step
from gradlint.tape import Capture, Demand, Edge, Flow, Span

HOPS = ("hook", "attribute", "item", "append", "argument", "return", "read")
#: where a value was taken, the telling ones first
TAKEN = ("hook", "attribute", "item", "append", "return", "argument", "variable", "closure", "read")
#: what a value is called in a message
NAMES = ("variable", "attribute", "item")
#: what the reason of a cut is called, by its cause
REASONS = {"custom-function": "the backward gives no gradient here"}
LONGEST_LABEL = 80
MOST_HOPS = 12


def text(label: str) -> str:
    """A label on one line, of bearable length."""
    line = " ".join(label.split())
    return line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"


def step(role: Role, span: Span, label: str) -> Step:
    """One step of a path."""
    return Step(role, span.file, Range.of(span), text(label))


def name(graph: Graph, value: int, before: int) -> str:
    """What the program calls a value at that moment: its variable, else the text that made it."""
    named = [c for c in graph.captures.get(value, ()) if c.kind in NAMES and c.time <= before]
    return text(max(named, key=lambda c: c.time).label if named else graph.values[value].label)


def taken(graph: Graph, value: int, before: int) -> Step:
    """Where a value was captured; if nowhere, where it was made."""
    found = [c for c in graph.captures.get(value, ()) if c.time <= before]
    if not found:
        return step("capture", graph.values[value].span, graph.values[value].label)
    best = min(found, key=lambda c: (TAKEN.index(c.kind), -c.time))
    return step("capture", best.span, best.label)


def along(graph: Graph, way: Way, demand: Demand, extra: Iterable[Step] = ()) -> tuple[Step, ...]:
    """All steps of a way: capture, hops and cuts in the order of the data, the demand last."""
    first = way.edges[0].time if way.edges else demand.time
    steps = [taken(graph, way.start, first), *_inner(graph, way, demand), *extra]
    return ended(steps, demand)


def ended(steps: Iterable[Step], demand: Demand) -> tuple[Step, ...]:
    """Each place once, and the demand last."""
    last = step("demand", demand.span, demand.label)
    return (*_once(steps, last), last)


def marked(steps: Sequence[Step], cause: Step) -> tuple[Step, ...]:
    """The steps with the one at this place as a cause; in front of the demand if there is none."""
    places = [i for i, s in enumerate(steps) if s.role == "step" and (s.file, s.range) == (cause.file, cause.range)]
    at = places[-1] if places else len(steps) - 1
    return (*steps[:at], cause, *steps[at + bool(places) :])


def cut_step(edge: Edge) -> Step:
    """The step of an edge that loses the gradient."""
    return step("cut", edge.span, edge.op)


def _inner(graph: Graph, way: Way, demand: Demand) -> Iterator[Step]:
    yield from _thinned(list(_walk(graph, way, demand)))


def _walk(graph: Graph, way: Way, demand: Demand) -> Iterator[Step]:
    for i, edge in enumerate(way.edges):
        if i:
            yield from _hops(graph, edge.src, edge.time)
        if edge is way.frontier:
            yield from (cut_step(e) for e in sorted(way.siblings, key=lambda e: e.time))
        yield from _crossing(graph, edge, edge is way.frontier)
    if way.edges:
        yield from _hops(graph, way.edges[-1].dst, demand.time)


def _crossing(graph: Graph, edge: Edge, frontier: bool) -> Iterator[Step]:
    """What an edge itself shows: nothing where it carries."""
    if frontier or (edge.flow == Flow.CUTS and not edge.select):
        if edge.reason is not None:
            yield step("cause", edge.reason, REASONS.get(edge.cause, "entered here"))
        yield cut_step(edge)
        if edge.at is not None:
            written = edge in graph.writes
            yield step("cause" if written else "step", edge.at, graph.values[edge.dst].label)
    elif edge.select:
        yield step("select", edge.span, edge.op)
    elif edge.flow == Flow.UNKNOWN:
        yield step("unknown", edge.span, edge.op)


def _hops(graph: Graph, value: int, before: int) -> Iterator[Step]:
    """Where a value was put and taken up again; of several readings only the last counts."""
    found = [c for c in graph.captures.get(value, ()) if c.kind in HOPS and c.time <= before]
    reads = [c for c in found if c.kind == "read"][:-1]
    for capture in found:
        if capture not in reads:
            yield _hop(capture)


def _hop(capture: Capture) -> Step:
    return step("step", capture.span, capture.label)


def _thinned(steps: list[Step]) -> list[Step]:
    """Of very many hops the first and the last; cuts and unknown hops always stay."""
    hops = [s for s in steps if s.role in ("step", "select")]
    if len(hops) <= MOST_HOPS:
        return steps
    dropped = {id(s) for s in hops[MOST_HOPS // 2 : -(MOST_HOPS // 2)]}
    return [s for s in steps if id(s) not in dropped]


def _once(steps: Iterable[Step], last: Step) -> list[Step]:
    """Each place once; a capture or a cut wins over a hop at the same place, the demand over all but a cut."""
    given = list(steps)
    strong = {(s.file, s.range) for s in given if s.role != "step"} | {(last.file, last.range)}
    seen: set[tuple[str, Range, str]] = set()
    kept: list[Step] = []
    for one in given:
        key = (one.file, one.range, "" if one.role == "step" else one.role)
        if (one.role == "step" and (one.file, one.range) in strong) or key in seen:
            continue
        seen.add(key)
        kept.append(one)
    return kept
