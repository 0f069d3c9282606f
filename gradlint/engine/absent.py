"""Gradients nobody could have: no graph at all, a tensor off the path, a tensor that keeps no gradient, an export that raises."""

from __future__ import annotations

import re

from gradlint.engine import past, paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, NOTHING, Graph
from gradlint.engine.verdict import cut_claim, name
from gradlint.finding import Finding, Step
from gradlint.tape import Demand, Edge, Flow, Span, Value

PLAIN = "made without requires_grad=True"
FROZEN = "requires_grad switched off"
_TEST = re.compile(r"/tests?/|/test_[^/]*$|_test\.py$|/conftest\.py$")
KEEPS = ("hook", "attribute", "item", "append")


def no_graph(case: Case, demand: Demand, root: int) -> Finding | None:
    """Nothing that the root was computed from requires grad, and all of it is known."""
    graph = case.graph
    if graph.strength[root] != NOTHING or graph.unknown[root] or graph.joined[root]:
        return None
    made_of = [graph.values[a] for a in graph.towards(root)]
    if not demand.whole and any(v.leaf and not v.frozen_at and not v.span.file for v in made_of):
        return None
    frozen = sorted({v.frozen_at for v in made_of if v.frozen_at is not None})
    causes = [paths.step("cause", span, FROZEN) for span in frozen[-3:]]
    place = frozen[-1] if frozen else _created(made_of, demand)
    if not frozen and _edge_case(demand, place):
        return None
    if place != demand.span and not frozen:
        causes = [paths.step("cause", place, PLAIN)]
    elif (
        len(plain := {v.span for v in made_of if v.leaf and not v.parameter and v.frozen_at is None and v.span.file})
        == 1
    ):
        causes += [paths.step("cause", span, PLAIN) for span in plain]
    message = f"nothing that {name(case, demand, root)} depends on requires grad"
    return finding(case, Claim("no-graph", "", place, message, paths.ended(causes, demand), likely=not demand.certain))


def _edge_case(demand: Demand, place: Span) -> bool:
    """Whether a test hands in what the function that it tests leaves early for: one that fails would have been noticed."""
    return place.file != demand.span.file and in_test(place.file)


def in_test(file: str) -> bool:
    """Whether a file belongs to tests, by its name or its folder."""
    return _TEST.search(f"/{file}") is not None


def _created(made_of: list[Value], demand: Demand) -> Span:
    """Where the input was made: the first plain leaf that went in."""
    leaves = [v for v in made_of if v.leaf and not v.parameter]
    return min(leaves, key=lambda v: v.time).span if leaves else demand.span


def off_path(case: Case, demand: Demand, target: int) -> Finding | None:
    """The target is completely known, and no root was computed from it."""
    graph = case.graph
    if not demand.whole or not demand.roots or graph.values[target].joined or graph.unknown[target]:
        return None
    if any(graph.unknown[r] or not graph.may_be((target,)).isdisjoint(_computed_from(graph, r)) for r in demand.roots):
        return None
    root, asked = name(case, demand, demand.roots[-1]), name(case, demand, target)
    written = past.way(graph, demand.roots, target)
    if written is not None:
        return cut_claim(case, demand, written, f"{root} cannot reach {asked}", contract="off-path")
    capture, place = _kept(graph, target, demand)
    if _edge_case(demand, graph.values[target].span):
        return None
    message = f"{root} was not computed from {asked}"
    instead = _ignored(graph, target, demand) or _instead(graph, target, demand)
    steps = paths.ended([capture, *_filled(graph, target, demand), *instead], demand)
    return finding(case, Claim("off-path", "", place, message, steps, likely=not demand.certain))


def _computed_from(graph: Graph, root: int) -> set[int]:
    """What sends a gradient, zeros or data to a root."""
    return {value for value, strength in graph.towards(root).items() if strength > NOTHING}


def _filled(graph: Graph, target: int, demand: Demand) -> list[Step]:
    """The forward pass that put the target where it was taken from, if an earlier one had put there what the root came from."""
    puts = {(c.span, c.kind): c for c in graph.captures.get(target, ()) if c.kind in KEEPS and c.time <= demand.time}
    used = {a for root in demand.roots for a in graph.towards(root)}
    before = {(c.span, c.kind) for value in used for c in graph.captures.get(value, ()) if c.kind in KEEPS}
    later = [c for place, c in puts.items() if place in before and c.during is not None]
    return [paths.step("cause", c.during, "this forward pass put it there") for c in later[:1] if c.during is not None]


def _instead(graph: Graph, target: int, demand: Demand) -> list[Step]:
    """Where what the target was made of goes into the root by itself: a function that reads another tensor than it was given."""
    forerunners = graph.towards(target)
    into = [
        e for root in demand.roots for a in graph.towards(root) if a in forerunners
        for e in graph.out[a] if e.dst in graph.towards(root) and e.dst not in forerunners
    ]  # fmt: skip
    first = min(into, key=lambda e: (e.time < graph.values[target].time, e.time), default=None)
    if first is None:
        return []
    note = f"{paths.name(graph, first.src, first.time)} goes in here"
    return [
        paths.step("cause", place, note) for place in (*_handed(graph, target, demand, first), first.at or first.span)
    ]


