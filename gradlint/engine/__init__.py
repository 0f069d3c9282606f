"""The engine: pure queries on a tape. It knows the tape, the findings and the rules' pages, and nothing of how a tape is made.

`judge` asks of every demand which contract it breaks: `severed` (a cut lies on the way), `absent` (no way could be there),
`terms` (a part of a loss is lost), `untrained` (a part of a training), `derivatives` (a loss made of gradients), `timing` and
`hooks` (at the wrong time, or never), `needs` (what a backward needs is overwritten), `sides` (NumPy in a class activation
map). `merge` puts runs together.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.engine import (
    absent,
    derivatives,
    hints,
    hooks,
    needs,
    notes,
    severed,
    sides,
    terms,
    timing,
    unspent,
    untrained,
)
from gradlint.engine.findings import Case, Rules
from gradlint.engine.graph import CUTS, NOTHING, UNKNOWN, Graph
from gradlint.engine.merge import merge
from gradlint.engine.verdict import Verdict
from gradlint.finding import Finding
from gradlint.tape import Demand, Tape

__all__ = ["Verdict", "judge", "merge"]

#: contracts of findings that leave the demand itself in order
PASSING = ("dead-term", "dead-loss", "untrained", "other")
_REMADE = "hidden-cut"
_OF_PARAMETERS = ("autograd.grad", "grad-read")
_RAISING = ("severed", "no-graph", "off-path", "non-leaf", "mistimed", "freed")
_DIFFERENTIATES = ("backward", "autograd.grad", "grad-read", "training-step")


def judge(tape: Tape, catalog: Rules) -> list[Verdict]:
    """A verdict for every demand of a tape."""
    case = Case(Graph(tape), catalog)
    extra: dict[int, list[Finding]] = {}
    for demand, finding in _beside(case, tape):
        extra.setdefault(demand.id, []).append(finding)
    verdicts = [
        _verdict(case, demand, extra.get(demand.id, [])) for demand in tape.demands if demand.kind != "optimizer"
    ]
    told = {step.range for v in verdicts for f in v.findings for step in f.path if step.role == "cut"}
    told |= {f.range for v in verdicts for f in v.findings if f.contract == "no-graph"}
    broken = {root for v in verdicts if v.verdict == "severed" and v.demand for root in v.demand.roots}
    for demand in tape.demands:
        if demand.kind == "optimizer":
            found = [*untrained.stepped(case, demand, broken), *untrained.unregistered(case, demand)]
            verdicts.append(Verdict(demand, "connected", "", tuple(f for f in found if f.range not in told)))
    return notes.judge(case, tape.notes, verdicts)


def _beside(case: Case, tape: Tape) -> Iterator[tuple[Demand, Finding]]:
    """What is said beside the demands themselves, each with the demand it belongs to."""
    yield from sides.judge(case, tape.demands)
    freed = [(demand, found) for demand, found in timing.freed(case) if found is not None]
    raised = {demand.id for demand, _ in freed}
    yield from freed
    yield from ((demand, found) for demand, found in needs.overwritten(case) if found and demand.id not in raised)
    yield from unspent.judge(case)
    for judge_hooks in (hooks.legacy, hooks.removed_early):
        yield from ((demand, found) for demand, found in judge_hooks(case) if found is not None)


def _verdict(case: Case, demand: Demand, extra: list[Finding]) -> Verdict:
    if demand.unknown:
        return Verdict(demand, "undecided", demand.unknown, tuple(extra))
    found = _broken(case, demand)
    shown = tuple(f for f in (*found, *extra) if not (demand.expected and _raises(demand, f)))
    if len(shown) < len(found) + len(extra):
        return Verdict(demand, "undecided", "the program expects the error that would show it", shown)
    severed_here = any(f.contract not in PASSING for f in found) or any(
        f.contract == "freed" or f.rule == needs.RULE for f in extra
    )
    if severed_here:
        return Verdict(demand, "severed", "", (*found, *extra))
    reason = _doubt(case, demand)
    return Verdict(demand, "undecided" if reason else "connected", reason, (*found, *extra))


def _raises(demand: Demand, finding: Finding) -> bool:
    """Whether the program fails where the finding is right, instead of going on with a gradient that is not there."""
    if finding.rule == _REMADE and not demand.targets:
        return False
    return finding.rule == needs.RULE or finding.contract in _RAISING


def _broken(case: Case, demand: Demand) -> list[Finding]:
    """The findings of one demand."""
    match demand.kind:
        case "register-hook" | "retain-grad":
            found = [_of_target(case, demand, t) for t in _judged(case, demand)]
        case "export":
            found = [absent.export(case, demand)]
        case "optimize":
            found = [absent.non_leaf(case, demand, t) for t in demand.targets]
        case "hook-read":
            found = [hooks.missed(case, demand)]
        case "grad-read" if demand.early or demand.cleared:
            found = [timing.mistimed(case, demand)]
        case "loss-return":
            found = [terms.loss(case, demand)]
        case _:
            found = _differentiated(case, demand)
    return [f for f in found if f is not None]


def _differentiated(case: Case, demand: Demand) -> list[Finding | None]:
    found: list[Finding | None] = [_of_target(case, demand, t) for t in _judged(case, demand)]
    if any(found) or demand.kind == "grad-read":
        return found
    graph = case.graph
    live = [t for t in _judged(case, demand) if graph.strength[t] > CUTS]
    reached = any(graph.towards(r).get(t, NOTHING) > CUTS for r in demand.roots for t in live)
    for root in demand.roots:
        lost = None if reached else _of_root(case, demand, root)
        found += [lost] if lost is not None else _of_parts(case, demand, root)
    return found


def _of_parts(case: Case, demand: Demand, root: int) -> list[Finding | None]:
    """What a root that lives has lost of its parts."""
    dead = terms.dead_terms(case, demand, root)
    return [
        derivatives.lost_derivative(case, demand, root),
        derivatives.frozen_derivative(case, demand, root),
        *dead,
        None if dead else terms.remade_part(case, demand, root),
        terms.number_of_parameter(case, demand, root),
        *terms.unstepped(case, demand, root),
        hints.adapted(case, demand, root),
        *terms.forgotten(case, demand, root),
    ]


def _of_root(case: Case, demand: Demand, root: int) -> Finding | None:
    return (
        severed.root(case, demand, root) or terms.hidden_cut(case, demand, root) or absent.no_graph(case, demand, root)
    )


def _judged(case: Case, demand: Demand) -> list[int]:
    """The targets a demand is judged by: a parameter never is, at a single demand, unless all it asks for are lost.

    Or unless the program fails there for want of a single gradient, be it a parameter's or not.
    """
    known = case.graph.values
    plain = [t for t in demand.targets if not known[t].parameter]
    if demand.kind not in _OF_PARAMETERS or not demand.roots:
        return plain
    lost = [t for t in demand.targets if known[t].parameter and not _reached(case.graph, demand, t)]
    if demand.raises:
        return [*plain, *lost[:1]]
    return lost[:1] if demand.kind == "autograd.grad" and len(lost) == len(demand.targets) else plain


def _reached(graph: Graph, demand: Demand, target: int) -> bool:
    if graph.strength[target] == NOTHING:
        return False
    return any(graph.towards(r).get(target, NOTHING) > CUTS for r in demand.roots)


def _of_target(case: Case, demand: Demand, target: int) -> Finding | None:
    if demand.kind == "grad-read" and not demand.roots:
        return None
    if case.graph.strength[target] == NOTHING:
        return absent.plain_input(case, demand, target)
    found = severed.target(case, demand, target)
    if found is None and demand.kind == "grad-read":
        found = absent.non_leaf(case, demand, target)
    if found is None and demand.kind in _DIFFERENTIATES:
        found = absent.off_path(case, demand, target)
    return found


def _doubt(case: Case, demand: Demand) -> str:
    """Why a demand that is not severed is not connected either: what connects it is unknown."""
    graph = case.graph
    judged = _judged(case, demand)
    if judged and demand.roots:
        best = max(graph.towards(r).get(t, NOTHING) for t in judged for r in demand.roots)
        return (
            ""
            if best > UNKNOWN
            else "an unknown call lies between"
            if best == UNKNOWN
            else "no way from the target is known"
        )
    if demand.roots:
        best = max(graph.strength[r] for r in demand.roots)
        return "" if best > UNKNOWN else "what it is computed from is unknown"
    if judged:
        return "" if max(graph.strength[t] for t in judged) > UNKNOWN else "what it is computed from is unknown"
    return "" if demand.targets else "nothing is known of what it differentiates"
