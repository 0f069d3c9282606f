"""How much the machine may do, counted in steps, never in seconds: findings must not depend on the machine they run on."""

from __future__ import annotations

WHOLE_RUN = 300_000  #: steps of a module run as a script
PARTIAL_RUN = 60_000  #: steps of a run that starts in the middle
CALL_DEPTH = 40  #: calls inside calls (a module call is two: the module and its forward)
RECURSION = 2  #: calls of a def inside itself, where an undecided condition or loop lies between them
CALLERS = 20  #: scripts that use a named file and are run for it, though nobody named them
UNROLL = 12  #: a range up to this length is run element by element
UNROLL_KNOWN = 200  #: so is a list whose elements are all known (the parameters of a model)
UNROLL_OPEN = 40  #: and one that may hold more than is known of
ALTERNATIVES = 5  #: known alternatives of one value
DEEP = 12  #: levels of objects in objects whose tensors an unknown call is taken to have used: a model, its blocks, their layers
ORIGINS = 50  #: how far back an unknown value is traced through what it was read from
REHEARSALS = 40  #: hooks that are looked at where the program misses something
CONTENT = 400  #: items that a container keeps apart
UNKNOWN_KEYS = 20  #: keys nobody knows whose values a dict keeps apart


class BudgetHit(BaseException):
    """The run used up its steps: what follows is unknown, the demands not reached are undecided."""
