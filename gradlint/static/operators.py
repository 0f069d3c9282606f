"""Operators on known Python constants, done as Python does them; NotImplemented where a value is not known."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from gradlint.static.values import Raised, Val, is_raw

_LARGE = 10**9  #: bigger results (powers, repeated strings) are not computed

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
    return _attempt(_BINARY.get(op), left, right)


def compare_constants(op: str, left: Val, right: Val) -> Val:
    """A comparison of plain constants."""
    return _attempt(_COMPARE.get(op), left, right) if plain(left) and plain(right) else NotImplemented


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
    match op:
        case "**":
            return isinstance(left, int) and isinstance(right, int) and (abs(right) > 64 or abs(left) > _LARGE)
        case "<<":
            return isinstance(right, int) and right > 64
        case "*":
            return any(isinstance(v, (str, bytes, tuple)) for v in (left, right)) and any(
                isinstance(v, int) and v > 1000 for v in (left, right)
            )
    return False
