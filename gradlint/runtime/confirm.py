"""Findings against a run: confirmed, refuted or not reached, judged per demand.

*Confirmed*: an execution of this demand lost its gradient, and its data came through this cut. *Refuted*: the demand ran with a
value that passed the cut's line, and a gradient that is not zero arrived at everything it asked for. Everything else is not
reached, with the reason. Findings are compared by file and place, never by merging tapes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec

from gradlint.finding import Finding, Position, Range, Runtime
from gradlint.runtime.run import Observation, Run, worst
from gradlint.tape import Demand, Edge, Flow, Span

LINE_NOT_RUN = "line-not-run"
DEMAND_NOT_RUN = "demand-not-run"
NO_OP = "move-was-a-no-op"
OTHER_BRANCH = "other-branch"
ERROR_BEFORE = "error-before"
#: contracts about a part of a loss or of a training: the demand's own gradient arrives all the same
_PARTIAL = ("dead-term", "dead-loss", "untrained")
#: contracts whose cause is no cut on the way: what they claim is the symptom itself
_SYMPTOM_ONLY = {
    "no-graph": "does not require grad",
    "off-path": "not have been used in the graph",
    "freed": "second time",
    "non-leaf": "",
    "mistimed": "",
}
#: contracts that show in what comes after the demand has run
_LATER = ("untrained", "freed")
#: contracts that the exception which ends the run shows, and a word of that exception
_END = {"mistimed": "", "other": "", "non-leaf": "non-leaf"}
_MOVES = (".to(", ".cuda(", ".cpu(", ".type(")


class Place(msgspec.Struct, frozen=True):
    """A stretch of a file, whatever the file is called."""

    file: str
    range: Range

    @classmethod
    def of(cls, span: Span) -> Place:
        """The place of a tape's span."""
        return cls(_absolute(span.file), Range.of(span))

    def meets(self, other: Place) -> bool:
        """Whether two places share any text; an empty one counts as the character it stands at."""
        return self.file == other.file and self.range.start < _end(other.range) and other.range.start < _end(self.range)

    def lines_meet(self, other: Place) -> bool:
        """Whether two places share a line."""
        mine, theirs = self.range, other.range
        return self.file == other.file and mine.start.line <= theirs.end.line and theirs.start.line <= mine.end.line


class Execution(msgspec.Struct, frozen=True):
    """One execution of a demand, and what came of it."""

    demand: Demand
    seen: Observation


def confirm(findings: Iterable[Finding], run: Run, traced: Sequence[Finding]) -> list[Finding]:
    """The findings, each with what the run says of it; `traced` is what the trace itself found."""
    judge = Judge(run, traced)
    return [msgspec.structs.replace(finding, runtime=judge.runtime(finding)) for finding in findings]


def missed(findings: Iterable[Finding], traced: Iterable[Finding]) -> list[Finding]:
    """What the trace found and no given finding speaks of: by demand, or by the place of the cut."""
    known = [(demands(f), cuts(f)) for f in findings]
    return [f for f in traced if not any(_told(f, asked, lost) for asked, lost in known)]


def _told(finding: Finding, asked: Sequence[Place], lost: Sequence[Place]) -> bool:
    """Whether another finding, with its demands and its cuts, speaks of the same loss."""
    of_demand = finding.contract not in _PARTIAL or not _has_cut(finding)
    same_cut = _any_meet(lost, [own(finding)]) or _any_meet(cuts(finding), lost[:1])
    return same_cut or (of_demand and _any_meet(asked, demands(finding)))


def own(finding: Finding) -> Place:
    """Where a finding stands."""
    return Place(_absolute(finding.file), finding.range)


def demands(finding: Finding) -> list[Place]:
    """The demands that a finding speaks of."""
    steps = [Place(_absolute(s.file), s.range) for s in finding.path if s.role == "demand"]
    return steps + [Place(_absolute(p.file), p.range) for p in finding.also]


def cuts(finding: Finding) -> list[Place]:
    """The places where a finding says the gradient is lost, its own first."""
    return [own(finding), *(Place(_absolute(s.file), s.range) for s in finding.path if s.role in ("cut", "cause"))]


