"""An optimizer that was given the copy of a model: the original gets the gradients, and nobody steps it.

Asked at the end of a whole run of which all is known. A copy that a loss is computed with is trained itself, and meant.
"""

from __future__ import annotations

from gradlint.static import exchanged, exposure, gradients, needs, training
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, Instance, Tensor
from gradlint.tape import Demand, Flow, Span

COPY = "copy.deepcopy()"


def judge(m: Machine) -> None:
    """Write down the optimizers of which all that they hold are copies that no backward reaches, of originals that one does."""
    if m.outside_code or m.stumbled:
        return
    outside = exposure.seen_outside(m)
    by_hand = (
        set(m.state.cells.get(gradients.ASSIGNED, ())) | m.looked_at | needs.rewritten(m) | training.ever_stepped(m)
    )
    for optimizer, held in m.state.cells.get(exchanged.STEPPED, ()):
        pairs = _originals(m, held)
        if isinstance(optimizer, Instance) and optimizer.span is not None and pairs:
            known = not any(id(p) in outside for p in held) and by_hand.isdisjoint(o for o, _ in pairs)
            demand = _trains(m, {o for o, _ in pairs}, {v for p in held for v in m.tape.versions(p.cells[NODE])})
            if known and demand is not None:
                _tell(m, optimizer.span, pairs[0][1], demand)


def _originals(m: Machine, held: tuple[Tensor, ...]) -> list[tuple[int, Span]]:
    """What the parameters were copied from, and where; nothing unless all of them are copies."""
    copied = {w.dst: (w.src, w.span) for w in m.tape.writes if w.op == COPY}
    found = [next((copied[v] for v in m.tape.versions(p.cells[NODE]) if v in copied), None) for p in held]
    pairs = [pair for pair in found if pair is not None]
    return pairs if len(pairs) == len(held) else []


def _trains(m: Machine, originals: set[int], copies: set[int]) -> Demand | None:
    """The first backward that leaves gradients in the originals, if none leaves any in a copy."""
    passes = [d for d in m.tape.demands if d.kind == "backward"]
    if not copies.isdisjoint(m.tape.ancestors([r for d in passes for r in d.roots])):
        return None
    sure = (d for d in passes if d.certain and not d.unknown)
    return next((d for d in sure if originals <= m.tape.ancestors(d.roots, Flow.CARRIES)), None)


def _tell(m: Machine, place: Span, copied: Span, demand: Demand) -> None:
    m.tape.note(
        kind="twin", span=place, label=m.text(place), cause=copied, cause_label=m.text(copied),
        use=demand.span, use_label=demand.label,
    )  # fmt: skip
