"""Tests that wait until something has been filled: `if len(buffer) >= batch_size:` comes true in a run that goes on.

A loop of unknown length is run twice, and nobody knows how full a buffer is by then. What is done once it is full is what the
program is for; taken for a mere possibility, none of it would be certain.
"""

from __future__ import annotations

from gradlint.static import classes, containers, expressions
from gradlint.static import program as p
from gradlint.static.counters import GROWN
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import Frame, Instance, ListObj, Val, options

_FULL, _NOT_YET = (">=", ">"), ("<", "<=")
_MIRRORED = {">=": "<=", ">": "<", "<": ">", "<=": ">="}


def outcome(m: Machine, frame: Frame, node: p.If) -> bool | None:
    """What such a test says in time, in a whole run: only where nothing is done instead, or where the function is left."""
    asked = _asked(node.test)
    if asked is None or node.orelse or not m.whole or not m.turns:
        return None
    buffer, op = asked
    if not _is_filled(m, expressions.evaluate(m, frame, buffer)):
        return None
    if op in _FULL:
        return True
    return False if isinstance(node.body[-1], (p.Return, p.Continue)) else None


def _asked(test: p.Expr) -> tuple[p.Expr, str] | None:
    """What is asked for its length in a comparison with anything but 0 and 1, and how they are compared."""
    match test:
        case p.Compare(left=left, ops=(op,), comparators=(right,)) if op in _MIRRORED:
            for side, other, way in ((left, right, op), (right, left, _MIRRORED[op])):
                match side:
                    case p.Call(func=p.Name(id="len"), args=(p.Arg(value=p.Name() | p.Attribute() as buffer),)):
                        return None if _is_small(other) else (buffer, way)
    return None


def _is_small(value: p.Expr) -> bool:
    return isinstance(value, p.Const) and value.text in ("0", "1")


def _is_filled(m: Machine, buffer: Val) -> bool:
    """Whether it is a list of the program's own that grows, or an object that counts what it holds."""
    return all(
        (isinstance(o, ListObj) and (containers.is_open(o) or o.cells.get(GROWN) is True))
        or (isinstance(o, Instance) and classes.find(m, o.cls, "__len__")[0] is not MISSING)
        for o in options(buffer)
    )
