"""Names that are read and that nothing binds: a cell that was deleted, a line that was lost. They may be anything.

What never happens in a run with such a name nobody can tell.
"""

from __future__ import annotations

from gradlint.static import program as p
from gradlint.static.machine import Machine
from gradlint.static.sites import below
from gradlint.static.values import ModuleObj

UNBOUND = "unbound"  #: of the run: whether a name was read that nothing binds
#: what a notebook's kernel, a profiler, a type checker or Python 2 binds
_ELSEWHERE = frozenset((
    "display", "get_ipython", "In", "Out", "exit", "quit", "profile", "reveal_type", "xrange", "unicode", "raw_input", "long",
    "basestring", "unichr", "reload", "cmp", "execfile", "reduce", "WindowsError",
))  # fmt: skip


def note(m: Machine, module: ModuleObj, name: str) -> None:
    """A name without a value is read: if nothing in the module binds it, nor a star, it may be anything (a cell that was deleted)."""
    if name in module.program.scope.locals or name.startswith("_") or name in _ELSEWHERE:
        return
    if not any(s.names[0].name == "*" for s in below(module.program.body, p.ImportFrom)):
        m.set(m.state, UNBOUND, True)
