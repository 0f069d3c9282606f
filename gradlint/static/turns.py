"""How often a loop over what nobody knows is run: twice, for what one turn hands to the next.

Inside a later turn of such a loop the inner ones have been run so already and are run once, or n of them inside each other
would be run 2 ** n times.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gradlint.static.machine import Machine
from gradlint.tape import Span


def once(m: Machine, loop: Span) -> bool:
    """Whether one turn of the loop that stands there is enough."""
    if m.later and loop in m.looped:
        return True
    m.looped.add(loop)
    return False


@contextmanager
def turn(m: Machine, *, later: bool) -> Iterator[None]:
    """Inside a turn; `later` if one before has shown all but what turns hand on. What is its number is open again."""
    around, m.phase = m.phase, ""
    m.later += later
    try:
        yield
    finally:
        m.later -= later
        m.phase = around
