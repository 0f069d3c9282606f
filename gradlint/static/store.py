"""The store: every mutable fact of a run is a cell of an object, written by one function that logs.

A branch is run, its delta taken and rolled back; the deltas of all branches are then joined cell by cell. A fresh run is a
roll back to the beginning. Nothing the program can change lives outside, so nothing leaks from one branch to another.
What holds in every branch (a name nobody knows is the same unknown at every reading) is kept beside the log: a branch does not
undo it, the end of a run does.
The store knows neither Python's values nor torch: how two values join is told to it (`Joiner`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import partial
from typing import Any


class _Missing:
    """The content of a cell that holds nothing; never a value of the program."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
Key = Hashable


class Obj:
    """Something with identity and mutable cells."""

    __slots__ = ("cells",)
    over = False  #: whether nobody can read the cells any more: then no alternative needs to keep them

    def __init__(self) -> None:
        self.cells: dict[Key, Any] = {}


Delta = dict[tuple[int, Key], tuple[Obj, Key, Any]]
Joiner = Callable[[Obj, Key, Sequence[Any]], Any]


class Store:
    """The one log of all writes, in order."""

    __slots__ = ("log", "undo")

    def __init__(self) -> None:
        self.log: list[tuple[Obj, Key, Any]] = []
        self.undo: list[Callable[[], object]] = []  #: takes back what every branch shares, the last first

    def set(self, obj: Obj, key: Key, value: Any) -> None:
        """Write a cell."""
        cells = obj.cells
        self.log.append((obj, key, cells.get(key, MISSING)))
        cells[key] = value

    def keep(self, obj: Obj, key: Key, value: Any) -> None:
        """Write a cell once and for all branches: nobody can have read another value before."""
        self.undo.append(partial(_unkeep, obj, key, obj.cells.get(key, MISSING), value))
        obj.cells[key] = value

    def delete(self, obj: Obj, key: Key) -> None:
        """Empty a cell."""
        self.set(obj, key, MISSING)

    def mark(self) -> int:
        """The present moment, to roll back to."""
        return len(self.log)

    def rollback(self, mark: int) -> None:
        """Undo everything since `mark`."""
        log = self.log
        while len(log) > mark:
            obj, key, old = log.pop()
            if old is MISSING:
                obj.cells.pop(key, None)
            else:
                obj.cells[key] = old

    def restart(self, mark: int, kept: int) -> None:
        """Undo everything since a moment, what every branch shares as well: `kept` is how much `undo` held then."""
        self.rollback(mark)
        while len(self.undo) > kept:
            self.undo.pop()()

    def snapshot(self, mark: int) -> Delta:
        """What has changed since `mark`, with the present values."""
        delta: Delta = {}
        for obj, key, _ in self.log[mark:]:
            if not obj.over:
                delta[id(obj), key] = (obj, key, obj.cells.get(key, MISSING))
        return delta

    def take(self, mark: int) -> Delta:
        """What has changed since `mark`; then undo it."""
        delta = self.snapshot(mark)
        self.rollback(mark)
        return delta

    def apply(self, delta: Delta) -> None:
        """Do again what a delta holds."""
        for obj, key, value in delta.values():
            self.set(obj, key, value)

    def join(self, deltas: Sequence[Delta], joiner: Joiner, first: Key) -> None:
        """Apply the join of several alternatives, all relative to the present state.

        `first` is the cell that is joined before the others: what names are given to is what it has become by then.
        """
        if len(deltas) == 1:
            self.apply(deltas[0])
            return
        touched = _touched(deltas)
        early = [held for held in touched if held[0][1] == first]
        for held in (*early, *(held for held in touched if held[0][1] != first)):
            obj, key, value = held[0]
            present = obj.cells.get(key, MISSING)
            if len(held) == 1 and present is MISSING:  # the local names of a call that one alternative made, most often
                joined = value if value is MISSING else joiner(obj, key, (value,))
            else:
                place = id(obj), key
                values = [delta[place][2] if place in delta else present for delta in deltas]
                joined = values[0] if all(v is values[0] for v in values) else joiner(obj, key, values)
            if joined is not present:
                self.set(obj, key, joined)


def items(obj: Obj) -> Iterator[tuple[Key, Any]]:
    """The filled cells of an object, in order of first writing."""
    return ((key, value) for key, value in list(obj.cells.items()) if value is not MISSING)


def _unkeep(obj: Obj, key: Key, old: Any, new: Any) -> None:
    """Put the old content back, unless the log has already put back something older."""
    if obj.cells.get(key, MISSING) is not new:
        return
    if old is MISSING:
        del obj.cells[key]
    else:
        obj.cells[key] = old


def _touched(deltas: Sequence[Delta]) -> Collection[list[tuple[Obj, Key, Any]]]:
    """What the alternatives changed, each with what it holds in those that did."""
    seen: dict[tuple[int, Key], list[tuple[Obj, Key, Any]]] = {}
    for delta in deltas:
        for place, held in delta.items():
            if place in seen:
                seen[place].append(held)
            else:
                seen[place] = [held]
    return seen.values()
