"""A context that freezes parameters where it is entered, and is left without giving them back.

Who freezes inside a `with` means it for the block. An optimizer that steps them after it trains nothing, and nobody is told.
Asked at the end of a whole run of which all is known.
"""

from __future__ import annotations

from gradlint.static import exchanged, exposure
from gradlint.static.machine import Machine
from gradlint.static.values import NODE
from gradlint.tape import Demand, Span

ENTERED = "entered"  #: of the run: the `with` whose context is being entered
SCOPED = "frozen for a block"  #: of the run: by frozen leaf, the `with` that it was frozen for
LEFT = "left"  #: of the run: by `with`, when its block was left


def entering(m: Machine, span: Span | None) -> None:
    """The context of a `with` is being entered; None: it is, the block begins."""
    if m.whole:
        m.set(m.state, ENTERED, span)


def left(m: Machine, span: Span) -> None:
    """The block is left, and its context has done what it does then."""
    if m.whole:
        m.set(m.state, (LEFT, span), (*m.state.cells.get((LEFT, span), ()), m.tape.tick()))


def note(m: Machine, leaf: int) -> None:
    """A parameter is frozen here: this is the leaf it has become."""
    block = m.state.cells.get(ENTERED)
    if isinstance(block, Span) and not m.doubt:
        m.set(m.state, (SCOPED, leaf), block)


def judge(m: Machine) -> None:
    """Write down the freezes that outlived their block, where an optimizer steps what was frozen beside what is not."""
    if m.outside_code or m.stumbled:
        return
    outside = exposure.seen_outside(m)
    stepped = m.state.cells.get(exchanged.STEPPED, ())
    known = {v for _, held in stepped for p in held if id(p) not in outside for v in m.tape.versions(p.cells[NODE])}
    scoped = {key[1]: block for key, block in m.state.cells.items() if isinstance(key, tuple) and key[0] == SCOPED}
    told: set[Span] = set()
    for leaf, block in scoped.items():
        place = m.tape.values[leaf].frozen_at
        since = next((t for t in m.state.cells.get((LEFT, block), ()) if t > m.tape.values[leaf].time), None)
        demand = _used(m, leaf, since) if place is not None and place not in told else None
        if place is None or demand is None or leaf not in known:
            continue
        told.add(place)
        m.tape.note(
            kind="outlived", span=place, label=m.text(place), cause=block, cause_label=m.text(block),
            use=demand.span, use_label=demand.label,
        )  # fmt: skip


def _used(m: Machine, leaf: int, since: int | None) -> Demand | None:
    """The first backward after the block whose loss the leaf goes into, if an optimizer then steps it beside live ones."""
    if since is None:
        return None
    steps = [u for u in m.updates if u.step and u.time > since and leaf in u.leaves]
    if not any(m.tape.requires[other] == "yes" for u in steps for other in u.leaves):
        return None
    later = (d for d in m.tape.demands if d.kind == "backward" and d.certain and not d.unknown and d.time > since)
    return next((d for d in later if leaf in m.tape.ancestors(d.roots)), None)