class Judge:
    """One run, asked about findings."""

    def __init__(self, run: Run, traced: Sequence[Finding]) -> None:
        self.run = run
        self.traced = traced
        self.into: dict[int, list[Edge]] = {}
        for edge in run.tape.edges:
            self.into.setdefault(edge.dst, []).append(edge)
        seen = {o.demand: o for o in run.observations}
        self.executions = [Execution(d, seen.get(d.id, Observation(d.id))) for d in run.tape.demands]
        self._reached: dict[tuple[int, ...], set[int]] = {}

    @cached_property
    def alive(self) -> set[int]:
        """The values that a gradient could come back through."""
        found = {v.id for v in self.run.tape.values if (v.leaf and v.requires_grad == "yes") or v.may_own}
        for edge in sorted(self.run.tape.edges, key=lambda e: e.dst):
            if edge.src in found and edge.flow in (Flow.CARRIES, Flow.ZEROES):
                found.add(edge.dst)
        return found

    def runtime(self, finding: Finding) -> Runtime:
        """The status of one finding."""
        own_demands = demands(finding)
        executed = [e for e in self.executions if any(p.meets(Place.of(e.demand.span)) for p in own_demands)]
        same = self._same(finding)
        if same is not None:
            return Runtime("confirmed", None, same.runtime.evidence)
        for check in (self._hooked, self._constant, self._untrained, self._by_symptom, self._by_end, self._by_path):
            found = check(finding, executed)
            if found is not None:
                return found
        return Runtime("not-reached", self._reason(finding, executed))

    # --- confirmed, refuted ------------------------------------------------------------------------------------------

    def _same(self, finding: Finding) -> Finding | None:
        """What the trace itself found of the same demand at the same cut."""
        mine, wanted = cuts(finding), demands(finding)
        for other in self.traced:
            here = _any_meet(mine, [own(other)]) or _any_meet([own(finding)], cuts(other))
            if here and (other.rule == finding.rule or _any_meet(wanted, demands(other))) and _alike(finding, other):
                return other
        return None

    def _hooked(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """Hooks that never fire."""
        if finding.contract != "dead-hook":
            return None
        hooks = [h for h in self.run.hooks if own(finding).meets(Place.of(h.span))]
        if not hooks:
            return None
        ended = self._ended_at(finding)  # for want of what it catches, also if it had caught something before
        fired: dict[str, object] = {"demand": {"kind": "hook", "fired": max(h.fired for h in hooks)}}
        if all(h.fired for h in hooks) and not ended:
            return Runtime("refuted", None, fired)
        if any(h.backwards and not h.fired for h in hooks) or ended:
            return Runtime("confirmed", None, fired)
        return None

    def _constant(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """What a loss returns, where the run was asked to look at it."""
        if finding.contract != "dead-loss":
            return None
        looked = [live for span, live in self.run.constants if any(p.meets(Place.of(span)) for p in demands(finding))]
        cut = [e for e in self._edges_at(finding) if e.src in self.alive]
        evidence: dict[str, object] = {"output": {"requires_grad": any(looked), "grad_fn": None}}
        if looked and not any(looked) and cut:
            return Runtime("confirmed", None, evidence)
        return Runtime("refuted", None, evidence) if looked and all(looked) and self._edges_at(finding) else None

    def _untrained(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """Parameters that never got a gradient, and whose data came through this cut to what was differentiated."""
        for one in self._optimizers(finding) if finding.contract == "untrained" else ():
            lost = set(one.demand.targets)
            cut = (e for e in self._on_the_way(finding, one) if e.flow in (Flow.CUTS, Flow.ZEROES))
            written = (e for e in self._edges_at(finding) if e.dst not in self._above(one.demand.roots))
            through = any(lost & self._above((e.src,)) for edges in (cut, written) for e in edges)
            if through or (lost and not _has_cut(finding) and self._ran([own(finding)])):
                return Runtime("confirmed", None, {"demand": {"kind": "optimizer", "gradient": "none"}})
        return None

    def _optimizers(self, finding: Finding) -> list[Execution]:
        """The optimizers that a finding speaks of, which stepped parameters without a gradient."""
        told = [*demands(finding), *cuts(finding)]
        stepped = (e for e in self.executions if e.demand.kind == "optimizer")
        return [e for e in stepped if any(p.meets(Place.of(e.demand.span)) for p in told)]

    def _by_symptom(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """Contracts that claim the symptom itself."""
        if finding.contract not in _SYMPTOM_ONLY:
            return None
        idle = [s for s in self.run.idle_steps if own(finding).meets(Place.of(s))]
        if idle and finding.contract == "mistimed":
            return Runtime("confirmed", None, {"demand": {"kind": "optimizer", "gradient": "none"}})
        words = _SYMPTOM_ONLY[finding.contract]
        if finding.contract == "mistimed" and self._zeroed(finding):
            return Runtime("confirmed", None, {"demand": {"kind": "gradient", "gradient": "zero"}})
        for one in executed:
            seen = one.seen
            if (seen.raised and words and words in seen.raised) or (not seen.raised and seen.lost):
                return Runtime("confirmed", None, _evidence(one))
        return None

    def _zeroed(self, finding: Finding) -> bool:
        """Whether a gradient that was written over at a cause's place is read, as it is then, at the demand's."""
        causes = [Place(_absolute(s.file), s.range) for s in finding.path if s.role == "cause"]
        used = demands(finding)
        read = {e.src for e in self.run.tape.edges if any(p.meets(Place.of(e.span)) for p in used)}
        written = (e for e in self.run.tape.edges if e.dst in read and any(p.meets(Place.of(e.span)) for p in causes))
        return any(self.run.tape.values[v].gradient for e in written for v in self._above((e.src,)))

    def _by_end(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """Contracts that say the program fails at a place, without a demand of a gradient there."""
        words = _END.get(finding.contract)
        if finding.severity != "error" or words is None or words not in self.run.raised or not self.run.raised_at:
            return None
        last = Place.of(self.run.raised_at[0])
        if any(p.lines_meet(last) for p in (*demands(finding), *cuts(finding))):
            return Runtime("confirmed", None, {"demand": {"raised": self.run.raised}})
        return None

    def _by_path(self, finding: Finding, executed: list[Execution]) -> Runtime | None:
        """Contracts that claim a cut on the way of the data."""
        partial = finding.contract in _PARTIAL or (finding.contract == "severed" and finding.severity == "warning")
        lost = [e for e in executed if e.seen.lost]
        for one in lost if not partial else []:
            if any(self._cuts(e) for e in self._on_the_way(finding, one)):
                return Runtime("confirmed", None, _evidence(one))
        passed = [(e, edges) for e in executed if (edges := self._on_the_way(finding, e))]
        for one, edges in passed if not lost else []:
            carried = all(e.flow == Flow.CARRIES and e.dst in self.alive for e in edges)
            if one.seen.arrived and (carried if partial else self._refutes(finding, edges)):
                return Runtime("refuted", None, _evidence(one))
        return None

    def _cuts(self, edge: Edge) -> bool:
        """Whether an edge lost the gradient, or would have lost it if another had not done so before."""
        return edge.flow in (Flow.CUTS, Flow.ZEROES) or (bool(edge.cause) and edge.src not in self.alive)

    def _refutes(self, finding: Finding, edges: Sequence[Edge]) -> bool:
        """Whether an arrived gradient speaks against a claim: not where a device move did nothing on this machine."""
        return finding.contract not in ("non-leaf", "other") and bool(edges)

    def _on_the_way(self, finding: Finding, one: Execution) -> list[Edge]:
        """The edges at the cut's place that an execution's data came through."""
        reached = self._above((*one.demand.roots, *one.demand.targets))
        return [e for e in self._edges_at(finding) if e.dst in reached]

    def _edges_at(self, finding: Finding) -> list[Edge]:
        places = cuts(finding)
        return [
            e for e in self.run.tape.edges
            if any(p.meets(Place.of(e.span)) or (e.at is not None and p.meets(Place.of(e.at))) for p in places)
        ]  # fmt: skip

    def _above(self, values: tuple[int, ...]) -> set[int]:
        """Some values and all that they were computed from."""
        if values not in self._reached:
            found: set[int] = set()
            todo = [*values]
            while todo:
                value = todo.pop()
                if value not in found:
                    found.add(value)
                    todo += [e.src for e in self.into.get(value, ())]
            self._reached[values] = found
        return self._reached[values]

    # --- not reached -------------------------------------------------------------------------------------------------

    def _reason(self, finding: Finding, executed: list[Execution]) -> str:
        """Why the run says nothing of a finding."""
        ended_early = self.run.ended_by not in ("end", "exit")
        if ended_early and finding.contract in _LATER:
            return ERROR_BEFORE
        if not executed and not self._ran(demands(finding)):
            return ERROR_BEFORE if ended_early else DEMAND_NOT_RUN
        if not self._ran(cuts(finding)[:1]):
            return LINE_NOT_RUN
        moved = any(word in finding.message or word in s.label for s in finding.path for word in _MOVES)
        return NO_OP if moved and finding.contract in ("non-leaf", "off-path") else OTHER_BRANCH

    def _ran(self, places: Sequence[Place]) -> bool:
        """Whether the run came to one of these places: by a statement that was watched, or by a tensor made there."""
        spans = [*self.run.ran, *(v.span for v in self.run.tape.values), *(e.at for e in self.run.tape.edges if e.at)]
        return any(p.lines_meet(Place.of(s)) for s in spans if s.file for p in places)

    def _ended_at(self, finding: Finding) -> bool:
        """Whether the exception that ended the run came through the finding's demand."""
        return any(p.lines_meet(Place.of(s)) for s in self.run.raised_at for p in demands(finding))


def _has_cut(finding: Finding) -> bool:
    """Whether a finding names an operation on the way; what was forgotten, replaced or frozen has none."""
    return any(s.role == "cut" for s in finding.path)


def _alike(finding: Finding, other: Finding) -> bool:
    """Whether two findings make the same kind of claim: about a whole gradient, or about a part of one."""
    return (finding.contract in _PARTIAL) == (other.contract in _PARTIAL) or finding.rule == other.rule


def _evidence(one: Execution) -> dict[str, object]:
    told: dict[str, object] = {"kind": one.demand.kind}
    if one.seen.raised:
        told["raised"] = one.seen.raised.splitlines()[0]
    elif one.seen.gradients:
        told["gradient"] = worst(one.seen.gradients)
    return {"demand": told}


def _any_meet(some: Iterable[Place], others: Sequence[Place]) -> bool:
    return any(p.meets(q) for p in some for q in others)


def _end(given: Range) -> Position:
    return given.end if given.end > given.start else Position(given.start.line, given.start.column + 1)


def _absolute(file: str) -> str:
    return file if file.startswith("<") else os.path.realpath(file)