def _ignored(graph: Graph, target: int, demand: Demand) -> list[Step]:
    """What a function that was given the target, the innermost, computes the root from instead: it ignores its argument."""
    if graph.out[target]:
        return []
    used = {a for root in demand.roots for a in graph.towards(root)}
    given = [c for c in graph.captures.get(target, ()) if c.kind == "argument" and c.time <= demand.time]
    returned = sorted((c for v in used for c in graph.captures.get(v, ()) if c.kind == "return"), key=lambda c: c.time)
    for argument in reversed(given):
        end = next((c for c in returned if c.span == argument.span and c.time > argument.time), None)
        if end is not None:
            inside = [c.span for c in returned if argument.time < c.time < end.time]
            places = inside[-1:] or [e.at or e.span for e in graph.into[end.value]][:1]
            return [paths.step("cause", place, f"computed without {argument.label}") for place in places]
    return []


def _handed(graph: Graph, target: int, demand: Demand, first: Edge) -> list[Span]:
    """The call that took it in, where it stands beside the target: what that call returned is on the way to the root."""
    beside = graph.values[target].span.file
    later = graph.reach([first.dst], CUTS).intersection(*(graph.towards(root) for root in demand.roots))
    returns = [
        c for v in sorted(later) for c in graph.captures.get(v, ()) if c.kind == "return" and c.span.file == beside
    ]
    calls = [c.span for c in returns if not (first.at or first.span).within(c.span)]
    return calls[:1]


def plain_input(case: Case, demand: Demand, target: int) -> Finding | None:
    """The gradient of an input that does not require grad: it was made without, or of what does not.

    What was made of frozen weights is no input.
    """
    graph = case.graph
    value = graph.values[target]
    made = [graph.values[a] for a in graph.towards(target)]
    known = not graph.unknown[target] and not value.joined and all(v.requires_grad == "no" for v in made if v.leaf)
    inner = bool(graph.into[target]) and any(v.frozen_at is not None for v in made)
    if not known or inner or not demand.whole:
        return None
    place = value.frozen_at or value.span
    steps = [paths.step("cause", place, FROZEN if value.frozen_at else PLAIN)]
    named = [c for c in graph.captures.get(target, ()) if c.kind == "variable" and c.time <= demand.time]
    if graph.into[target] and named:  # what it was made of need not require grad, it itself should
        place = named[-1].span
        steps.append(paths.step("cause", place, PLAIN))
    message = f"{name(case, demand, target)} does not require grad"
    ended = paths.ended(steps, demand)
    return finding(case, Claim("no-graph", "", place, message, ended, likely=not demand.certain))


def non_leaf(case: Case, demand: Demand, target: int) -> Finding | None:
    """`.grad` of a tensor that is neither a leaf nor retained."""
    graph = case.graph
    if demand.retained or graph.values[target].joined or graph.strength[target] <= 0 or not demand.whole:
        return None
    into = graph.into[target]
    place = into[0].span if into else graph.values[target].span
    made = paths.step("cause", place, "made by an operation")
    kept = [c for c in graph.captures.get(target, ()) if c.kind in KEEPS and c.time <= demand.time][:1]
    causes = [paths.step("cause", c.span, "kept without retain_grad()") for c in kept]
    taken = paths.taken(graph, target, demand.time)
    steps = paths.ended([*_from_leaf(graph, target, place), taken, made, *causes], demand)
    lost = "the optimizer refuses it" if demand.kind == "optimize" else "its .grad is not kept"
    message = f"{name(case, demand, target)} is no leaf: {lost}"
    severity = None if demand.certain else "warning"
    return finding(case, Claim("non-leaf", "", place, message, steps, likely=not demand.certain, severity=severity))  # type: ignore[arg-type]


def _from_leaf(graph: Graph, target: int, place: Span) -> list[Step]:
    """Where the one leaf that a value was made of was left behind, if that is another operation than the last."""
    at, first = target, None
    while graph.into[at]:
        live = [e for e in graph.into[at] if e.flow == Flow.CARRIES and graph.strength[e.src] > NOTHING]
        if len(live) != 1:
            return []
        at, first = live[0].src, live[0]
    if first is None or graph.values[at].parameter or (first.at or first.span) == place:
        return []
    return [paths.step("cause", first.at or first.span, f"{paths.name(graph, at, first.time)} is the leaf")]


def export(case: Case, demand: Demand) -> Finding | None:
    """A NumPy call on a tensor that certainly requires grad raises."""
    target = demand.targets[0]
    steps = (
        paths.taken(case.graph, target, demand.time),
        paths.step("cut", demand.span, demand.label),
        paths.step("demand", demand.span, demand.label),
    )
    message = f"{name(case, demand, target)} requires grad, so {demand.label} raises"
    return finding(case, Claim("severed", "numpy", demand.span, message, steps))


def _kept(graph: Graph, target: int, demand: Demand) -> tuple[Step, Span]:
    """Where the tensor was put (by a hook, into an attribute, a dict, a list), else where it was made."""
    puts = [c for c in graph.captures.get(target, ()) if c.kind in KEEPS and c.time <= demand.time]
    span = puts[0].span if puts else graph.values[target].span
    label = puts[0].label if puts else graph.values[target].label
    return paths.step("capture", span, label), span
