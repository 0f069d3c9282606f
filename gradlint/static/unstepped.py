"""Weights of a loss that no optimizer holds: class centres, directions, uncertainties that get gradients and never change.

A loss is looked at as a function, and its parameters are forgotten. Only what calls itself a loss counts, and of its parameters those
that it makes anew: another module whose gradients nobody uses, the mean of a data set or what was loaded may well be meant to
stay as it is. Asked at the end of a whole run of which all is known.
"""

from __future__ import annotations

import re

from gradlint.static import exchanged, exposure, gradients, modules, needs, training
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, ClassObj, Instance, Tensor, Val
from gradlint.tape import Demand, Flow, Span

WEIGHTS = "weights_of_losses"  #: of the run: each such parameter, with the place where it was put
#: what begins anywhere means to be trained; a list of numbers, or what was handed in, is a constant that moves with the model
_FRESH = re.compile(r"\b(rand\w*|normal|zeros|ones|empty|full|eye)\(|tensor\(\s*-?[\d.]", re.IGNORECASE)


def note(m: Machine, receiver: Instance, value: Val, span: Span) -> None:
    """An attribute of a module is set."""
    cls = receiver.cls
    if not (m.whole and isinstance(cls, ClassObj) and "loss" in cls.node.name.lower()) or m.doubt:
        return
    known = m.tape.values[value.cells[NODE]] if isinstance(value, Tensor) else None
    if known is not None and known.parameter and _FRESH.search(known.label) and modules.is_module(m, receiver):
        m.set(m.state, WEIGHTS, (*m.state.cells.get(WEIGHTS, ()), (value, span)))


def judge(m: Machine) -> None:
    """Write down the optimizer that steps all that leads to a loss but the weights of the loss."""
    weights = m.state.cells.get(WEIGHTS, ())
    if not weights or m.outside_code or m.stumbled:
        return
    outside = exposure.seen_outside(m)
    stepped = training.ever_stepped(m)
    by_hand = set(m.state.cells.get(gradients.ASSIGNED, ())) | m.looked_at | needs.rewritten(m)
    for value, span in weights:
        leaf = value.cells[NODE]
        untouched = m.tape.requires[leaf] == "yes" and m.tape.values[leaf].leaf and leaf not in m.tape.earlier
        if untouched and leaf not in stepped | by_hand and id(value) not in outside:
            _tell(m, leaf, span)


def _tell(m: Machine, leaf: int, span: Span) -> None:
    for demand in m.tape.demands:
        optimizer = _beside(m, demand, leaf)
        if optimizer is not None and optimizer.span is not None:
            m.tape.note(
                kind="unstepped", span=optimizer.span, label=m.text(optimizer.span), cause=span, cause_label=m.text(span),
                use=demand.span, use_label=demand.label,
            )  # fmt: skip
            return


def _beside(m: Machine, demand: Demand, leaf: int) -> Instance | None:
    """The optimizer of what else a backward reaches, if it reaches the leaf."""
    if demand.kind != "backward" or not demand.certain or demand.unknown:
        return None
    reached = m.tape.ancestors(demand.roots, Flow.CARRIES)
    if leaf not in reached:
        return None
    for optimizer, held in m.state.cells.get(exchanged.STEPPED, ()):
        if isinstance(optimizer, Instance) and not reached.isdisjoint(p.cells[NODE] for p in held):
            return optimizer
    return None
