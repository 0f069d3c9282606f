"""The tape as a graph: which value reaches which, and how strongly.

The strength of a path is that of its weakest edge, the strength of a value that of the best path to it from any source.
Two levels below `Flow` tell data that only selected positions, and no data at all. Knows nothing of rules or findings.
Correct for edges in any order, one pass where ids are in time order (they are, on the tapes of both producers).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from functools import cached_property
from heapq import heappop, heappush

import msgspec

from gradlint.tape import Capture, Change, Demand, Edge, Flow, Kind, Span, Tape, Value

NOTHING = -2  #: no data path
SELECTS = -1  #: data only chose positions: an index, a mask, a condition
CUTS = int(Flow.CUTS)  #: a data path, no gradient
ZEROES = int(Flow.ZEROES)
UNKNOWN = int(Flow.UNKNOWN)
CARRIES = int(Flow.CARRIES)
_PASSES = ("backward", "autograd.grad", "training-step")  #: the demands that go through a graph


class Way(msgspec.Struct, frozen=True):
    """How data goes from `start` over the frontier to the end; siblings are the other cuts that end the same life."""

    start: int
    edges: tuple[Edge, ...]
    frontier: Edge
    siblings: tuple[Edge, ...] = ()


def weight(edge: Edge) -> int:
    """How strong an edge is."""
    return SELECTS if edge.select else int(edge.flow)


def _covers(lines: tuple[str, int, int], span: Span) -> bool:
    file, first, last = lines
    return span.file == file and first <= span.line and span.end_line <= last


def is_source(value: Value) -> bool:
    """Whether a gradient could be asked of the value itself: a leaf that may require grad."""
    return value.leaf and value.requires_grad != "no"


#: operations that give the very tensor where it is as they want it already
MAY_RETURN_ITSELF = frozenset((
    ".to()", ".cpu()", ".cuda()", ".float()", ".double()", ".half()", ".bfloat16()", ".type()", ".type_as()", ".contiguous()",
    ".requires_grad_()",
))  # fmt: skip


DATA = frozenset(("rebuild", "numpy"))  #: causes that turn data into tensors, and back


class Graph:
    """Adjacency and strengths of one tape."""

    def __init__(self, tape: Tape) -> None:
        self.values = tape.values
        self.into: list[list[Edge]] = [[] for _ in tape.values]
        self.out: list[list[Edge]] = [[] for _ in tape.values]
        self.demands, self.hooks = tape.demands, tape.hooks
        self.captures: dict[int, list[Capture]] = {}
        self.needs, self.writes = tape.needs, tape.writes
        self.untaken = frozenset(tape.untaken)
        self._chosen = tape.chosen
        self.changes: dict[int, list[Change]] = {}
        self.ordered = True
        for edge in tape.edges:
            self.into[edge.dst].append(edge)
            self.out[edge.src].append(edge)
            self.ordered = self.ordered and edge.src < edge.dst
        for capture in tape.captures:
            self.captures.setdefault(capture.value, []).append(capture)
        for change in tape.changes:
            self.changes.setdefault(change.value, []).append(change)
        self._towards: dict[int, dict[int, int]] = {}
        self._live: dict[tuple[int, bool], frozenset[int]] = {}

    @cached_property
    def passes(self) -> list[Demand]:
        """The backwards, in order."""
        return sorted((d for d in self.demands if d.kind in _PASSES), key=lambda d: d.time)

    @cached_property
    def strength(self) -> list[int]:
        """How strongly each value hangs on a source."""
        return self.flood({v.id for v in self.values if is_source(v)})

    @cached_property
    def unwanted(self) -> frozenset[int]:
        """Leaves made again from a value with a past, that nobody wants a gradient of: the end of a hidden cut."""
        return frozenset(
            v.id for v in self.values
            if v.remade and v.leaf and v.requires_grad == "yes" and v.id not in self._wanted and not self._watched(v.id)
            and any(self.strength[e.src] >= CUTS and self._has_past(e.src) for e in self.into[v.id])
        )  # fmt: skip

    @cached_property
    def _wanted(self) -> set[int]:
        """What somebody wants a gradient of, and what that may be the same tensor as (`if cuda: x = x.cuda()`)."""
        return self.may_be({v.id for v in self.values if v.wanted})

    def may_be(self, values: Iterable[int]) -> set[int]:
        """These values, and what they may be the same tensors as (`x.to(device)` where x is on that device)."""
        found = set(values)
        todo = list(found)
        while todo:
            at = todo.pop()
            same = [e.src for e in self.into[at] if self.values[at].joined or e.op in MAY_RETURN_ITSELF]
            todo += [v for v in same if v not in found]
            found.update(same)
        return found

    def _watched(self, leaf: int) -> bool:
        """Whether somebody wants a gradient of what was computed from a leaf, or a hook gets it: then a leaf was made for it."""
        backward = [h for h in self.hooks if h.fired and h.kind not in ("forward", "pre")]
        got = {v for h in backward for v in (h.value, *(o for c in h.calls for o in c.outputs))}
        return not (got | self._wanted).isdisjoint(self.reach([leaf], CUTS))

    def _has_past(self, value: int) -> bool:
        """Whether something was computed, or kept as a parameter: of `nn.Parameter(torch.ones(2, requires_grad=True))` nothing was.

        What something unknown gave and `torch.tensor` or NumPy took is data.
        """
        made = bool(self.into[value]) or self.values[value].parameter or not self.values[value].leaf
        return made and (self.strength[value] > CUTS or not self._is_data(value))

    def _is_data(self, value: int) -> bool:
        """Whether a value was made of data, and of nothing that is known to require grad."""
        known, causes, todo = {value}, set[str](), [value]
        while todo:
            for edge in self.into[todo.pop()]:
                causes.add(edge.cause)
                if edge.flow != Flow.UNKNOWN and edge.src not in known:
                    known.add(edge.src)
                    todo.append(edge.src)
        return not DATA.isdisjoint(causes) and all(self.values[v].requires_grad != "yes" for v in known)

    @cached_property
    def bare(self) -> list[int]:
        """The strengths if the unwanted leaves were no sources: what the cut in front of them left."""
        if not self.unwanted:
            return self.strength
        return self.flood({v.id for v in self.values if is_source(v)} - self.unwanted)

    @cached_property
    def unknown(self) -> list[bool]:
        """Whether anything unknown is the value or an ancestor of it."""
        return self._spread(
            v.may_own or v.kind == Kind.UNKNOWN or (v.leaf and v.requires_grad == "maybe")
            or any(e.flow == Flow.UNKNOWN for e in self.into[v.id])
            for v in self.values
        )  # fmt: skip

    @cached_property
    def joined(self) -> list[bool]:
        """Whether the value or an ancestor of it stands for several."""
        return self._spread(v.joined for v in self.values)

    @cached_property
    def certain(self) -> list[bool]:
        """Whether the value requires grad whatever happens: known ways only, and no join on them."""
        sure = [v.leaf and v.requires_grad == "yes" for v in self.values]
        while self._pass(sure, lambda e: sure[e.src] and e.flow in (Flow.CARRIES, Flow.ZEROES)
                         and not self.values[e.dst].joined):  # fmt: skip
            pass
        return sure

    def flood(self, sources: AbstractSet[int]) -> list[int]:
        """The strength of every value, from these sources; a value that may own parameters is a source of its own."""
        best = [CARRIES if v.id in sources else UNKNOWN if v.may_own else NOTHING for v in self.values]
        again = True
        while again:
            again = False
            for edges in self.into:
                for edge in edges:
                    given = min(best[edge.src], weight(edge))
                    if given > best[edge.dst]:
                        best[edge.dst] = given
                        again = not self.ordered
        return best

    def towards(self, end: int) -> dict[int, int]:
        """Every ancestor of `end`, with the strength of its best path to it."""
        if end not in self._towards:
            self._towards[end] = self._back(end)
        return self._towards[end]

    def reach(self, starts: Iterable[int], level: int) -> set[int]:
        """What is reached from `starts` over edges stronger than `level`."""
        found = set(starts)
        todo = list(found)
        while todo:
            for edge in self.out[todo.pop()]:
                if weight(edge) > level and edge.dst not in found:
                    found.add(edge.dst)
                    todo.append(edge.dst)
        return found

    def live(self, level: int = CUTS, *, bare: bool = False) -> frozenset[int]:
        """The values stronger than `level`."""
        key = (level, bare)
        if key not in self._live:
            strength = self.bare if bare else self.strength
            self._live[key] = frozenset(i for i, given in enumerate(strength) if given > level)
        return self._live[key]

    def frontier(self, live: AbstractSet[int], end: int, level: int = CUTS) -> list[Edge]:
        """The edges on the way to `end` whose input is live and whose output is not, the one nearest to `end` last."""
        towards = self.towards(end)
        found = [e for e in self._near(live, towards) if e.src in live and e.dst in towards and e.dst not in live]
        if level == ZEROES:
            found = [e for e in found if weight(e) == ZEROES and towards[e.dst] >= ZEROES]
        return sorted(found, key=lambda e: (min(weight(e), towards[e.dst], level), e.time))

    def sources(self, value: int) -> set[int]:
        """The leaves that a gradient from here arrives at, and not as zeros only."""
        return {a for a, strength in self.towards(value).items() if strength > ZEROES and is_source(self.values[a])}

    def in_sight(self, values: Iterable[int]) -> bool:
        """Whether only known operations got hold of the values."""
        return not any(e.flow == Flow.UNKNOWN for v in values for e in self.out[v])

    def chosen(self, edge: Edge) -> bool:
        """Whether an operation is done because an option says so: in a branch that does not ask for the gradient as well."""
        within = [arm for arm in self._chosen if _covers(arm, edge.span)]
        return any(not any(_covers(arm, demand.span) for demand in self.demands) for arm in within)

    def chain(self, start: int, end: int) -> tuple[Edge, ...]:
        """The shortest of the strongest ways from `start` to `end`; empty where there is none."""
        towards = self.towards(end)
        need = towards.get(start, NOTHING)
        came: dict[int, Edge] = {}
        todo = deque([start])
        while todo and end not in came and start != end:
            for edge in self.out[todo.popleft()]:
                fits = min(weight(edge), towards.get(edge.dst, NOTHING)) >= need
                if fits and edge.dst not in came and edge.dst != start and edge.dst in towards:
                    came[edge.dst] = edge
                    todo.append(edge.dst)
        return _unwind(came, start, end)

    def way(self, frontier: list[Edge], end: int, start: int | None = None, over: int | None = None) -> Way:
        """The way over the nearest frontier edge, from `start` (else from that edge's input), on request by `over`."""
        edge = frontier[-1]
        begin = edge.src if start is None else start
        middle = () if over is None else self.chain(edge.dst, over)
        edges = (*self.chain(begin, edge.src), edge, *middle, *self.chain(edge.dst if over is None else over, end))
        siblings = {e.span: e for e in frontier if e.span != edge.span and not e.select}
        return Way(begin, edges, edge, tuple(siblings.values())[-4:])

    def _near(self, live: Collection[int], towards: Collection[int]) -> Iterable[Edge]:
        if len(live) < len(towards):
            return (e for v in live for e in self.out[v])
        return (e for v in towards for e in self.into[v])

    def _back(self, end: int) -> dict[int, int]:
        best = {end: CARRIES}
        todo = [-end]
        while todo:
            value = -heappop(todo)
            for edge in self.into[value]:
                given = min(best[value], weight(edge))
                if given > best.get(edge.src, NOTHING):
                    best[edge.src] = given
                    heappush(todo, -edge.src)
        return best

    def _spread(self, seeds: Iterable[bool]) -> list[bool]:
        marks = list(seeds)
        while self._pass(marks, lambda e: marks[e.src]):
            pass
        return marks

    def _pass(self, marks: list[bool], holds: Callable[[Edge], bool]) -> bool:
        """Mark the outputs of all edges that hold; whether another pass may find more."""
        changed = False
        for edges in self.into:
            for edge in edges:
                if not marks[edge.dst] and holds(edge):
                    marks[edge.dst] = changed = True
        return changed and not self.ordered


def _unwind(came: dict[int, Edge], start: int, end: int) -> tuple[Edge, ...]:
    found: list[Edge] = []
    at = end
    while at != start:
        if at not in came:
            return ()
        found.append(came[at])
        at = came[at].src
    return tuple(reversed(found))
