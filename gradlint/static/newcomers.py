"""Layers that take the place of others in a model, and are frozen from then on: adapters, a new head.

Who puts new weights into a model means to train them. A filter by names that freezes them with the rest leaves them as they
were made, at random or zero, while something else trains. Asked at the end of a whole run of which all is known.
"""

from __future__ import annotations

from gradlint.static import exchanged, exposure, modules, needs, training
from gradlint.static.exchanged import Exchange
from gradlint.static.machine import Machine
from gradlint.static.values import NODE
from gradlint.tape import Demand, Span

FROZEN = "frozen from"  #: of the run: the calls inside of which something was frozen, by its place


def note(m: Machine, span: Span) -> None:
    """A parameter is frozen here."""
    if m.whole:
        m.set(m.state, (FROZEN, span), tuple(m.stack))


def judge(m: Machine) -> None:
    """Write down where new layers were frozen that no optimizer ever steps."""
    exchanges = [one for one in m.state.cells.get(exchanged.EXCHANGED, ()) if one.inside]
    if not exchanges or m.outside_code or m.stumbled:
        return
    outside = exposure.seen_outside(m)
    stepped = training.ever_stepped(m)
    written = needs.rewritten(m)
    told: set[Span] = set()
    for one in exchanges:
        versions = {v for p in one.came for v in m.tape.versions(p.cells[NODE])}
        known = not any(id(p) in outside for p in one.came) and versions.isdisjoint(stepped | written)
        place = _frozen(m, one) if known and not any(m.tape.into[v] for v in versions) else None
        demand = _trained_beside(m, one) if place is not None and place not in told else None
        if place is not None and demand is not None:
            told.add(place)
            m.tape.note(
                kind="newcomer", span=place, label=m.text(place), cause=one.span, cause_label=m.text(one.span),
                use=demand.span, use_label=demand.label, stack=m.state.cells.get((FROZEN, place), ())[-2:],
            )  # fmt: skip


def _frozen(m: Machine, one: Exchange) -> Span | None:
    """Where all that came was frozen after it had been put there, the last of these places; before that it is meant."""
    values = [m.tape.values[p.cells[NODE]] for p in one.came]
    places = [
        v.frozen_at for v in values if v.frozen_at is not None and v.time > one.time and m.tape.requires[v.id] == "no"
    ]
    return max(places) if len(places) == len(values) else None


def _trained_beside(m: Machine, one: Exchange) -> Demand | None:
    """The first backward through what came, if an optimizer steps something else of the model that it was put into."""
    came, stepped = {p.cells[NODE] for p in one.came}, training.ever_stepped(m)
    models = {id(module): module for module, _ in m.module_calls}.values()
    held = ({p.cells[NODE] for _, p in modules.named_parameters(m, model)} for model in models)
    if not any(came <= parameters and not parameters.isdisjoint(stepped) for parameters in held):
        return None
    return next(
        (
            demand
            for demand in m.tape.demands
            if demand.kind == "backward"
            and demand.certain
            and not demand.unknown
            and came <= m.tape.ancestors(demand.roots)
        ),
        None,
    )
