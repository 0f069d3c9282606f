"""Counters of loops that are cut short: after two turns for a thousand nobody knows how far a program has counted.

Such a number goes on as the one that was reached, so that it still selects an item; what it is compared with decides nothing,
unless the count is past it already. So `if len(memory) < 64: return` and `if steps % 4 == 0` keep both ways open.
"""

from __future__ import annotations

from gradlint.static.store import Obj, Store
from gradlint.static.values import ITEMS, ListObj, Scalar, Val, content

GROWN = "$grown"  #: cell of a list that a cut loop added to, and of the frame of a comprehension over one
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: what comparisons say of a counter that has passed a number, or reached it, however far it goes
_PASSED: dict[str, Val] = {">": True, ">=": True, "<": False, "<=": False, "==": False, "!=": True}
_REACHED: dict[str, Val] = {">=": True, "<": False}


class Count(int):
    """A whole number that may be another; `least` if it is this or more."""

    least = False


def counted(value: int, least: bool) -> Count:
    """The number that was reached."""
    made = Count(value)
    made.least = least
    return made


def widen(store: Store, mark: int) -> None:
    """Between the turns of a loop that is cut short: what counted up since the moment `mark`, or was added to, goes further."""
    first: dict[tuple[int, object], tuple[Obj, object, object]] = {}
    for obj, key, old in store.log[mark:]:
        first.setdefault((id(obj), key), (obj, key, old))
    for obj, key, old in first.values():
        now = obj.cells.get(key)
        if _of_the_program(key) and type(old) is int and type(now) is int and now > old:
            store.set(obj, key, counted(now, True))
        elif isinstance(obj, ListObj) and key == ITEMS and isinstance(old, tuple) and len(old) < len(content(obj)):
            store.set(obj, GROWN, True)


def _of_the_program(key: object) -> bool:
    """Whether a cell is a name, an attribute or an item, and no book-keeping of the machine."""
    return not (isinstance(key, str) and key.startswith("$"))


def as_long(made: ListObj, source: object) -> ListObj:
    """What was made item by item of a list that a cut loop added to may be longer as well."""
    if isinstance(source, Obj) and source.cells.get(GROWN) is True:
        made.cells[GROWN] = True
    return made


def length(value: ListObj) -> int:
    """How many items a list has, as far as it is known."""
    known = len(content(value))
    return counted(known, True) if known and value.cells.get(GROWN) is True else known


def computed(op: str, left: Val, right: Val, result: Val) -> Val:
    """What is computed from counters is one as well; a fraction of one is some number."""
    if not (isinstance(left, Count) or isinstance(right, Count)):
        return result
    if type(result) is float:
        return Scalar()
    if type(result) is not int:
        return result
    up = op == "+" and all(_reached(v) for v in (left, right))
    return counted(result, up)


def _reached(value: Val) -> bool:
    return value.least if isinstance(value, Count) else isinstance(value, int)


def compared(op: str, left: Val, right: Val, result: Val) -> Val:
    """The outcome of a comparison, if it stays the same however far the counter goes."""
    counters = [v for v in (left, right) if isinstance(v, Count)]
    if not counters:
        return result
    if len(counters) == 1 and counters[0].least and isinstance(left, int) and isinstance(right, int):
        other = right if counters[0] is left else left
        return _from(counters[0], op if counters[0] is left else _MIRROR.get(op, op), other)
    return Scalar()


def numbered(first: Val, turns: int) -> list[Val]:
    """The numbers of as many turns of a loop that nobody knows the end of: the first, and some number above it for the others."""
    if type(first) is not int:
        return [Scalar() for _ in range(turns)]
    return [first, *(Scalar(least=first + 1) for _ in range(1, turns))][:turns]


def bounded(op: str, left: Val, right: Val) -> Val:
    """The outcome of a comparison of a number of which the least is known; `NotImplemented` for any other."""
    if isinstance(left, Scalar) and left.least is not None and type(right) is int:
        return _from(left.least, op, right)
    if isinstance(right, Scalar) and right.least is not None and type(left) is int:
        return _from(right.least, _MIRROR.get(op, op), left)
    return NotImplemented


def _from(least: int, op: str, other: int) -> Val:
    """What a comparison says of all numbers from `least` on."""
    passed = _PASSED if least > other else _REACHED if least == other else {}
    return passed.get(op, Scalar())
