"""Writing the tape of one run, with what is known of `requires_grad` at every value.

The recorder only ever appends: a branch that is rolled back leaves values behind that nothing leads to, which is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from gradlint.static.expected import expects
from gradlint.tape import (
    Answer,
    Capture,
    Change,
    Demand,
    DemandKind,
    Edge,
    Flow,
    Hook,
    Kind,
    Need,
    Note,
    Span,
    Tape,
    Value,
)  # fmt: skip

if TYPE_CHECKING:
    from gradlint.static.machine import Machine


class Input(msgspec.Struct, frozen=True):
    """One input of an operation: a tape node, and how the gradient flows back to it."""

    node: int
    flow: Flow = Flow.CARRIES
    cause: str = ""
    term: bool = False
    product: bool = False
    select: bool = False
    saves: bool = False
    reason: Span | None = None


BUNDLE = 32  #: sources of an unknown value that are told one by one


class Recorder:
    """The tape being written; `requires[i]` is whether value i requires grad, as far as anybody can tell."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.edges: list[Edge] = []
        self.writes: list[Edge] = []
        self.captures: list[Capture] = []
        self.during: Span | None = None  #: the call of the outermost module whose forward pass is running
        self.demands: list[Demand] = []
        self.notes: list[Note] = []
        self.needs: list[Need] = []
        self.changes: list[Change] = []
        self.requires: list[Answer] = []
        self.into: list[list[Edge]] = []
        self.backed: list[bool] = []  #: whether a value is known, or was made of one that is
        self.wanted: set[int] = set()
        self.earlier: dict[int, int] = {}  #: leaf -> the same tensor before its flag was set, or other numbers loaded
        self.time = 0
        self._seen: set[tuple[int, Span, str]] = set()
        self._bundles: dict[tuple[int, ...], int] = {}  #: values that were sources together -> what stands for them

    def tick(self) -> int:
        """The next moment."""
        self.time += 1
        return self.time

    def leaf(self, kind: Kind, span: Span, label: str, requires_grad: Answer = "no", *, parameter: bool = False,
             frozen_at: Span | None = None, gradient: bool = False, remade: bool = False) -> int:  # fmt: skip
        """A value nobody computed: data, a parameter, an argument."""
        node = len(self.values)
        self.values.append(
            Value(
                node,
                kind,
                span,
                label,
                self.tick(),
                True,
                requires_grad,
                parameter,
                False,
                False,
                frozen_at,
                gradient,
                remade,
            )
        )
        self.requires.append(requires_grad)
        self.into.append([])
        self.backed.append(kind != Kind.UNKNOWN)
        return node

    def unknown(self, span: Span, label: str, sources: Iterable[int] = (), op: str = "", gradient: bool = False) -> int:
        """A value of unknown making; data may have come from the sources, and it may own parameters."""
        given = self._bundled(list(dict.fromkeys(sources)), span, label)
        node = len(self.values)
        self.values.append(Value(node, Kind.UNKNOWN, span, label, self.tick(), may_own=True, gradient=gradient))
        self.requires.append("maybe")
        self.into.append([])
        self.backed.append(False)
        for source in given:
            self.edge(source, node, span, op or label, Flow.UNKNOWN)
        return node

    def _bundled(self, sources: list[int], span: Span, label: str) -> list[int]:
        """The sources, many at a time: what is read from a long list again and again, which grows, has the others in common."""
        if len(sources) <= BUNDLE:
            return sources
        bundles = []
        for i in range(0, len(sources), BUNDLE):
            together = tuple(sources[i : i + BUNDLE])
            if together not in self._bundles:
                self._bundles[together] = self.unknown(span, label, together)
            bundles.append(self._bundles[together])
        return self._bundled(bundles, span, label)

    def result(self, kind: Kind, span: Span, label: str, op: str, inputs: Iterable[Input], *, at: Span | None = None,
               foreign: bool = False, joined: bool = False, gradient: bool = False, where: Span | None = None) -> int:  # fmt: skip
        """What an operation made of its inputs; `where` is the value's own place if the edge's place differs."""
        node = len(self.values)
        self.values.append(Value(node, kind, where or at or span, label, self.tick(), joined=joined, gradient=gradient))
        self.requires.append("no")
        self.into.append([])
        self.backed.append(kind != Kind.UNKNOWN)
        for given in dict.fromkeys(inputs):
            self.edge(
                given.node,
                node,
                span,
                op,
                given.flow,
                given.cause,
                at,
                given.term,
                given.product,
                foreign,
                given.select,
                given.saves,
                given.reason,
            )
        self.requires[node] = self._answer(node, joined)
        return node

    def doubt(self, node: int) -> None:
        """Nobody can tell after all whether a value requires grad."""
        self.requires[node] = _weaken(self.requires[node])

    def remake(self, source: int | None, span: Span, label: str, requires_grad: Answer, op: str, cause: str, *,
               parameter: bool = False, frozen_at: Span | None = None) -> int:  # fmt: skip
        """A leaf made again from an existing value: the data goes on, the gradient does not."""
        node = self.leaf(
            Kind.TENSOR, span, label, requires_grad, parameter=parameter, frozen_at=frozen_at, remade=source is not None
        )
        if source is not None:
            self.edge(source, node, span, op, Flow.CUTS, cause)
        return node

    def phi(self, nodes: Iterable[int], span: Span, label: str) -> int:
        """One of several values, nobody knows which; of parameters, frozen or not, a parameter."""
        given = list(dict.fromkeys(nodes))
        kinds = {self.values[n].kind for n in given}
        kind = kinds.pop() if len(kinds) == 1 else Kind.UNKNOWN
        node = self.result(kind, span, label, "join", [Input(n) for n in given], joined=True)
        if all(self.values[n].parameter for n in given):
            self.values[node] = msgspec.structs.replace(self.values[node], parameter=True)
        return node

    def ancestors(self, roots: Iterable[int], least: Flow = Flow.ZEROES) -> set[int]:
        """All values that a gradient from the roots arrives at, over edges of this strength."""
        seen: set[int] = set()
        todo = list(roots)
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo.extend(e.src for e in self.into[node] if e.flow >= least)
        return seen

    def versions(self, node: int) -> list[int]:
        """A leaf and what it was before, the last one first: every alternative where branches met."""
        found: dict[int, None] = {}
        todo = [node]
        while todo:
            at = todo.pop()
            if at not in found:
                found[at] = None
                todo += [e.src for e in self.into[at]] if self.values[at].joined else []
                todo += [self.earlier[at]] if at in self.earlier else []
        return list(found)

    def capture(self, value: int, kind: str, span: Span, label: str, present: int = -1, home: int = -1) -> None:
        """The value was put or handed there; `present` is what was there until then, `home` the dict that it was put into."""
        if (value, span, kind) not in self._seen:
            self._seen.add((value, span, kind))
            before = present if (present, span, kind) in self._seen else -1
            self.captures.append(Capture(value, kind, span, label, self.tick(), before, self.during, home))  # type: ignore[arg-type]

    def demand(self, **fields: object) -> Demand:
        """A place that asks for a gradient."""
        made = Demand(id=len(self.demands), time=self.tick(), **fields)  # type: ignore[arg-type]
        self.demands.append(made)
        return made

    def write(self, source: int, node: int, span: Span, op: str, cause: str, at: Span | None = None) -> None:
        """Numbers of `source` go into a tensor past the graph."""
        self.writes.append(Edge(source, node, span, op, Flow.CUTS, self.tick(), cause, at))

    def note(self, **fields: object) -> None:
        """Something that does not do what it says."""
        self.notes.append(Note(time=self.tick(), **fields))  # type: ignore[arg-type]

    def need(self, value: int, by: int, span: Span, op: str) -> None:
        """The backward of what made `by` keeps the value."""
        self.needs.append(Need(value, by, span, op, self.tick()))

    def change(self, value: int, span: Span, label: str) -> None:
        """The value was overwritten."""
        self.changes.append(Change(value, span, label, self.tick()))

    def tape(self, hooks: Iterable[Hook] = (), notes: Iterable[Note] = (), untaken: Iterable[str] = (),
             chosen: Iterable[tuple[str, int, int]] = ()) -> Tape:  # fmt: skip
        """The finished tape."""
        values = [msgspec.structs.replace(v, wanted=True) if v.id in self.wanted else v for v in self.values]
        return Tape(values, [*self.edges], [*self.captures], [*self.demands], list(hooks), [*self.notes, *notes],
                    list(self.needs), list(self.changes), [*self.writes], list(untaken), sorted(chosen))  # fmt: skip

    def edge(self, src: int, dst: int, span: Span, op: str, flow: Flow, cause: str = "", at: Span | None = None,
              term: bool = False, product: bool = False, foreign: bool = False, select: bool = False,
              saves: bool = False, reason: Span | None = None) -> None:  # fmt: skip
        """Data flows from one value to another (see `tape.Edge`)."""
        made = Edge(src, dst, span, op, flow, self.tick(), cause, at, term, product, foreign, select, saves, reason)
        self.edges.append(made)
        self.into[dst].append(made)
        self.backed[dst] = self.backed[dst] or self.backed[src]

    def _answer(self, node: int, joined: bool) -> Answer:
        best: Answer = "no"
        every = True
        for edge in self.into[node]:
            if edge.flow == Flow.CUTS:
                every = False
                continue
            given = self.requires[edge.src] if edge.flow != Flow.UNKNOWN else _weaken(self.requires[edge.src])
            every = every and given == "yes"
            if given == "yes":
                best = "yes"
            elif given == "maybe" and best == "no":
                best = "maybe"
        return "maybe" if joined and best == "yes" and not every else best


def record(m: Machine, kind: DemandKind, span: Span, roots: Sequence[int], targets: Sequence[int], labels: Sequence[str],
           *, label: str = "", **more: object) -> None:  # fmt: skip
    """Write a demand on the tape, with what is known of the run at this moment; it is told by its text or another label."""
    label = label or m.text(span)
    m.sites[span] = label
    if m.unfit:
        more = {"unknown": "it may be another object that runs here", **more}
    m.tape.demand(
        kind=kind, span=span, label=label, roots=tuple(roots), targets=tuple(targets), target_labels=tuple(labels),
        whole=m.whole, stack=tuple(m.stack), expected=expects(m, kind), **{"certain": m.doubt == 0, **more},
    )  # fmt: skip


def answer(flag: object) -> Answer:
    """What a `requires_grad` argument says: a value that is not known may be either."""
    return "yes" if flag is True else "no" if flag is False else "maybe"


def _weaken(given: Answer) -> Answer:
    return "maybe" if given == "yes" else given
