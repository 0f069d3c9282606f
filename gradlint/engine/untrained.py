"""What an optimizer steps, and no backward of the whole run reaches: by a cut, by being forgotten, frozen, or out of reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from gradlint.engine import past, paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, DATA, MAY_RETURN_ITSELF, NOTHING, SELECTS, ZEROES, Graph, Way
from gradlint.engine.verdict import cut_claim, frontier, suspicion
from gradlint.finding import Finding, Step
from gradlint.tape import STOPS, Capture, Demand, Edge, Flow, Value

_NEAR = 30  #: lines of one function, between a sum and what came too late for it
#: whose parameters an optimizer is given, where it is written
_OWNERS = re.compile(r"(\w+)\.parameters\(")


def stepped(case: Case, demand: Demand, broken: Collection[int]) -> list[Finding]:
    """Parameters an optimizer steps, from which data flows to a root through cuts only, and which no root reaches.

    Roots in `broken` have a finding of their own, which explains the parameters that lead to them.
    """
    graph = case.graph
    idle = _idle(case, demand) or _all_frozen(case, demand)
    if idle is not None:
        return [idle]
    best = {t: max((graph.towards(r).get(t, NOTHING) for r in demand.roots), default=NOTHING) for t in demand.targets}
    places: dict[object, Finding] = {}
    for target, strength in best.items():
        if strength not in (SELECTS, CUTS, ZEROES) or graph.values[target].requires_grad != "yes":
            continue
        if any(graph.towards(r).get(target, NOTHING) > NOTHING for r in broken):
            continue
        found_way = _way(graph, demand, target, strength)
        if found_way is None:
            continue
        root, way = found_way
        if (way.frontier.cause in STOPS and graph.chosen(way.frontier)) or _collected(way):
            continue
        message = f"the optimizer steps {graph.values[target].label}, and no backward of this run reaches it"
        if way.frontier.cause == "remade" and graph.towards(root).get(way.frontier.dst, NOTHING) <= CUTS:
            continue  # a moving average: nobody wants a gradient of the new one either
        replaced = way.frontier.cause == "remade"  # nn.Parameter(f(w)) in a forward: the optimizer keeps the old one
        found = cut_claim(
            case,
            demand,
            way,
            message,
            contract="severed" if replaced else "untrained",
            severity="warning" if replaced else None,
            extra=_ends(graph, target, demand.roots),
        )
        if found is not None:
            places.setdefault((found.file, found.range), found)
    if not places:
        found_else = (
            _overwritten(case, demand, best),
            _too_late(case, demand, best),
            _left_out(case, demand, best),
            _unflagged(case, demand, best, broken),
        )
        return [f for f in found_else if f is not None]
    return list(places.values())


def _collected(way: Way) -> bool:
    """Data that was computed with gradients off, went through arrays, and is learned from later: played games, planned moves."""
    off = next((n for n, edge in enumerate(way.edges) if edge.cause == "grad-mode"), len(way.edges))
    return any(edge.cause in DATA for edge in way.edges[off:])


def _way(graph: Graph, demand: Demand, target: int, strength: int) -> tuple[int, Way] | None:
    """From a parameter to the root where the cut on the way can least have been meant, the first of them."""
    level = ZEROES if strength == ZEROES else CUTS
    live = frozenset(graph.reach([target], level))
    best: tuple[int, Way] | None = None
    for root in (r for r in demand.roots if graph.towards(r).get(target, NOTHING) == strength):
        edges = frontier(graph, live, root, level)
        if edges and (best is None or suspicion(edges[-1]) > suspicion(best[1].frontier)):
            best = root, graph.way(edges, root, target)
    return best


def unregistered(case: Case, demand: Demand) -> Iterator[Finding]:
    """`self.kernel = nn.Parameter(k).view(1, 1, 5, 5)`: what is kept is computed from a parameter that nobody can reach."""
    graph = case.graph
    for value in graph.values:
        if not (value.leaf and value.parameter and value.requires_grad == "yes"):
            continue
        edges = _unheld(graph, value)
        kept = [c for c in graph.captures.get(edges[-1].dst, ()) if c.kind == "attribute"] if edges else []
        made = next((e for e in edges if e.op not in MAY_RETURN_ITSELF), None)
        if kept and made is not None and any(graph.towards(r).get(value.id, NOTHING) > ZEROES for r in demand.roots):
            yield from (f for f in (_unregistered(case, demand, made, kept[0]),) if f is not None)


def _unheld(graph: Graph, value: Value) -> list[Edge]:
    """The operations that follow a value inside one expression, up to the first result that the program holds."""
    edges: list[Edge] = []
    at = value.id
    while at not in graph.captures and len(graph.out[at]) == 1 and value.span.within(graph.out[at][0].span):
        edges.append(graph.out[at][0])
        at = edges[-1].dst
    return edges


def _unregistered(case: Case, demand: Demand, edge: Edge, kept: Capture) -> Finding | None:
    message = f"{kept.label} keeps what {paths.text(edge.op)} made of a parameter: no module holds the parameter, no optimizer gets it"
    made = case.graph.values[edge.src]
    steps = [
        paths.step("capture", made.span, made.label),
        paths.step("cut", edge.span, edge.op),
        paths.step("step", kept.span, kept.label),
    ]
    return finding(case, Claim("untrained", "", edge.span, message, paths.ended(steps, demand)))


def _idle(case: Case, demand: Demand) -> Finding | None:
    """Nothing that an optimizer steps sends anything to a root, although all of the run is known and it took part."""
    graph = case.graph
    used = [t for t in demand.targets if graph.values[t].requires_grad == "yes" and _took_part(graph, demand, t)]
    if not (demand.closed and used) or any(graph.unknown[r] for r in demand.roots):
        return None
    if not graph.untaken.isdisjoint(_OWNERS.findall(demand.label)):
        return None  # under another option it is trained
    if any(graph.towards(r).get(t, NOTHING) != NOTHING for r in demand.roots for t in demand.targets):
        return None
    written = past.way(graph, demand.roots, used[0])
    if written is not None:
        message = f"the optimizer steps {graph.values[used[0]].label}, and no backward of this run reaches it"
        return cut_claim(case, demand, written, message, contract="untrained")
    steps = [paths.taken(graph, used[0], demand.time), *_left(graph, used), *_ends(graph, used[0], demand.roots)]
    message = f"{demand.label} steps parameters that send nothing to any loss of this run: they never get a gradient"
    return finding(case, Claim("untrained", "", demand.span, message, paths.ended(steps, demand)))


def _took_part(graph: Graph, demand: Demand, parameter: int) -> bool:
    """Whether something was computed with a parameter, or with a copy that then is in the loss.

    A mere copy of its numbers (a checkpoint, an average) is nothing of the kind.
    """
    computed = any(e.flow != Flow.CUTS or e.cause == "grad-mode" for e in graph.out[parameter])
    return computed or past.way(graph, demand.roots, parameter) is not None


def _left(graph: Graph, targets: Iterable[int]) -> list[Step]:
    """Where what lives by the parameters first leaves the graph: to a number, an index, an array."""
    live = graph.reach(targets, CUTS)
    lost = [e for v in live for e in graph.out[v] if e.dst not in live and e.flow == Flow.CUTS and e.cause not in STOPS]
    first = min(lost, key=lambda e: e.time, default=None)
    return [] if first is None else [paths.cut_step(first)]


def _all_frozen(case: Case, demand: Demand) -> Finding | None:
    """Everything that an optimizer steps had been frozen, and took part in a forward pass all the same."""
    graph = case.graph
    places = {graph.values[t].frozen_at for t in demand.unused if graph.out[t]}
    frozen = max((place for place in places if place is not None), default=None)
    if frozen is None:
        return None
    steps = [
        paths.step("cause", frozen, "requires_grad switched off"),
        paths.step("step", demand.span, demand.label),
    ]
    message = f"{demand.label} steps nothing but frozen parameters: none of them gets a gradient"
    return finding(case, Claim("untrained", "", frozen, message, paths.ended(steps, demand)))


def _ends(graph: Graph, value: int, roots: Iterable[int]) -> list[Step]:
    """The last name given to what lives by a value and goes into no root: the term that was forgotten."""
    used = {a for r in roots for a in graph.towards(r)}
    live = graph.reach([value], CUTS) - used - {value}
    named = [c for v in live for c in graph.captures.get(v, ()) if c.kind == "variable"]
    last = max(named, key=lambda c: c.time, default=None)
    return [] if last is None else [paths.step("cause", last.span, f"{last.label} goes into no loss")]


def _unflagged(case: Case, demand: Demand, best: Mapping[int, int], broken: Collection[int]) -> Finding | None:
    """A plain tensor or a buffer, given to the optimizer by itself, that a loss is computed with and that never requires grad."""
    graph = case.graph
    plain = (t for t in demand.targets if not graph.values[t].parameter and best[t] > ZEROES)
    idle = [t for t in plain if all(graph.values[v].requires_grad == "no" for v in (t, *graph.towards(t)))]
    idle = [t for t in idle if not any(t in graph.towards(r) for r in broken)]
    if not (idle and demand.closed):
        return None
    value = graph.values[idle[0]]
    message = (
        f"the optimizer steps {value.label}, which does not require grad and never gets a gradient: make it a parameter"
    )
    steps = [paths.step("capture", value.span, value.label), paths.step("step", demand.span, demand.label)]
    return finding(case, Claim("untrained", "", value.span, message, paths.ended(steps, demand)))


def _untouched(graph: Graph, demand: Demand, best: Mapping[int, int]) -> set[int]:
    """The parameters that no root of a whole run has anything to do with; none where something is unknown of a root."""
    if not demand.closed or any(graph.unknown[r] for r in demand.roots):
        return set()
    return {t for t, strength in best.items() if strength == NOTHING and graph.values[t].requires_grad == "yes"}


def _overwritten(case: Case, demand: Demand, best: Mapping[int, int]) -> Finding | None:
    """A loop gives a name to one result after another, and only the last goes on: those before trained nothing."""
    graph = case.graph
    idle = _untouched(graph, demand, best)
    if not idle:
        return None
    used = {a for r in demand.roots for a in graph.towards(r)}
    given = [
        c for value in used for c in graph.captures.get(value, ())
        if c.before >= 0 and c.before not in used and graph.into[c.before]
    ]  # fmt: skip
    for capture in sorted(given, key=lambda c: -c.before):  # the name nearest to the loss
        target = min(graph.sources(capture.before) & idle, default=None)
        in_sight = graph.certain[capture.before] and graph.in_sight(graph.reach([capture.before], CUTS))
        if target is not None and in_sight:
            return _replaced(case, demand, capture, target)
    return None


def _too_late(case: Case, demand: Demand, best: Mapping[int, int]) -> Finding | None:
    """`total = sum(losses.values())`, and then one more is put among the losses: no total takes it."""
    graph = case.graph
    idle = _untouched(graph, demand, best)
    totals = {v for root in demand.roots for v in graph.towards(root)}
    for value in sorted(graph.reach(idle, CUTS)):
        target = min(graph.sources(value) & idle, default=None)
        late = next(((c, v) for c in _items(graph, value) for v in totals if _is_total(graph, v, c)), None)
        if late is not None and target is not None and graph.certain[value]:
            return _forgotten(case, demand, *late, target)
    return None


def _left_out(case: Case, demand: Demand, best: Mapping[int, int]) -> Finding | None:
    """`{"recon": recon, "align": align}`: some of the terms are read and summed up, one is put there and never taken."""
    graph = case.graph
    idle = _untouched(graph, demand, best)
    used = {v for root in demand.roots for v in graph.towards(root)}
    taken = [(v, read) for v in sorted(used) if (read := _read_as_term(graph, v, used)) is not None]
    for value in sorted(graph.reach(idle, CUTS) - used, reverse=True):  # the last of what came of it
        target = min(graph.sources(value) & idle, default=None)
        beside = (
            (c, read) for c in _items(graph, value) for v, read in taken if any(_beside(c, i) for i in _items(graph, v))
        )
        item, read = next(beside, (None, None))
        if item is not None and read is not None and target is not None and graph.certain[value]:
            message = (
                f"{read.label} takes some of the terms into the loss, and not {item.label}: no backward of this run reaches"
                f" {graph.values[target].label}, which the optimizer steps"
            )
            steps = [paths.taken(graph, target, demand.time), paths.step("cause", item.span, item.label)]
            steps.append(paths.step("cause", read.span, "what is summed up"))
            return finding(case, Claim("untrained", "", read.span, message, paths.ended(steps, demand)))
    return None


def _read_as_term(graph: Graph, value: int, used: Collection[int]) -> Capture | None:
    """Where a value was read from a container, if what came of it is a summand of a loss."""
    reads = [c for c in graph.captures.get(value, ()) if c.kind == "read"]
    summand = any(e.term and e.dst in used for e in graph.out[value])
    return reads[-1] if reads and summand else None


def _beside(one: Capture, other: Capture) -> bool:
    """Whether two items were put into the same dict."""
    return one.home >= 0 and one.home == other.home


def _items(graph: Graph, value: int) -> list[Capture]:
    """Where a value was put under a key, or at the end of a list."""
    return [c for c in graph.captures.get(value, ()) if c.kind in ("item", "append")]


def _is_total(graph: Graph, value: int, item: Capture) -> bool:
    """Whether a value is the sum of what an item was later put beside: `sum(losses.values())` and `losses["edge"] = ...`."""
    total = graph.values[value]
    beside = (
        total.span.file == item.span.file and 0 <= item.span.line - total.span.line <= _NEAR and total.time < item.time
    )
    return (
        beside
        and bool(_holder(item))
        and bool(re.search(rf"\b(?:sum|stack|cat)\(.*\b{re.escape(_holder(item))}\b", total.label))
    )


def _holder(capture: Capture) -> str:
    """What an item was put in, as it is written; nothing for an entry of a dict that is written out."""
    return capture.label.rpartition("[")[0] if capture.kind == "item" else capture.label.rpartition(".append")[0]


def _forgotten(case: Case, demand: Demand, capture: Capture, total: int, target: int) -> Finding | None:
    graph = case.graph
    message = (
        f"{_holder(capture)} has been summed up when this is put there: no backward of this run reaches"
        f" {graph.values[target].label}, which the optimizer steps"
    )
    steps = [
        paths.taken(graph, target, demand.time),
        paths.step("cause", graph.values[total].span, f"{_holder(capture)} is summed up here"),
        paths.step("step", capture.span, capture.label),
    ]
    return finding(case, Claim("untrained", "", capture.span, message, paths.ended(steps, demand)))


def _replaced(case: Case, demand: Demand, capture: Capture, target: int) -> Finding | None:
    graph = case.graph
    message = (
        f"{capture.label} is overwritten by the next turn of the loop before any loss takes it: no backward of this run reaches"
        f" {graph.values[target].label}, which the optimizer steps"
    )
    steps = [
        paths.taken(graph, target, demand.time),
        paths.step("cause", capture.span, f"{capture.label} is given anew, the last one only goes on"),
    ]
    return finding(case, Claim("untrained", "", capture.span, message, paths.ended(steps, demand)))
