"""`copy.deepcopy` and `copy.copy`: new objects, parameters become new leaves that keep their frozen state."""

from __future__ import annotations

from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import COPIED, IDENTITY, NODE, Array, DictObj, Instance, ListObj, Tensor, Val, content
from gradlint.tape import Span


def deepcopy(m: Machine, args: Args) -> Val:
    """`copy.deepcopy(value)`."""
    return m.alternatives(args.get(0), lambda v: _copy(m, v, {}, args.span))


def _copy(m: Machine, value: Val, done: dict[int, Val], span: Span) -> Val:
    if id(value) in done:
        return done[id(value)]
    match value:
        case Tensor():
            return _copy_tensor(m, value, done, span)
        case Array():
            return type(value)(m.node_of(value))
        case tuple():
            return tuple(_copy(m, v, done, span) for v in value)
        case ListObj():
            made: Val = ListObj(
                [_copy(m, v, done, span) for v in content(value)], value.kind, value.cells.get("$open") is True
            )
            done[id(value)] = made
            return made
        case DictObj():
            made = DictObj(value.factory)
        case Instance():
            made = Instance(value.cls, value.span)
            made.args, made.kwargs, made.opaque = value.args, value.kwargs, value.opaque
            m.set(value, COPIED, span)
        case _:
            return value
    done[id(value)] = made
    for key, held in list(value.cells.items()):
        if held is not MISSING and key not in (IDENTITY, COPIED):
            made.cells[key] = _copy(m, held, done, span) if not str(key).startswith("$") or key == "$own" else held
    return made


def _copy_tensor(m: Machine, value: Tensor, done: dict[int, Val], span: Span) -> Val:
    node = value.cells[NODE]
    known = m.tape.values[node]
    if not known.leaf:
        done[id(value)] = value
        return value
    made = Tensor(
        m.tape.leaf(
            known.kind,
            known.span,
            known.label,
            known.requires_grad,
            parameter=known.parameter,
            frozen_at=known.frozen_at,
        )
    )
    m.tape.write(node, made.cells[NODE], span, "copy.deepcopy()", "rebuild")
    done[id(value)] = made
    return made
