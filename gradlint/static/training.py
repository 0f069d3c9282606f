"""What becomes of the gradients that a backward leaves: an optimizer steps with them, or they are thrown away unused.

Asked at the end of a whole run of which all is known. A gradient that the program looks at itself counts as used, and so
does that of a parameter which unknown code has got, or of one that may be the same as another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from gradlint.static import exposure
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, Instance, Tensor, options
from gradlint.tape import Demand, Flow


class Update(NamedTuple):
    """An optimizer stepped, or gradients were certainly thrown away."""

    time: int
    step: bool
    leaves: frozenset[int]
    optimizer: int = 0  #: which, by identity


def held(optimizer: Instance) -> tuple[Tensor, ...]:
    """All parameters that an optimizer may have been given: branches may have given it different ones."""
    groups = (group for group in options(optimizer.cells["$params"]) if isinstance(group, tuple))
    return tuple({id(p): p for group in groups for p in group if isinstance(p, Tensor)}.values())


def certainly_held(optimizer: Instance) -> tuple[Tensor, ...]:
    """Those that it has been given in every branch."""
    groups = [{id(p) for p in group} for group in options(optimizer.cells["$params"]) if isinstance(group, tuple)]
    return tuple(p for p in held(optimizer) if all(id(p) in group for group in groups))


def stepped(m: Machine, optimizer: Instance) -> None:
    """An optimizer steps: whatever gradients are there are used."""
    leaves = frozenset(p.cells[NODE] for p in held(optimizer))
    m.updates.append(Update(m.tape.tick(), True, leaves, id(optimizer)))


def ever_stepped(m: Machine) -> set[int]:
    """All leaves that an optimizer stepped at some time."""
    return {leaf for u in m.updates if u.step for leaf in u.leaves}


def frozen_always(m: Machine, optimizer: Instance) -> tuple[int, ...]:
    """What an optimizer stepped, if all of it had been frozen whenever it did."""
    leaves = [leaf for u in m.updates if u.optimizer == id(optimizer) for leaf in u.leaves]
    frozen = all(m.tape.requires[n] == "no" and m.tape.values[n].frozen_at is not None for n in leaves)
    return tuple(dict.fromkeys(leaves)) if frozen else ()


def cleared(m: Machine, parameters: Iterable[Tensor]) -> None:
    """Gradients are thrown away; perhaps only, where it hangs on a condition."""
    if not m.doubt:
        m.updates.append(Update(m.tape.tick(), False, frozenset(p.cells[NODE] for p in parameters)))


def note_unused(m: Machine) -> None:
    """Write on every backward which leaves it left gradients for that nobody used."""
    if m.outside_code or m.stumbled or not any(u.step for u in m.updates):
        return
    outside = exposure.objects_outside(m)
    if any(isinstance(v, Instance) and "$params" in v.cells for v in outside):
        return
    seen = {v.cells[NODE] for v in outside if isinstance(v, Tensor)} | m.looked_at
    for demand in [d for d in m.tape.demands if d.kind == "backward" and d.certain and not d.unknown]:
        unused = tuple(sorted(_unused(m, demand, seen)))
        if unused:
            m.tape.demands[demand.id] = msgspec.structs.replace(demand, unused=unused)


def _unused(m: Machine, demand: Demand, seen: set[int]) -> Iterator[int]:
    reached = m.tape.ancestors(demand.roots, Flow.CARRIES)
    later = [u for u in m.updates if u.time > demand.time]
    became = {v for u in later if u.step for leaf in u.leaves for v in m.tape.versions(leaf)[1:]}
    for leaf in reached - seen:
        known = m.tape.values[leaf]
        own = known.leaf and (known.parameter or not _hides(m, leaf))
        if own and m.tape.requires[leaf] == "yes" and leaf not in became:
            first = next((u for u in later if leaf in u.leaves), None)
            if first is None or not first.step:
                yield leaf


def _hides(m: Machine, leaf: int) -> bool:
    """Whether a leaf was made of what had lost its gradient: that is a finding of its own."""
    made_of = m.tape.ancestors([leaf], Flow.CUTS) - {leaf} if m.tape.values[leaf].remade else ()
    return any(m.tape.requires[source] != "no" for source in made_of)
