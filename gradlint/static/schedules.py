"""Tests of how far a loop has counted: `if step >= warmup and step % every == 0:` comes true in a run that goes on.

A loop of unknown length is run twice. What a schedule lets happen every fourth time is what the program is for; taken for a mere
possibility, none of it would be certain. One turn has one number: where it is taken to be one that `step % 2 == 0` holds for, the
test `step % 2 == 1` stays open.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradlint.static import attributes, expressions
from gradlint.static import program as p
from gradlint.static.counters import Count
from gradlint.static.machine import Machine
from gradlint.static.values import Frame, Scalar, Val, options

_REACHED, _NOT_YET = ("==", ">", ">="), ("<", "<=")
_MIRRORED = {"==": "==", ">": "<", ">=": "<=", "<": ">", "<=": ">="}
_LEAVING = (p.Return, p.Raise, p.Break, p.Continue)


def outcome(m: Machine, frame: Frame, node: p.If) -> bool | None:
    """What such a test says in time, in a whole run: only where nothing is done instead, or where the turn is left."""
    if node.orelse or not m.whole or not m.turns:
        return None
    parts = _parts(node.test)
    ops = [_op(m, frame, part) for part in parts]
    if all(op in _REACHED or op == "" for op in ops) and any(ops):
        return True if not isinstance(node.body[-1], _LEAVING) and _fits(m, frame, parts, ops) else None
    early = len(ops) == 1 and ops[0] in _NOT_YET and isinstance(node.body[-1], (p.Return, p.Continue))
    return False if early else None


def _parts(test: p.Expr) -> tuple[p.Expr, ...]:
    """What has to hold together."""
    if isinstance(test, p.BoolOp) and test.op == "and":
        return (*_parts(test.left), *_parts(test.right))
    return (test,)


def _fits(m: Machine, frame: Frame, parts: Sequence[p.Expr], ops: Sequence[str | None]) -> bool:
    """Whether the present turn may have such a number, given what it was taken to be before; from now on it has."""
    exact = " and ".join(m.text(m.span(frame, part)) for part, op in zip(parts, ops, strict=True) if op == "==")
    m.phase = m.phase or exact
    return exact in ("", m.phase)


def _op(m: Machine, frame: Frame, part: p.Expr) -> str | None:
    """How a loop's number is compared, with it on the left; `""` for what is known to hold, None for any other test."""
    match part:
        case p.Compare(left=left, ops=(op,), comparators=(right,)) if op in _MIRRORED:
            for side, other, way in ((left, right, op), (right, left, _MIRRORED[op])):
                if _counts(m, frame, side) and _is_number(m, frame, other):
                    return way
        case p.Unary(op="not", operand=p.Binary(op="%", left=left, right=right)):
            if _counts(m, frame, left) and _is_number(m, frame, right):
                return "=="
    return (
        ""
        if isinstance(part, (p.Name, p.Attribute)) and attributes.truth(m, expressions.evaluate(m, frame, part))
        else None
    )


def _counts(m: Machine, frame: Frame, value: p.Expr) -> bool:
    """Whether an expression is computed from the number of a turn, and from nothing but numbers beside it."""
    match value:
        case p.Binary(left=left, right=right):
            either = _counts(m, frame, left) or _counts(m, frame, right)
            return either and _is_number(m, frame, left) and _is_number(m, frame, right)
        case p.Name() | p.Attribute():
            return all(_is_turn(o) for o in options(expressions.evaluate(m, frame, value)))
    return False


def _is_turn(value: Val) -> bool:
    return isinstance(value, Count) or (isinstance(value, Scalar) and value.least is not None)


def _is_number(m: Machine, frame: Frame, value: p.Expr) -> bool:
    """Whether an expression is plain: constants, numbers of turns, numbers that a setting may give."""
    match value:
        case p.Binary(left=left, right=right):
            return _is_number(m, frame, left) and _is_number(m, frame, right)
        case p.Const():
            return True
        case p.Name() | p.Attribute():
            given = options(expressions.evaluate(m, frame, value))
            return all(isinstance(o, (int, float)) or (isinstance(o, Scalar) and o.node is None) for o in given)
    return False
