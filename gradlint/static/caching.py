"""Functions and properties that keep what they computed: `functools.cache`, `lru_cache`, `cached_property`.

What is kept keeps its graph, and a second backward goes through it. A result is found again for the same arguments, as far as
they are known; a call with an argument that may be another one next time runs the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradlint.static.arguments import Args
from gradlint.static.store import MISSING, Obj
from gradlint.static.values import (
    NODE,
    Alt,
    Array,
    ClassObj,
    Frame,
    Instance,
    Method,
    Scalar,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    is_raw,
)
from gradlint.tape import Span

if TYPE_CHECKING:
    from gradlint.static.machine import Machine

FUNCTIONS = ("functools.lru_cache", "functools.cache")
PROPERTIES = ("functools.cached_property",)
FUNCTION, PROPERTY = "cached", "cached_property"


class Memory(Obj):
    """What a function kept, by its arguments; `span` is where the program says that it keeps."""

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        super().__init__()
        self.span = span


def keeping(kind: str, function: Val, span: Span) -> Wrapped:
    """The function in a wrapper that remembers."""
    return Wrapped(kind, function, Memory(span))


def call(m: Machine, callee: Wrapped, args: Args) -> Val:
    """What was kept for these arguments, else the function's own answer, which is kept."""
    from gradlint.static import calls

    given = _key([*args.positional, *args.keywords.values()], tuple(args.keywords))
    if given is None or args.rest:
        return calls.call(m, callee.function, args)
    memory: Memory = callee.more
    found = memory.cells.get(given, MISSING)
    if found is MISSING:
        found = calls.call(m, callee.function, args)
        m.set(memory, given, found)
        _captured(m, memory, found, f"{_name(callee)}(...), cached")
    return found


def read(m: Machine, frame: Frame, value: Instance, declared: Wrapped, name: str, span: Span) -> Val:
    """A cached property that nobody has read so far: it becomes an attribute of the object."""
    from gradlint.static import calls

    made = calls.call(m, declared.function, Args(span, frame, [value]))
    m.set(value, name, made)
    _captured(m, declared.more, made, f"{name}, cached")
    return made


def kept_by(value: Val) -> Wrapped | None:
    """The remembering function behind a value: itself, or bound to an object."""
    inner = value.function if isinstance(value, Method) else value
    return inner if isinstance(inner, Wrapped) and inner.kind == FUNCTION else None


def clear(m: Machine, callee: Wrapped) -> None:
    """`function.cache_clear()`."""
    memory: Memory = callee.more
    for given in list(memory.cells):
        m.store.delete(memory, given)


def _captured(m: Machine, memory: Memory, value: Val, label: str) -> None:
    if isinstance(value, Tensor):
        m.tape.capture(value.cells[NODE], "attribute", memory.span, label)


def _key(given: Sequence[Val], names: tuple[str, ...]) -> tuple[object, ...] | None:
    """Equal for arguments that are certainly the same, None where nobody can tell."""
    parts = []
    for value in given:
        if isinstance(value, (Unknown, Scalar, Alt)):
            return None
        if not is_raw(value) and not isinstance(value, (Instance, Tensor, Array, ClassObj)):
            return None
        parts.append((type(value), value))  # the object itself: it must live as long as what is kept for it
    return (*parts, names)


def _name(callee: Wrapped) -> str:
    return str(getattr(callee.function, "name", "function"))
