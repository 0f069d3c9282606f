"""A moment of a machine, to come back to: partial runs begin where the module, or the object, has been made.

What a run found must not depend on what was run before it in the same machine: then it can be run elsewhere, kept, or left
out, and the others stay as they are.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlint.static.machine import Machine

#: what a run adds to, beside the store and the tape
_GROWN = (
    "bounds", "called", "closures", "exposed", "flags", "flags_read", "hooks", "measured", "module_calls", "own_calls", "read", "sites",
    "untaken", "updates", "looked_at", "looped", "written",
)  # fmt: skip
#: what a run switches
_SWITCHED = (
    "absent",
    "doubt",
    "main",
    "outside_code",
    "pass_begun",
    "phase",
    "statement",
    "stumbled",
    "turns",
    "later",
    "unfit",
    "whole",
)
#: what the tape only appends to, and what it looks things up in
_RECORDED = (
    "backed",
    "captures",
    "changes",
    "demands",
    "edges",
    "into",
    "needs",
    "notes",
    "requires",
    "values",
    "writes",
)
_LOOKED_UP = ("_bundles", "_seen", "during", "earlier", "wanted")


class Moment:
    """How a machine stands."""

    def __init__(self, m: Machine) -> None:
        self._store = (m.store.mark(), len(m.store.undo))
        self._grown = {name: copy(getattr(m, name)) for name in _GROWN}
        self._switched = {name: getattr(m, name) for name in _SWITCHED}
        self._stack = list(m.stack)
        self._lengths = {name: len(getattr(m.tape, name)) for name in _RECORDED}
        self._looked_up = {name: copy(getattr(m.tape, name)) for name in _LOOKED_UP}
        self._time = m.tape.time

    @property
    def bounds(self) -> Counter[str]:
        """How often each bound had been hit."""
        found: Counter[str] = self._grown["bounds"]
        return found

    def back(self, m: Machine) -> None:
        """Bring the machine back to the moment, with all its steps still to take."""
        m.store.restart(*self._store)
        for name, held in self._grown.items():
            setattr(m, name, copy(held))
        for name, value in self._switched.items():
            setattr(m, name, value)
        for name, length in self._lengths.items():
            del getattr(m.tape, name)[length:]
        for name, held in self._looked_up.items():
            setattr(m.tape, name, copy(held))
        m.tape.time = self._time
        m.stack = list(self._stack)
        m.steps = 0

    def came(self, m: Machine, name: str) -> set[Any]:
        """What a set or the keys of a dict have got since."""
        held = self._grown[name]
        return {entry for entry in getattr(m, name) if entry not in held}

    def passed(self, m: Machine) -> bool:
        """Whether anything has come since that could be judged."""
        came = any(len(getattr(m.tape, name)) > self._lengths[name] for name in ("demands", "notes"))
        return came or any(len(getattr(m, name)) > len(self._grown[name]) for name in ("flags", "hooks"))
