"""The `with` statement: grad modes, generators, the project's own context managers, those of libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradlint.static import attributes, builtin, calls, expected, hooks, modes, scoped_freezes, storage
from gradlint.static import program as p
from gradlint.static.expressions import evaluate
from gradlint.static.machine import NORMAL, Machine
from gradlint.static.values import Alt, Frame, Generator, Instance, Lib, Mode, Unknown, Val
from gradlint.tape import Span


def enter(m: Machine, frame: Frame, items: Sequence[p.WithItem], body: Callable[[], str]) -> str:
    """Enter the contexts one in the other, run the body in the last, and leave them; gives how the body was left."""
    if not items:
        return body()
    item, inner = items[0], items[1:]
    context = evaluate(m, frame, item.context)
    span = m.span(frame, item.context)

    def inside(value: Val) -> str:
        if item.target is not None:
            attributes.assign(m, frame, item.target, value)
        return enter(m, frame, inner, body)

    match context:
        case Mode():
            with modes.entered(m, context):
                return inside(None)
        case Generator():
            return _around(m, context, inside, span)
        case Instance() if not isinstance(context.cls, Lib):
            return _managed(m, frame, context, span, inside)
    unknown, mode = m.state.cells.get(storage.INSIDE_UNKNOWN, 0), m.mode
    m.set(m.state, storage.INSIDE_UNKNOWN, unknown + isinstance(context, (Unknown, Alt)))
    try:
        with expected.during(m, expected.within(m, item.context)):
            return inside(builtin.enter(m, frame, context, span))
    finally:
        m.set(m.state, storage.INSIDE_UNKNOWN, unknown)
        if modes.is_stack(context):
            m.set(m.state, "mode", mode)
        if hooks.is_handle(context):
            hooks.remove(m, context, span)


def _around(m: Machine, generator: Generator, inside: Callable[[Val], str], span: Span) -> str:
    signals: list[str] = []
    mode = m.mode

    def yielded(value: Val) -> None:
        scoped_freezes.entering(m, None)
        with modes.through(m, mode, span):
            signals.append(inside(value))

    scoped_freezes.entering(m, span)
    calls.run_around(m, generator, yielded)
    scoped_freezes.entering(m, None)
    scoped_freezes.left(m, span)
    return signals[-1] if signals else NORMAL


def _managed(m: Machine, frame: Frame, context: Instance, span: Span, inside: Callable[[Val], str]) -> str:
    mode = m.mode
    scoped_freezes.entering(m, span)
    entered = calls.special_method(m, frame, context, "__enter__", span)
    scoped_freezes.entering(m, None)
    try:
        with modes.through(m, mode, span):
            return inside(context if entered is NotImplemented else entered)
    finally:
        calls.special_method(m, frame, context, "__exit__", span, None, None, None)
        scoped_freezes.left(m, span)
