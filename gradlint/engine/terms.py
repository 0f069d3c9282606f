"""Silent losses of a part: a summand that is a constant, a leaf made again from a dead value, a sum that nobody differentiates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from gradlint.engine import baselines, paths
from gradlint.engine.absent import in_test
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, NOTHING, SELECTS, ZEROES, Graph, Way, is_source
from gradlint.engine.verdict import cut_claim, frontier, name
from gradlint.finding import Finding
from gradlint.tape import STOPS, Demand, Edge, Flow, Kind

#: operations whose result says yes or no
YES_OR_NO = frozenset((
    "<", ">", "<=", ">=", "==", "!=", "&", "|", "^", "~", ".any()", ".all()", "torch.any()", "torch.all()",
    "torch.logical_and()", "torch.logical_or()", "torch.logical_not()", "torch.isnan()", "torch.isfinite()",
))  # fmt: skip
GATHERED = frozenset(("torch.stack()", "torch.cat()", "torch.concat()", "torch.hstack()", "torch.vstack()"))
TAKEN = frozenset(("torch.sum()", "torch.mean()", ".sum()", ".mean()"))
#: what people call what a loss is measured from, or weighted with: constants, however they were made so
CONSTANT = re.compile(r"(^|_)(adv|advantages?|targets?|returns?|rewards?|deltas?|td|baselines?|labels?)(_|$)")
#: what people call whole numbers, which never require grad
INTEGERS = re.compile(r"(^|_)(ids?|idx|inds?|index|indices|labels?|tokens?|masks?|classes)$")
MEANT = frozenset((".item()", ".tolist()", "int()"))  #: written to leave the graph, or to count


def summands(graph: Graph, root: int) -> list[int]:
    """What a sum adds up; sums of sums are taken apart, anything else is one summand."""
    order: list[int] = []
    todo, seen = [root], set[int]()
    while todo:
        value = todo.pop()
        if value not in seen:
            seen.add(value)
            order.append(value)
            todo += _added(graph, value)
    known: dict[int, frozenset[int]] = {}
    for value in sorted(order):  # ids are in time order: what is added comes before the sum
        known[value] = _taken_apart(graph, value, [known.get(p, frozenset((p,))) for p in _added(graph, value)])
    return sorted(known[root])


def _added(graph: Graph, value: int) -> list[int]:
    """The direct summands of a sum, the alternatives of a joined value."""
    into = graph.into[value]
    return [e.src for e in into] if graph.values[value].joined else [e.src for e in into if e.term]


def _taken_apart(graph: Graph, value: int, parts: list[frozenset[int]]) -> frozenset[int]:
    """The summands of a value. Of alternatives, what is dead counts only where no other alternative adds something live."""
    if not parts:
        return frozenset((value,))
    if not graph.values[value].joined:
        return frozenset().union(*parts)
    alive = [frozenset(p for p in some if graph.bare[p] > ZEROES) for some in parts]
    if all(live and any(_lost(graph, p) for p in some - live) for some, live in zip(parts, alive, strict=True)):
        return frozenset().union(*parts)  # whichever it is, it has lost a part
    dead = {p for i, some in enumerate(parts) for p in some - alive[i] if _lost_everywhere(p, alive[i], parts, alive)}
    return frozenset(dead).union(*alive) if dead else frozenset((value,))


def _lost(graph: Graph, part: int) -> bool:
    """A summand that data of a source went into, and no gradient comes out of."""
    return graph.bare[part] in (SELECTS, CUTS, ZEROES) and any(_had_gradient(graph, a) for a in graph.towards(part))


def _had_gradient(graph: Graph, value: int) -> bool:
    """Whether a gradient may have been lost here: not where something unknown gave a tensor, or what need not be one."""
    known = graph.values[value]
    made = known.kind == Kind.TENSOR and not graph.into[value]
    return is_source(known) and (known.parameter or known.requires_grad == "yes" or made)


def _lost_everywhere(
    part: int, beside: frozenset[int], parts: list[frozenset[int]], alive: list[frozenset[int]]
) -> bool:
    """Whether each alternative has the dead summand too, or nothing live in its place."""
    return all(part in some or alive[i] <= beside for i, some in enumerate(parts))


def dead_terms(case: Case, demand: Demand, root: int) -> list[Finding]:
    """The summands that carry nothing although a source has a data path to them, beside live ones.

    Where a gradient is asked of something by name, a summand counts that this has a data path to.
    """
    parts = summands(case.graph, root)
    found = [_dead_term(case, demand, root, part) for part in _dead_among(case, demand, root, parts)]
    for part in parts if case.graph.bare[root] > ZEROES else ():
        found += _dead_within(case, demand, root, part)
    return [f for f in found if f is not None]


def _dead_among(case: Case, demand: Demand, root: int, parts: Sequence[int]) -> list[int]:
    """The summands that carry nothing, beside others that do and were not computed from them.

    `total += loss if training else loss.item()` in a loop adds both where nobody knows that it is the same way every time.
    Who asks for the gradient of a residual by name, and stops a part of it, takes that part for data.
    """
    graph = case.graph
    asked = set(demand.targets) if demand.kind == "autograd.grad" else set()
    alive = [p for p in parts if graph.bare[p] > ZEROES]
    written = {graph.values[p].span for p in alive}
    return [
        part
        for part in parts
        if alive
        and (not asked or not asked.isdisjoint(graph.towards(part)))
        and _lost(graph, part)
        and not any(a in graph.towards(part) for a in alive)
        and written.isdisjoint(graph.values[v].span for v in _taken_off(graph, part))
        and not baselines.is_one(graph, root, part, alive)
        and not (asked and _is_stopped(graph, part))
    ]


def _taken_off(graph: Graph, part: int) -> set[int]:
    """What a summand is the mere number or the stopped copy of."""
    direct = {e.src for e in graph.into[part] if e.flow == Flow.CUTS and not e.select}
    return direct | {e.src for v in direct if graph.values[v].leaf for e in graph.into[v]}


def _dead_within(case: Case, demand: Demand, root: int, part: int) -> list[Finding | None]:
    """The dead summands of what a mean or a sum is taken of, where they are items of a list (`torch.stack(losses).sum()`).

    Of a difference of tensors one side is often constant and meant so: a baseline, what the probability of a drawn action owes to
    the action. There only a list counts all of which is dead, and not because it was stopped.
    """
    graph = case.graph
    listed = _is_list(graph, part)
    dead = _dead_among(case, demand, root, _within(graph, part))
    meant = [p for p in dead if not listed and (_is_stopped(graph, p) or not _is_list(graph, p))]
    return [_dead_term(case, demand, root, p) for p in dead if p not in meant]


def _is_list(graph: Graph, part: int) -> bool:
    """Whether a value is the mean or the sum of a list."""
    whole = _taken_of(graph, part)
    return whole != part and any(e.op in GATHERED for e in graph.into[whole])


def _is_stopped(graph: Graph, part: int) -> bool:
    """Whether what carries nothing was written to carry nothing."""
    edges = frontier(graph, graph.live(CUTS, bare=True), part, CUTS)
    return not edges or edges[-1].cause in STOPS


def _within(graph: Graph, part: int) -> list[int]:
    """The summands of what a mean or a sum is taken of, and the items of a list as summands; of anything else itself."""
    whole = _taken_of(graph, part)
    if whole == part:
        return [part]
    listed = [e.src for e in graph.into[whole] if e.op in GATHERED]
    return sorted({p for one in listed or [whole] for p in summands(graph, one)})


def _taken_of(graph: Graph, value: int) -> int:
    """What a mean or a sum is taken of, or the value itself."""
    into = graph.into[value]
    while len(into) == 1 and into[0].op in TAKEN and not graph.values[value].joined:
        value = into[0].src
        into = graph.into[value]
    return value


def number_of_parameter(case: Case, demand: Demand, root: int) -> Finding | None:
    """`math.exp(-s) * loss + s`: a learned weight lives in one summand and is a plain number in another.

    Only where the number was made of that one parameter and nothing else, by a function that turns a tensor into a number
    in passing, or a matrix of its entries (`torch.tensor([[0, -r[2]], [r[2], 0]])`): whoever writes `.item()` or `.detach()`
    means it, and a number made of losses balances them. And only in a whole run: a multiplier that a loss of its own trains is
    a number in all others.
    """
    if not demand.whole:
        return None
    graph = case.graph
    ways = graph.towards(root)
    for edge in (e for v in sorted(ways) for e in graph.into[v] if ways[v] > ZEROES and _made_number(graph, e)):
        made_of = [a for a in graph.towards(edge.src) if not graph.into[a]]
        learned = [
            a for a in made_of if graph.values[a].parameter and ways.get(a, CUTS) > ZEROES and a not in demand.unused
        ]
        if len(made_of) == len(learned) == 1 and edge.op not in MEANT:
            message = f"{paths.text(edge.op)} makes a constant of {name(case, demand, edge.src)} in the loss {name(case, demand, root)}"
            way = graph.way([edge], root, learned[0])
            return cut_claim(case, demand, way, message, contract="dead-term")
    return None


def _made_number(graph: Graph, edge: Edge) -> bool:
    """Whether an operation makes a number of a tensor, or a new tensor of the entries of one."""
    entries = edge.cause == "rebuild" and (len(graph.into[edge.dst]) > 1 or bool(graph.into[edge.src]))
    made = edge.cause == "number" or (entries and not graph.values[edge.dst].remade)
    return made and graph.strength[edge.src] > ZEROES


def unstepped(case: Case, demand: Demand, root: int) -> list[Finding]:
    """A summand that reaches only parameters which no optimizer steps with this gradient, and those it does step only by a cut."""
    graph = case.graph
    parts = [p for part in summands(graph, root) for p in _within(graph, part)] if demand.unused else []
    sources = {p: graph.sources(p) for p in parts if not graph.unknown[p] and not graph.joined[p]}
    idle = [p for p, leaves in sources.items() if leaves and leaves <= set(demand.unused)]
    trained = {leaf for p in sources if p not in idle for leaf in sources[p] if leaf not in demand.unused}
    found = []
    for part in idle if trained else ():
        level = ZEROES if any(graph.towards(part).get(leaf) == ZEROES for leaf in trained) else CUTS
        edges = frontier(graph, frozenset(graph.reach(trained, level)), part, level)
        if edges:
            only = "parameters" if all(graph.values[leaf].parameter for leaf in sources[part]) else "tensors"
            message = (
                f"{name(case, demand, part)} in the loss {name(case, demand, root)} reaches only {only}"
                " that no optimizer steps with it"
            )
            way = graph.way(edges, root, over=part)
            found.append(cut_claim(case, demand, way, message, contract="dead-term"))
    return [f for f in found if f is not None]


def forgotten(case: Case, demand: Demand, root: int) -> list[Finding]:
    """A live summand that was added to this very loss, in a sum that nobody differentiates: `loss` is, `total` is not."""
    graph = case.graph
    if demand.kind != "backward" or not (demand.whole and demand.certain) or not graph.certain[root]:
        return []
    roots = [r for d in graph.demands for r in d.roots]
    for edge in graph.out[root]:
        others = [e.src for e in graph.into[edge.dst] if e.term and e.src != root]
        if not (edge.term and edge.time < demand.time) or graph.values[edge.dst].joined or not others:
            continue
        added = {
            part for other in others for part in (other, *summands(graph, other))
        }  # a running total: losses of before
        reached = graph.reach([edge.dst, *added], CUTS)
        if (
            _named_here(graph, edge.dst)
            and all(graph.certain[o] for o in others)
            and not any(r in reached for r in roots)
            and graph.in_sight(reached)
        ):
            return [f for f in (_forgotten(case, demand, root, others[0], edge.dst),) if f is not None]
    return []


def _named_here(graph: Graph, value: int) -> bool:
    """Whether a value has a name of its own, and none that another way of running the program reads."""
    kept = [c for c in graph.captures.get(value, ()) if c.kind in paths.NAMES]
    named = [c for c in kept if c.kind != "item"]
    return (
        bool(named) and len(named) == len(kept) and graph.untaken.isdisjoint(c.label.rpartition(".")[2] for c in named)
    )


def _forgotten(case: Case, demand: Demand, root: int, part: int, total: int) -> Finding | None:
    graph = case.graph
    part_name, total_name = name(case, demand, part), name(case, demand, total)
    message = f"{part_name} is added to {total_name}, and only {name(case, demand, root)} is differentiated: it trains nothing"
    steps = [
        paths.taken(graph, part, demand.time),
        paths.step("cause", graph.values[total].span, f"{total_name} is never differentiated"),
    ]
    return finding(case, Claim("dead-term", "", demand.span, message, paths.ended(steps, demand)))


def _dead_term(case: Case, demand: Demand, root: int, part: int) -> Finding | None:
    graph = case.graph
    level = ZEROES if graph.bare[part] == ZEROES else CUTS
    edges = frontier(graph, graph.live(level, bare=True), part, level)
    if not edges:
        return None
    way = graph.way(edges, root, over=part)
    if (
        _of_many(graph, way)
        or _stopped_later(way)
        or (in_test(demand.span.file) and way.frontier.span.file != demand.span.file)
    ):
        return None  # what a test hands to a loss in another file need not be live on both sides
    remade = [v for v in graph.towards(part) if v in graph.unwanted]
    if remade:
        return hidden(case, demand, root, remade[-1], "warning")
    message = f"{name(case, demand, part)} is a constant in the loss {name(case, demand, root)}"
    return cut_claim(case, demand, way, message, contract="dead-term", likely=not demand.whole)


def _of_many(graph: Graph, way: Way) -> bool:
    """Whether of many values one was taken, nobody knows which."""
    start = graph.values[way.start]
    return bool(start.kind == Kind.UNKNOWN and graph.into[start.id]) or any(e.flow == Flow.UNKNOWN for e in way.edges)


def _stopped_later(way: Way) -> bool:
    """Whether what was lost by an oversight is stopped on purpose further on: data that was chosen, a target."""
    after = way.edges[way.edges.index(way.frontier) + 1 :] if way.frontier in way.edges else ()
    return way.frontier.cause not in STOPS and any(e.flow == Flow.CUTS and e.cause in STOPS for e in after)


def hidden_cut(case: Case, demand: Demand, root: int) -> Finding | None:
    """The root lives only by a leaf that was made again from a dead value and that nobody wants a gradient of."""
    graph = case.graph
    if graph.strength[root] <= ZEROES or graph.bare[root] > ZEROES:
        return None
    remade = [v for v in graph.towards(root) if v in graph.unwanted and graph.towards(root)[v] > ZEROES]
    return hidden(case, demand, root, remade[-1]) if remade else None


def remade_part(case: Case, demand: Demand, root: int) -> Finding | None:
    """A leaf that was made again where the same network sends something live to the root beside it: one side of a loss is dead.

    What only another network computed (a frozen backbone) may be kept apart on purpose.
    """
    graph = case.graph
    ways = graph.towards(root) if demand.whole and demand.kind == "backward" else {}
    for leaf in sorted(v for v in graph.unwanted if ways.get(v, NOTHING) > ZEROES):
        edge = graph.into[leaf][0]
        past = {
            a for a in graph.towards(edge.src) if graph.values[a].parameter and graph.values[a].requires_grad == "yes"
        }
        meant = edge.cause in STOPS or CONSTANT.search(name(case, demand, leaf)) or _is_input(graph, leaf, past)
        if not meant and any(ways.get(a, NOTHING) > ZEROES for a in past):
            return hidden(case, demand, root, leaf, "warning")
    return None


def _is_input(graph: Graph, leaf: int, past: AbstractSet[int]) -> bool:
    """Whether the very network that a leaf owes its numbers to takes it in: points that were chosen, frames that were made."""
    alone = {v for v in graph.reach([leaf], CUTS) if graph.bare[v] <= ZEROES}
    taken = {e.dst for v in alone for e in graph.out[v]} - alone
    return any(e.src in past for v in taken for e in graph.into[v])


def hidden(case: Case, demand: Demand, root: int, leaf: int, severity: str | None = None) -> Finding | None:
    """The finding of a remade leaf: placed where it was made again, the earlier cuts as steps."""
    graph = case.graph
    edge = graph.into[leaf][0]
    earlier = graph.frontier(graph.live(bare=True), leaf)
    way = graph.way([edge], root, over=leaf)
    steps = paths.along(graph, way, demand)
    if earlier and earlier[-1] is not edge:
        steps = paths.along(graph, graph.way([earlier[-1]], root, over=leaf), demand)
    message = f"{name(case, demand, leaf)} is made a leaf again: the error is gone, so is the gradient of what it was computed from"
    claim = Claim("severed", "remade" if edge.cause != "grad-mode" else edge.cause, edge.span, message, steps,
                  likely=not demand.certain, severity=severity)  # type: ignore[arg-type]  # fmt: skip
    return finding(case, claim)


def loss(case: Case, demand: Demand) -> Finding | None:
    """What a loss function returns is dead on every path although an argument has a data path to it.

    What was dead when it came in is the caller's affair: an evaluation measures.
    """
    graph = case.graph
    for root in demand.roots:
        if graph.strength[root] not in (SELECTS, CUTS, ZEROES) or _is_mask(graph, root):
            continue
        level = ZEROES if graph.strength[root] == ZEROES else CUTS
        edges = frontier(graph, graph.live(level), root, level)
        own = edges and edges[-1].time > demand.since and edges[-1].cause != "grad-mode"
        if own and edges[-1].cause == "detach" and _other_side(graph, demand, root):
            continue
        given = (graph.values[a] for a in graph.towards(root))
        if own and any(is_source(v) and not INTEGERS.search(v.label.partition("[")[0]) for v in given):
            message = f"what {demand.label} returns is a constant for autograd"
            return cut_claim(case, demand, graph.way(edges, root), message, contract="dead-loss", likely=True)
    return None


def _is_mask(graph: Graph, root: int) -> bool:
    """Whether a value says yes or no: a function that finds a loss of something is none."""
    return bool(graph.into[root]) and all(edge.op in YES_OR_NO for edge in graph.into[root])


def _other_side(graph: Graph, demand: Demand, root: int) -> bool:
    """Whether a loss that stops one of its arguments passes the gradient to another, which had none when it came in."""
    return any(
        strength > ZEROES and graph.values[v].time < demand.since and graph.values[v].kind == Kind.TENSOR
        for v, strength in graph.towards(root).items()
    )
