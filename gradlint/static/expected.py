"""Errors that the program reckons with: `try` with a handler that goes on, `pytest.raises`, tests marked to fail.

A handler that looks at the error, tells it or raises reports a failure; one that goes on without a look expected it, and so
did one for this very class that returns something else in its place.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gradlint.static import program as p
from gradlint.static.sites import below, dotted
from gradlint.tape import DemandKind

if TYPE_CHECKING:
    from gradlint.static.machine import Machine

#: the errors by which a lost gradient shows, with the classes that catch them
_CLASSES = {
    name: {c.__name__ for c in getattr(builtins, name).__mro__}
    for name in ("RuntimeError", "ValueError", "AttributeError", "TypeError", "KeyError", "IndexError")
}
#: the errors of demands that are no call of autograd: None is used, or what is not there
_OF_KIND: dict[DemandKind, tuple[str, ...]] = {
    "optimize": ("ValueError",),
    "grad-read": ("AttributeError", "TypeError"),
    "hook-read": ("AttributeError", "TypeError", "KeyError", "IndexError"),
}
_CONTEXTS = frozenset(("raises", "assertRaises", "assertRaisesRegex", "suppress"))
_FAILING = frozenset(("xfail", "expectedFailure"))
_TELLING = frozenset(("exception", "print_exc", "format_exc", "exc_info", "exit", "_exit", "fail"))
_CELL = "expected"


def expects(m: Machine, kind: DemandKind) -> bool:
    """Whether the program reckons with the error of a demand made now."""
    return not _now(m).isdisjoint(_OF_KIND.get(kind, ("RuntimeError",)))


def anything(m: Machine) -> bool:
    """Whether the program reckons with any error now."""
    return bool(_now(m))


def _now(m: Machine) -> frozenset[str]:
    found: frozenset[str] = m.state.cells.get(_CELL, frozenset())
    return found


@contextmanager
def during(m: Machine, expected: Iterable[str]) -> Iterator[None]:
    """Run a part of the program in which these errors are expected."""
    before = _now(m)
    m.set(m.state, _CELL, frozenset(expected))
    try:
        yield
    finally:
        m.set(m.state, _CELL, before)


def trying(m: Machine, handlers: tuple[p.Handler, ...]) -> frozenset[str]:
    """The errors expected inside a `try`: for each the first handler that catches it decides."""
    found = set(_now(m))
    left = set(_CLASSES)
    for handler in handlers:
        named = _named(handler.type)
        caught = left & named
        left -= caught
        found = found | caught if _expects(handler, alone=len(named) < len(_CLASSES)) else found - caught
    return frozenset(found)


def within(m: Machine, context: p.Expr) -> frozenset[str]:
    """The errors expected inside `with pytest.raises(E):`, `self.assertRaises(E)`, `suppress(E)`."""
    if isinstance(context, p.Call) and dotted(context.func).rsplit(".", 1)[-1] in _CONTEXTS:
        return _now(m).union(*(_named(argument.value) for argument in context.args[:1]))
    return _now(m)


def marked(decorators: tuple[p.Expr, ...]) -> frozenset[str]:
    """The errors expected in a test that is marked to fail."""
    names = {dotted(d.func if isinstance(d, p.Call) else d).rsplit(".", 1)[-1] for d in decorators}
    return frozenset(_CLASSES if names & _FAILING else ())


def _named(kind: p.Expr | None) -> set[str]:
    """Which of the errors an exception class, or a tuple of them, catches; a variable may hold any."""
    if isinstance(kind, p.TupleExpr):
        return {error for part in kind.elements for error in _named(part)}
    name = dotted(kind).rsplit(".", 1)[-1] if kind is not None else ""
    return {e for e, names in _CLASSES.items() if not name or name[0].islower() or name in names}


def _expects(handler: p.Handler, *, alone: bool) -> bool:
    """Whether a handler goes on without a look at the error or, if it is for this error alone, with another value."""
    called = {dotted(call.func).rsplit(".", 1)[-1] for call in below(handler.body, p.Call)}
    if called & _TELLING or any(below(handler.body, p.Raise)):
        return False
    looked = handler.name and any(name.id == handler.name for name in below(handler.body, p.Name))
    returned = (r.value for r in below(handler.body, p.Return))
    return not looked or (alone and any(isinstance(value, p.Expr) and not _is_none(value) for value in returned))


def _is_none(value: p.Expr) -> bool:
    return isinstance(value, p.Const) and value.kind == "none"
