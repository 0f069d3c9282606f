"""Operators on known Python constants, done as Python does them; NotImplemented where a value is not known."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from gradlint.static.counters import bounded, compared, computed
from gradlint.static.values import Raised, Scalar, Val, is_raw

_LARGE = 10**9  #: powers of bigger numbers are not computed
_BITS = 10_000  #: nor anything with an integer of more bits
_LONG = 100_000  #: nor text, bytes and tuples that get longer
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)")  #: a format that asks for a field of any width

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "<<": operator.lshift, ">>": operator.rshift, "&": operator.and_,
    "|": operator.or_, "^": operator.xor,
}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "in": lambda a, b: a in b, "not in": lambda a, b: a not in b,
}  # fmt: skip
_UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos, "~": operator.invert}


def plain(value: Val) -> bool:
    """A constant, or a tuple of such."""
    return all(plain(v) for v in value) if isinstance(value, tuple) else is_raw(value)


def binary_constants(op: str, left: Val, right: Val) -> Val:
    """`left op right` if both are plain constants; a definite error of Python raises `Raised`."""
    if not (plain(left) and plain(right)) or _huge(op, left, right):
        return NotImplemented
    return computed(op, left, right, short(_attempt(_BINARY.get(op), left, right)))


def short(value: Val) -> Val:
    """The value, unknown where it is a longer text than is kept."""
    return Scalar() if isinstance(value, (str, bytes)) and len(value) > _LONG else value


def compare_constants(op: str, left: Val, right: Val) -> Val:
    """A comparison of plain constants, or of one with a number of which the least is known."""
    if isinstance(left, Scalar) or isinstance(right, Scalar):
        return bounded(op, left, right)
    if not (plain(left) and plain(right)) or (isinstance(right, range) and not isinstance(left, int)):
        return NotImplemented  # a range is searched to its end for what is no integer
    return compared(op, left, right, _attempt(_COMPARE.get(op), left, right))


def unary_constant(op: str, value: Val) -> Val:
    """A unary operator on a plain constant."""
    return _attempt(_UNARY.get(op), value) if plain(value) else NotImplemented


def _attempt(function: Callable[..., Any] | None, *given: Val) -> Val:
    if function is None:
        return NotImplemented
    try:
        return function(*given)
    except Exception as error:
        raise Raised(str(error), kind=type(error).__name__) from None


def _huge(op: str, left: Val, right: Val) -> bool:
    """Whether a result may be too large to be computed, or takes too long."""
    if any(isinstance(v, int) and v.bit_length() > _BITS for v in (left, right)):
        return True
    match op, left, right:
        case "**", int(), int():
            return abs(right) > 64 or abs(left) > _LARGE
        case "<<", _, int():
            return right > 64
        case "*", (str() | bytes() | tuple()), int():
            return len(left) * right > _LONG
        case "*", int(), (str() | bytes() | tuple()):
            return left * len(right) > _LONG
        case "+", (str() | bytes() | tuple()), (str() | bytes() | tuple()):
            return len(left) + len(right) > _LONG
        case "%", str() | bytes(), _:
            return bool(_WIDE.search(left if isinstance(left, str) else left.decode("latin-1")))
    return False
