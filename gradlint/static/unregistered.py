"""Layers and weights that a module keeps where it does not look for them: in a plain list or dict, or as a plain tensor.

`module.parameters()` leaves them out, so an optimizer that was given these steps everything but them. Asked at the end of a
whole run of which all is known. What a module makes itself it means to train; what it was given from outside and hides in a
list (a teacher, a loss network) it means to leave alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gradlint.static import classes, exchanged, exposure, gradients, modules, training
from gradlint.static.machine import Machine
from gradlint.static.values import (
    NODE,
    ClassObj,
    DictObj,
    Instance,
    ListObj,
    Tensor,
    Val,
    content,
    dict_items,
)
from gradlint.tape import Demand, Flow, Span

KEPT = "kept_plainly"  #: of the run: the module, the attribute and the place of each such keeping


def note(m: Machine, receiver: Instance, name: str, value: Val, span: Span) -> None:
    """An attribute of a module is set; what stands in a list may be put there later."""
    plain = isinstance(value, (ListObj, DictObj, tuple)) or (isinstance(value, Tensor) and not _parameter(m, value))
    if m.whole and plain and not m.doubt and isinstance(receiver.cls, ClassObj) and modules.is_module(m, receiver):
        m.set(m.state, KEPT, (*m.state.cells.get(KEPT, ()), (receiver, name, value, span)))


def judge(m: Machine) -> None:
    """Write down what the optimizers were not given, although all that the module registers was."""
    kept = m.state.cells.get(KEPT, ())
    if not kept or m.outside_code or m.stumbled:
        return
    outside = exposure.seen_outside(m)
    by_hand = set(m.state.cells.get(gradients.ASSIGNED, ())) | m.looked_at
    stepped = training.ever_stepped(m)
    for receiver, name, value, span in kept:
        hidden = [] if receiver.cells.get(name) is not value else [*_made_here(m, receiver, value)]
        leaves = {p.cells[NODE] for p in hidden if m.tape.requires[p.cells[NODE]] == "yes"}
        known = not any(id(p) in outside for p in hidden) and leaves.isdisjoint(stepped | by_hand)
        optimizer = _optimizer(m, receiver) if leaves and known else None
        demand = _first_demand(m, leaves) if optimizer is not None else None
        if optimizer is not None and optimizer.span is not None and demand is not None:
            m.tape.note(
                kind="unregistered", span=span, label=m.text(span), cause=optimizer.span, cause_label=m.text(optimizer.span),
                use=demand.span, use_label=demand.label,
            )  # fmt: skip


def _parameter(m: Machine, value: Tensor) -> bool:
    return bool(m.tape.values[value.cells[NODE]].parameter)


def _made_here(m: Machine, receiver: Instance, value: Val) -> Iterator[Tensor]:
    """The parameters in a plain container, and the plain leaf, that the module's own class made."""
    bodies = [
        Span(c.module.program.file, *c.node.place) for c in classes.order(receiver.cls) if isinstance(c, ClassObj)
    ]

    def inside(span: Span | None) -> bool:
        return span is not None and any(span.within(body) for body in bodies)

    parts = (
        content(value) if isinstance(value, ListObj) else [v for _, v in dict_items(value)] if isinstance(value, DictObj)
        else value if isinstance(value, tuple) else (value,)
    )  # fmt: skip
    for part in parts if parts == (value,) or len(parts) > 1 else ():  # one module alone in a list is hidden on purpose
        if isinstance(part, Instance) and modules.is_module(m, part) and not part.opaque and inside(part.span):
            yield from (p for _, p in modules.named_parameters(m, part))
        elif isinstance(part, Tensor) and _is_weight(m, part) and inside(m.tape.values[part.cells[NODE]].span):
            yield part


def _is_weight(m: Machine, value: Tensor) -> bool:
    """A leaf; one that the program takes a derivative by (the points of an equation) is an input."""
    node = value.cells[NODE]
    return bool(m.tape.values[node].leaf) and (_parameter(m, value) or node not in m.tape.wanted)


def _optimizer(m: Machine, receiver: Instance) -> Instance | None:
    """One that stepped and certainly holds all that the module registers and that can be trained."""
    registered = [p for _, p in modules.named_parameters(m, receiver) if m.tape.requires[p.cells[NODE]] != "no"]
    for optimizer, held in m.state.cells.get(exchanged.STEPPED, ()):
        ids = {id(p) for p in held}
        if registered and isinstance(optimizer, Instance) and all(id(p) in ids for p in registered):
            return optimizer
    return None


def _first_demand(m: Machine, leaves: Collection[int]) -> Demand | None:
    """The first backward that leaves gradients in them, if no gradient of theirs is ever used."""
    passes = [d for d in m.tape.demands if d.kind == "backward" and d.certain and not d.unknown]
    reaching = [(d, set(leaves) & m.tape.ancestors(d.roots, Flow.CARRIES)) for d in passes]
    reaching = [(d, reached) for d, reached in reaching if reached]
    unused = all(reached <= set(d.unused) for d, reached in reaching)
    return reaching[0][0] if reaching and unused else None
