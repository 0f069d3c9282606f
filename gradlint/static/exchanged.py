"""Modules and parameters that others take the place of, after an optimizer was given what was there before.

Asked at the end of a whole run of which all is known: the optimizer still holds what nobody uses any more, and nobody steps
what took its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gradlint.static import exposure, modules, training
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, Instance, Tensor, Val
from gradlint.tape import Demand, Flow, Span

EXCHANGED = "exchanged"
STEPPED = "stepped"  #: optimizers that stepped, with what each certainly holds


class Exchange(NamedTuple):
    """One took the place of another: the parameters that went (none where it holds the other), and those that came."""

    span: Span
    time: int
    gone: tuple[Tensor, ...]
    came: tuple[Tensor, ...]
    inside: bool  #: of a model; else a name was given anew
    stack: tuple[Span, ...]  #: the calls inside of which it happened


def note(m: Machine, old: Val, new: Val, span: Span, *, inside: bool = False) -> None:
    """A name, or an attribute of a module, gets another module, or another parameter."""
    before = _parameters(m, old)
    if not before:
        return
    after = _parameters(m, new)
    gone = tuple(p for p in before if not any(p is q for q in after))
    came = tuple(p for p in after if not any(p is q for q in before))
    if _made_of(m, came, gone):
        # the old one lives on in the new one (`LoRALinear.from_linear(child)`): what is left is new
        came, gone = tuple(p for p in came if not _made_of(m, (p,), gone)), ()
    if m.whole and not m.doubt and came and (gone or inside):
        m.set(
            m.state,
            EXCHANGED,
            (*m.state.cells.get(EXCHANGED, ()), Exchange(span, m.tape.tick(), gone, came, inside, tuple(m.stack))),
        )


def judge(m: Machine, roots: Iterable[int]) -> set[Span]:
    """Write down every exchange that an optimizer knows nothing of; where those were made of which that explains all."""
    exchanges = [one for one in m.state.cells.get(EXCHANGED, ()) if one.gone]
    told: set[Span] = set()
    if not exchanges or m.outside_code or m.stumbled:
        return told
    outside, reached = exposure.seen_outside(m), m.tape.ancestors(roots)
    stepped = training.ever_stepped(m)
    for one in exchanges:
        optimizer = next((o for o, held in m.state.cells.get(STEPPED, ()) if _holds(held, one.gone)), None)
        unknown = any(id(p) in outside for p in (*one.gone, *one.came))
        unheld = not any(p.cells[NODE] in stepped for p in one.came)
        if optimizer is not None and unheld and not unknown and not _used_since(m, one):
            demand = _first_demand(m, one, reached)
            if demand is not None and _steps_later(m, optimizer, demand):
                m.tape.note(
                    kind="exchanged", span=one.span, label=m.text(one.span), cause=optimizer.span,
                    cause_label=m.text(optimizer.span), use=demand.span, use_label=demand.label, stack=one.stack[-2:],
                )  # fmt: skip
                told.add(optimizer.span)
    return told


def _parameters(m: Machine, value: Val) -> list[Tensor]:
    if isinstance(value, Instance) and modules.is_module(m, value) and not value.opaque:
        return [p for _, p in modules.named_parameters(m, value)]
    own = isinstance(value, Tensor) and m.tape.values[value.cells[NODE]].parameter
    return [value] if own and isinstance(value, Tensor) else []


def _made_of(m: Machine, came: Iterable[Tensor], gone: Iterable[Tensor]) -> bool:
    """Whether the new ones were made of the old ones: a leaf made again is another matter."""
    before = {p.cells[NODE] for p in gone}
    return not before.isdisjoint(m.tape.ancestors((p.cells[NODE] for p in came), Flow.CUTS))


def _holds(held: Iterable[Tensor], gone: Iterable[Tensor]) -> bool:
    known = {id(p) for p in held}
    return all(id(p) in known for p in gone)


def _used_since(m: Machine, one: Exchange) -> bool:
    gone = {p.cells[NODE] for p in one.gone}
    return any(e.src in gone and e.time > one.time for e in m.tape.edges)


def _steps_later(m: Machine, optimizer: Instance, demand: Demand) -> bool:
    """Whether the optimizer is still at work: else the training is over, and what took the place is only looked at."""
    return any(u.step and u.optimizer == id(optimizer) and u.time > demand.time for u in m.updates)


def _first_demand(m: Machine, one: Exchange, reached: set[int]) -> Demand | None:
    """The first backward that leaves a gradient in what took the place, and in all of it that is asked for."""
    came = {p.cells[NODE] for p in one.came if m.tape.requires[p.cells[NODE]] == "yes"}
    if not came or not came <= reached:
        return None
    passes = (d for d in m.tape.demands if d.kind == "backward" and d.certain and not d.unknown)
    return next((d for d in passes if came & m.tape.ancestors(d.roots, Flow.CARRIES)), None)
