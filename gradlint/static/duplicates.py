"""`copy.deepcopy` and `copy.copy`: new objects, parameters become new leaves that keep their frozen state."""

from __future__ import annotations

from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.unknowns import promoted
from gradlint.static.values import (
    COPIED,
    IDENTITY,
    NODE,
    WHOLE,
    Array,
    DictObj,
    Instance,
    ListObj,
    Tensor,
    Unknown,
    Val,
    content,
)  # fmt: skip
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
        case Unknown():
            return _copy_unknown(m, value, done, span)
        case _:
            return value
    done[id(value)] = made
    for key, held in list(value.cells.items()):
        if held is not MISSING and key not in (IDENTITY, COPIED):
            made.cells[key] = _copy(m, held, done, span) if not str(key).startswith("$") or key == "$own" else held
    return made


def _copy_unknown(m: Machine, value: Unknown, done: dict[int, Val], span: Span) -> Val:
    """Another one, of which as little is known: what is done to it is not done to the original."""
    given = promoted(value)
    if isinstance(given, Tensor):
        return _copy_tensor(m, given, done, span)
    made = Unknown(value.label, value.origin, value.name)
    node = m.node_of(value)
    if node is not None:
        made.cells[NODE] = m.tape.unknown(span, value.label, [node])
    if WHOLE in value.cells:
        made.cells[WHOLE] = value.cells[WHOLE]
    if "$model" in value.cells:
        made.cells["$model"] = True  # with parameters of its own
    done[id(value)] = made
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
