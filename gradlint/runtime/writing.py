"""From the nodes of a recording to a tape: what was seen of `requires_grad` becomes flows, with causes and exact places.

Of a long run only what a kept demand comes from is written. A node that requires grad carries; where an input required grad and the output
does not, the way is cut, and the operation's row, the grad mode or the output's type says why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradlint import options
from gradlint.runtime.demands import Seen
from gradlint.runtime.mode import Switch
from gradlint.runtime.nodes import (
    ARRAY,
    DISABLED,
    FROZEN,
    GRAD,
    GRADIENT,
    GRAPHLESS,
    INEXACT,
    LEAF,
    NUMBER,
    PARAMETER,
    REMADE,
    UNSEEN,
    ZERO,
    Node,
)  # fmt: skip
from gradlint.runtime.places import THROUGH_LIBRARY, Source
from gradlint.runtime.record import Recording
from gradlint.runtime.run import Flipped, Hook, Observation, Outcome, Run
from gradlint.runtime.uses import Uses
from gradlint.tape import Capture, Demand, Edge, Flow, Kind, Span, Tape, Value

_ALL = 20_000  #: of so many nodes, those that no demand comes from are written too
#: casts that prepare an export
_PREPARES = frozenset((".byte()", ".to()", ".type()", ".int()", ".long()", ".short()", ".char()"))
_HOOKS = (
    "register-hook", "register_full_backward_hook", "register_full_backward_pre_hook", "register_backward_hook", "register_forward_hook",
    "register_forward_pre_hook",
)  # fmt: skip


def run(recording: Recording, *, whole: bool = False) -> Run:
    """Everything that a recording saw; `whole`: of a program from its begin to its end."""
    writer = Writer(recording, whole=whole)
    return Run(
        tape=writer.tape(),
        observations=tuple(writer.observations()),
        hooks=tuple(writer.hooks()),
        flips=tuple(writer.flips()),
        raised=_told(recording.error),
        raised_at=writer.lines,
        idle_steps=tuple(recording.places.span(site) for site in sorted(recording.demands.idle) if site >= 0),
        backwards=recording.demands.backwards,
        operations=recording.nodes.moment,
        truncated=recording.nodes.truncated,
    )


class Writer:
    """One tape being written."""

    def __init__(self, recording: Recording, *, whole: bool) -> None:
        self.recording = recording
        self.whole = whole and not recording.mode.stopped
        self.nodes = recording.nodes
        self.places = recording.places
        self.demands = recording.demands.kept[recording.first : recording.last]
        starts = [n for seen in self.demands for n in (*seen.roots, *seen.targets)]
        stepped = [n for s in recording.demands.steps.values() for n in s.given.values()]
        few = len(self.nodes.rows) <= _ALL
        self.order = sorted(self.nodes.rows if few else self.nodes.ancestors([*starts, *stepped]))
        self.ids = {node: i for i, node in enumerate(self.order)}
        self.lines = tuple(reversed(list(_lines(recording))))

    def tape(self) -> Tape:
        """Values, edges, captures and demands, in order of time."""
        wanted = {n for seen in self.demands for n in seen.targets}
        wanted |= {n for s in self.recording.demands.steps.values() for n in s.given.values()}
        if any(seen.kind in _HOOKS[1:] and seen.fired for seen in self.demands):  # of which modules, nobody notes
            wanted |= {n for n in self.order if self.nodes.node(n).flags & REMADE}
        values = [self._value(n, self.nodes.node(n), n in wanted) for n in self.order]
        edges = [edge for n in self.order for edge in self._edges(n, self.nodes.node(n))]
        captures = [c for n in self.order for c in self._captures(n, self.nodes.node(n))]
        asked = [*self._demands(), *self._optimizers()]
        others = {name for d in asked for name in self.places.source(d.span.file).alternatives(d.span)}
        chosen = options.chosen(edges, lambda file: options.arms(self.places.source(file).tree))
        return Tape(values, edges, captures, asked, untaken=sorted(others), chosen=chosen)

    # --- values ------------------------------------------------------------------------------------------------------

    def _value(self, number: int, node: Node, wanted: bool) -> Value:
        flags = node.flags
        span = self._span(node)
        leaf = bool(flags & LEAF)
        kind = Kind.ARRAY if flags & ARRAY else Kind.NUMBER if flags & NUMBER else Kind.TENSOR
        return Value(
            id=self.ids[number],
            kind=kind,
            span=span,
            label=self._label(node, span),
            time=2 * number + 1,
            leaf=leaf,
            requires_grad="yes" if leaf and flags & GRAD and not flags & UNSEEN else "no",
            parameter=bool(flags & PARAMETER),
            may_own=bool(flags & UNSEEN),
            frozen_at=span if flags & FROZEN else None,
            gradient=bool(flags & GRADIENT),
            remade=bool(flags & REMADE),
            wanted=wanted,
        )

    def _span(self, node: Node) -> Span:
        name = node.known.name.rpartition(".")[2] if node.known else ""
        return self.places.span(node.site, name)

    def _label(self, node: Node, span: Span) -> str:
        if node.site < 0:
            return "a parameter" if node.flags & PARAMETER else "a tensor made before the trace"
        return self._source(node.site).text(span) or (node.known.label if node.known else "")

    def _source(self, site: int) -> Source:
        return self.places.source(self.places.sites[site].code.co_filename)

    # --- edges -------------------------------------------------------------------------------------------------------

    def _edges(self, number: int, node: Node) -> Iterator[Edge]:
        own = self._span(node)
        row = node.known.row if node.known else None
        tensors = [p for p in node.parents if p in self.ids]
        if node.flags & (ARRAY | NUMBER) and row is not None and row.returns:
            tensors = [self._chain_start(p, own) for p in tensors]
        for parent in tensors:
            flow, cause = self._flow(number, node, parent)
            by_mode = (
                flow == Flow.CUTS
                and node.switch > 0
                and cause == self._switched_by(self.recording.mode.switches[node.switch])
            )
            span, op = self._switch(node.switch, own) if by_mode else (own, self._op(node, own))
            if flow == Flow.CARRIES and node.known is not None:
                op = node.known.label  # the sign of an operator; of what cuts, the text is told
            direct = self.places.through(node.site) != THROUGH_LIBRARY
            product = bool(row and row.product)
            yield Edge(
                src=self.ids[parent],
                dst=self.ids[number],
                span=span,
                op=op,
                flow=flow,
                time=2 * number,
                cause=cause,
                at=own if by_mode else None,
                term=direct and bool(row and (row.term or (node.known and node.known.scales and len(tensors) == 1))),
                product=product and len(tensors) > 1,
                foreign=bool(row and row.foreign),
                select=flow == Flow.CUTS and self._selects(node, self.nodes.node(parent)),
                saves=flow != Flow.CUTS and bool(node.flags & GRAD) and bool(row and row.saves),
            )

    def _chain_start(self, number: int, export: Span) -> int:
        """Where an export's chain begins: back over preparing steps that are written inside the export's own expression."""
        while True:
            node = self.nodes.node(number)
            inside = node.site >= 0 and _inside(self._span(node), export)
            if not inside or len(node.parents) != 1 or node.parents[0] not in self.ids or not self._prepares(node):
                return number
            number = node.parents[0]

    def _prepares(self, node: Node) -> bool:
        """A step that an export may take along: what carries, a detach, a cast; not what has no derivative in itself."""
        if node.known is None or node.flags & (ARRAY | NUMBER):
            return False
        return (
            node.known.row.flow == "carries"
            or node.known.row.cause in ("detach", "data-attribute")
            or node.known.label in _PREPARES
        )

    def _flow(self, number: int, node: Node, source: int) -> tuple[Flow, str]:
        """What happened to the gradient between an input and the output, and why."""
        flags, parent = node.flags, self.nodes.node(source)
        if flags & REMADE:
            return Flow.CUTS, self._switched_by(
                self.recording.mode.switches[node.switch]
            ) if flags & DISABLED and node.switch else "remade"
        if flags & LEAF and flags & GRAD:  # written under no_grad
            return Flow.CUTS, self._cause(node)
        if flags & GRAPHLESS:
            return Flow.CUTS, "no-create-graph"
        if flags & GRAD:
            given = self.nodes.severed.get((number, source))
            if given is not None:
                return (Flow.ZEROES if given == ZERO else Flow.CUTS), "custom-function"
            if not parent.flags & (GRAD | INEXACT | ARRAY | NUMBER):
                return Flow.CUTS, "non-differentiable"  # an index or a mask
            return (Flow.ZEROES, "zero-gradient") if flags & ZERO else (Flow.CARRIES, "")
        if parent.flags & (ARRAY | NUMBER) or not parent.flags & GRAD:
            row = node.known.row if node.known else None
            cuts = row is not None and row.flow == "cuts" and row.cause != "non-differentiable"
            return Flow.CARRIES, row.cause if row and cuts else ""  # it is dead already, and goes on as data
        return Flow.CUTS, self._cause(node)

    def _cause(self, node: Node) -> str:
        row = node.known.row if node.known else None
        if row is not None and row.flow == "cuts" and row.cause:
            return row.cause
        if not node.flags & (INEXACT | ARRAY | NUMBER):
            return "non-differentiable"
        if node.flags & DISABLED:
            return self._switched_by(self.recording.mode.switches[node.switch])
        return (row.cause if row else "") or (
            "numpy" if node.flags & ARRAY else "number" if node.flags & NUMBER else "rebuild"
        )

    def _switched_by(self, switch: Switch) -> str:
        """Why gradients were off: the user's own mode, a library's, or what a function of torch is known for."""
        known = self.recording.mode.knowledge.called(switch.called) if switch.called else None
        if known is not None and known.cause:
            return known.cause
        return "library" if self.places.through(switch.site) == THROUGH_LIBRARY else "grad-mode"

    def _selects(self, node: Node, parent: Node) -> bool:
        return bool(node.flags & GRAD) and not parent.flags & (GRAD | INEXACT | ARRAY | NUMBER)

    def _switch(self, number: int, own: Span) -> tuple[Span, str]:
        """Where gradients were switched off: the item of a `with`, a call, or a decorator."""
        switch = self.recording.mode.switches[number]
        if switch.site < 0:
            return own, switch.label
        if switch.called:
            span = self.places.span(switch.site)
            return span, self._source(switch.site).called(span) or switch.label
        word = switch.label.rpartition(".")[2].partition("(")[0]
        if switch.code is not None:
            return self.places.source(switch.code.co_filename).decorator(switch.code, word), switch.label
        return self._source(switch.site).item(self.places.span(switch.site), word), switch.label

    def _op(self, node: Node, own: Span) -> str:
        if node.known is None:
            return self._source(node.site).text(own) if node.site >= 0 else "operation"
        return node.known.label if not node.known.operator else self._label(node, own)

    # --- captures ----------------------------------------------------------------------------------------------------

    def _captures(self, number: int, node: Node) -> Iterator[Capture]:
        """What the program calls a value: the targets of the assignment whose right side it is."""
        if node.site < 0 or node.output:
            return
        source = self._source(node.site)
        made = source.by_span.get(self._span(node))
        parent = source.parents.get(made) if made is not None else None
        targets = (
            parent.targets
            if isinstance(parent, ast.Assign)
            else [parent.target]
            if isinstance(parent, ast.AnnAssign)
            else []
        )
        for target in targets:
            kind = {ast.Name: "variable", ast.Attribute: "attribute", ast.Subscript: "item"}.get(type(target))
            if kind is not None:
                span = source.of(target)
                yield Capture(self.ids[number], kind, span, source.text(span), 2 * number + 1)  # type: ignore[arg-type]

    # --- demands -----------------------------------------------------------------------------------------------------

    def _demands(self) -> Iterator[Demand]:
        for i, seen in enumerate(self.demands):
            span = self.places.span(seen.site, {"autograd.grad": "grad"}.get(seen.kind, seen.kind.replace("-", "_")))
            yield Demand(
                id=i,
                kind="register-hook" if seen.kind in _HOOKS else seen.kind,  # type: ignore[arg-type]
                span=span,
                label=self._text(seen.site, span),
                time=2 * seen.moment - 1,
                roots=tuple(self.ids[n] for n in self._roots(seen) if n in self.ids),
                targets=tuple(self.ids[n] for n in seen.targets if n in self.ids),
                target_labels=tuple(self._target_label(n) for n in seen.targets if n in self.ids),
                whole=True,
                create_graph=seen.create_graph,
                retained=seen.retained,
                retains=seen.retains or seen.create_graph,
                early=seen.early,
                cleared=self.places.span(seen.cleared) if seen.cleared >= 0 else None,
                unused=tuple(self.ids[n] for n in seen.unused.values() if n in self.ids) if self.whole else (),
                unknown="a hook on a module" if seen.kind in _HOOKS[1:] else "",
            )

    def _roots(self, seen: Seen) -> list[int]:
        """What a demand differentiates; of a hook on a tensor: what was differentiated after it was registered."""
        if seen.kind != "register-hook":
            return list(seen.roots)
        later = (
            s
            for s in self.demands
            if s.kind in ("backward", "autograd.grad") and s.moment > seen.moment and not s.raised
        )
        return list(dict.fromkeys(n for s in later for n in s.roots))

    def _outcome(self, seen: Seen) -> tuple[Outcome, ...]:
        """What a demand got; a hook on a tensor that no later backward fired got nothing."""
        if seen.kind != "register-hook" or seen.raised or not self._roots(seen):
            return seen.gradients
        return ("nonzero",) if seen.fired else ("none",)

    def _optimizers(self) -> Iterator[Demand]:
        if self.recording.mode.stopped:
            return
        backwards = (s for s in self.demands if s.kind == "backward")  # only these fill `.grad`
        roots = tuple(dict.fromkeys(self.ids[n] for s in backwards for n in s.roots if n in self.ids))
        by_hand = self.recording.demands.by_hand
        for i, stepped in enumerate(self.recording.demands.steps.values(), len(self.demands)):
            lost = tuple(self.ids[n] for n in stepped.lost.values() if n in self.ids and n not in by_hand)
            if roots and (lost or self.whole):
                span = self.places.span(stepped.site)
                yield Demand(
                    id=i,
                    kind="optimizer",
                    span=span,
                    label=self._text(stepped.site, span) or stepped.name,
                    time=2 * self.nodes.moment,
                    roots=roots,
                    targets=lost,
                    whole=True,
                    closed=len(lost) == len(stepped.given) and not self.nodes.truncated,
                    unused=lost if stepped.frozen else (),
                )

    def _target_label(self, number: int) -> str:
        node = self.nodes.node(number)
        return self._label(node, self._span(node))

    def _text(self, site: int, span: Span) -> str:
        return self._source(site).text(span) if site >= 0 else ""

    def observations(self) -> Iterator[Observation]:
        """What came of each demand."""
        ended = self.recording.ended_by
        uses = Uses(self.places, self.recording.error, self.lines)
        for i, seen in enumerate(self.demands):
            yield Observation(
                demand=i,
                raised=seen.raised,
                ended_the_run=ended == i + self.recording.first or (seen.kind == "grad-read" and uses.failed(seen)),
                ended_a_thread=i + self.recording.first in self.recording.demands.escaped,
                gradients=self._outcome(seen),
                used=seen.kind != "grad-read" or uses.used(seen),
                library=self.places.through(seen.site) == THROUGH_LIBRARY,
            )

    def hooks(self) -> Iterator[Hook]:
        """All backward hooks, and whether they fired."""
        total = self.recording.demands.backwards
        for seen in self.demands:
            if seen.kind in _HOOKS and not seen.raised:
                span = self.places.span(seen.site)
                library = self.places.through(seen.site) == THROUGH_LIBRARY
                yield Hook(
                    seen.kind, span, seen.fired, total - seen.after, self._text(seen.site, span), library, seen.names
                )

    def flips(self) -> Iterator[Flipped]:
        """The places where `requires_grad` went from true to false."""
        for (site, _), flip in self.nodes.flips.items():
            if site >= 0:
                yield Flipped(self.places.span(site), flip.shape, flip.grad_fn)


def _inside(inner: Span, outer: Span) -> bool:
    return (
        inner.file == outer.file
        and (inner.line, inner.column) >= (outer.line, outer.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )


def _lines(recording: Recording) -> Iterator[Span]:
    """The user's own lines that the exception came through."""
    tb = recording.error.__traceback__ if recording.error is not None else None
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if recording.places.is_user(file):
            yield recording.places.source(file).line(tb.tb_lineno)
        tb = tb.tb_next


def _told(error: BaseException | None) -> str:
    return "" if error is None else f"{type(error).__name__}: {error}"
