"""Running statements: one function per kind of node, found in `EXECUTE`; each answers what it did to the flow of control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

from gradlint.static import (
    attributes,
    builtin,
    calls,
    classes,
    containers,
    contexts,
    counters,
    expected,
    filling,
    hooks,
    imports,
    modes,
    modules,
    schedules,
    settings,
    stumbles,
    tensors,
    turns,
    untaken,
)  # fmt: skip
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.budget import UNROLL
from gradlint.static.expressions import binary, compare, evaluate, truth
from gradlint.static.machine import BREAK, CONTINUE, NORMAL, RETURN, Machine
from gradlint.static.narrowing import narrow, narrow_name
from gradlint.static.values import Frame, Function, Instance, Lib, Raised, Unknown, Val, options

EXPLICIT = "raise"  #: the kind of a `Raised` that comes from a raise statement


def block(m: Machine, frame: Frame, body: tuple[p.Stmt, ...]) -> str:
    """Run statements in order until one leaves."""
    for i, statement in enumerate(body, 1):
        signal = execute(m, frame, statement)
        if signal != NORMAL:
            untaken.pass_over(m, frame, body[i:])
            return signal
    return NORMAL


def execute(m: Machine, frame: Frame, node: p.Stmt) -> str:
    """Run one statement. What fails certainly, outside any `try`, ends this statement only: the analysis goes on."""
    m.step()
    around, m.statement, m.absent = m.statement, (frame, node), None
    try:
        return EXECUTE[type(node)](m, frame, node)
    except Raised as raised:
        if m.state.cells.get("trying") or raised.kind == EXPLICIT:
            raise
        if settings.needed(m, raised.place):
            return execute(m, frame, node)
        m.stumbled = True
        hooks.failed(m, raised, m.statement_span())
        stumbles.forget(m, frame, node)
        return NORMAL
    finally:
        m.statement = around


def body_of(function: Function) -> tuple[p.Stmt, ...]:
    """The statements of a function."""
    return function.node.body if isinstance(function.node, p.FunctionDef) else ()


# --- simple statements -----------------------------------------------------------------------------------------------


def _expression(m: Machine, frame: Frame, node: p.ExprStmt) -> str:
    evaluate(m, frame, node.value)
    return NORMAL


def _assign(m: Machine, frame: Frame, node: p.Assign) -> str:
    value = evaluate(m, frame, node.value)
    for target in node.targets:
        attributes.assign(m, frame, target, value)
    return NORMAL


def _annotated(m: Machine, frame: Frame, node: p.AnnAssign) -> str:
    if node.value is not None:
        attributes.assign(m, frame, node.target, evaluate(m, frame, node.value))
    return NORMAL


def _augmented(m: Machine, frame: Frame, node: p.AugAssign) -> str:
    present = evaluate(m, frame, node.target)
    value = evaluate(m, frame, node.value)
    span = m.span(frame, node)
    results = [_augment(m, frame, node.op, option, value, span) for option in options(present)]
    from gradlint.static.joins import join_values

    attributes.assign(m, frame, node.target, join_values(m, results))
    return NORMAL


def _augment(m: Machine, frame: Frame, op: str, present: Val, value: Val, span: Any) -> Val:
    for grow in (containers.extend_in_place, _grown_by_itself):
        grown = grow(m, frame, op, present, value, span)
        if grown is not NotImplemented:
            return grown
    changed = tensors.binary_in_place(m, op, present, value, span)
    return binary(m, frame, op, present, value, span) if changed is NotImplemented else changed


_IN_PLACE = {
    "+": "__iadd__", "-": "__isub__", "*": "__imul__", "/": "__itruediv__", "@": "__imatmul__", "|": "__ior__",
    "&": "__iand__", "^": "__ixor__", "**": "__ipow__", "//": "__ifloordiv__", "%": "__imod__",
}  # fmt: skip


def _grown_by_itself(m: Machine, frame: Frame, op: str, present: Val, value: Val, span: Any) -> Val:
    """`module_list += modules`, and classes of the project with an `__iadd__` of their own."""
    made = calls.special_method(m, frame, present, _IN_PLACE.get(op, ""), span, value)
    if made is NotImplemented and op == "+" and isinstance(present, Instance) and modules.is_module(m, present):
        return modules.method(m, present, "extend", Args(span, frame, [value]))
    return made


def _delete(m: Machine, frame: Frame, node: p.Delete) -> str:
    for target in node.targets:
        match target:
            case p.Name():
                m.store.delete(frame if frame.parent or frame.function else frame.module, target.id)
            case p.Attribute():
                receiver = evaluate(m, frame, target.value)
                if isinstance(receiver, Instance):
                    m.store.delete(receiver, target.attr)
            case p.Subscript():
                containers.delete_item(m, evaluate(m, frame, target.value), evaluate(m, frame, target.index))
    return NORMAL


def _return(m: Machine, frame: Frame, node: p.Return) -> str:
    value = evaluate(m, frame, node.value) if node.value is not None else None
    m.set(frame, "$return", value)
    return RETURN


def _raise(m: Machine, frame: Frame, node: p.Raise) -> str:
    value = evaluate(m, frame, node.value) if node.value is not None else None
    raise Raised("raised by the program", value, EXPLICIT)


def _assert(m: Machine, frame: Frame, node: p.Assert) -> str:
    test = evaluate(m, frame, node.test)
    if truth(m, test) is False and m.whole:
        if settings.insisted(m, (node,)):
            return _assert(m, frame, node)
        raise Raised("assertion", kind=EXPLICIT)
    narrow(m, frame, node.test, test, True)
    return NORMAL


def _pass(m: Machine, frame: Frame, node: p.Stmt) -> str:
    return NORMAL


def _break(m: Machine, frame: Frame, node: p.Break) -> str:
    return BREAK


def _continue(m: Machine, frame: Frame, node: p.Continue) -> str:
    return CONTINUE


# --- definitions and imports -----------------------------------------------------------------------------------------


def _function(m: Machine, frame: Frame, node: p.FunctionDef) -> str:
    attributes.assign_name(m, frame, node.name, calls.define(m, frame, node), m.span(frame, node.name_place))
    return NORMAL


def _class(m: Machine, frame: Frame, node: p.ClassDef) -> str:
    attributes.assign_name(m, frame, node.name, classes.define(m, frame, node), m.span(frame, node.name_place))
    return NORMAL


def _import(m: Machine, frame: Frame, node: p.Import) -> str:
    for alias in node.names:
        value = imports.module(m, frame, alias.name, whole_name=bool(alias.asname))
        name = alias.asname or alias.name.split(".", 1)[0]
        attributes.assign_name(m, frame, name, value, m.span(frame, node))
    return NORMAL


def _import_from(m: Machine, frame: Frame, node: p.ImportFrom) -> str:
    for alias in node.names:
        if alias.name == "*":
            for name, value in imports.star(m, frame, node):
                attributes.assign_name(m, frame, name, value, m.span(frame, node))
        else:
            value = imports.member(m, frame, node, alias.name)
            attributes.assign_name(m, frame, alias.asname or alias.name, value, m.span(frame, node))
    return NORMAL


# --- branches --------------------------------------------------------------------------------------------------------


def _if(m: Machine, frame: Frame, node: p.If) -> str:
    test = evaluate(m, frame, node.test)
    known = truth(m, test)
    known = filling.outcome(m, frame, node) if known is None else known
    known = schedules.outcome(m, frame, node) if known is None else known
    chosen = node.body if known else node.orelse
    if known is not None and settings.insisted(m, chosen):
        return _if(m, frame, node)
    if known is not None and not settings.refused(m, chosen):
        narrow(m, frame, node.test, test, known)
        untaken.pass_over(m, frame, node.orelse if known else node.body)
        return block(m, frame, chosen)

    def arm(body: tuple[p.Stmt, ...], outcome: bool) -> Callable[[], str]:
        def run() -> str:
            _narrow_all(m, frame, node.test, test, outcome)
            return block(m, frame, body)

        return run

    return m.branch(frame, [arm(node.body, True), arm(node.orelse, False)])


def _narrow_all(m: Machine, frame: Frame, test: p.Expr, value: Val, outcome: bool) -> None:
    """A conjunction that held tells about each of its parts."""
    if isinstance(test, p.BoolOp) and outcome == (test.op == "and"):
        for part in (test.left, test.right):
            narrow_name(m, frame, part, outcome)
    narrow(m, frame, test, value, outcome)


def _match(m: Machine, frame: Frame, node: p.Match) -> str:
    subject = evaluate(m, frame, node.subject)
    arms: list[Callable[[], str]] = []
    for case in node.cases:
        answer = _matches(m, frame, case.pattern, subject)
        if answer is False:
            continue
        arms.append(partial(_run_case, m, frame, case, subject))
        if answer is True and case.guard is None:
            break
    if not arms:
        return NORMAL
    return arms[0]() if len(arms) == 1 else m.branch(frame, arms)


def _run_case(m: Machine, frame: Frame, case: p.Case, subject: Val) -> str:
    _bind_pattern(m, frame, case.pattern, subject)
    if case.guard is not None and truth(m, evaluate(m, frame, case.guard)) is False:
        return NORMAL
    return block(m, frame, case.body)


def _matches(m: Machine, frame: Frame, pattern: p.Pattern, subject: Val) -> bool | None:
    match pattern:
        case p.ValuePattern():
            return truth(m, compare(m, frame, "==", subject, evaluate(m, frame, pattern.value), m.span(frame, pattern)))
        case p.CapturePattern():
            return True if pattern.pattern is None else _matches(m, frame, pattern.pattern, subject)
        case p.OrPattern():
            answers = [_matches(m, frame, a, subject) for a in pattern.alternatives]
            return True if True in answers else (None if None in answers else False)
        case p.ClassPattern():
            known = builtin.is_instance(m, subject, evaluate(m, frame, pattern.cls))
            return known if known is False or not (pattern.patterns or pattern.keywords) else None
        case p.SequencePattern() if isinstance(subject, (int, float, str)) or subject is None:
            return False
    return None


def _bind_pattern(m: Machine, frame: Frame, pattern: p.Pattern, subject: Val) -> None:
    match pattern:
        case p.CapturePattern():
            if pattern.name:
                attributes.assign_name(m, frame, pattern.name, subject, m.span(frame, pattern))
            if pattern.pattern is not None:
                _bind_pattern(m, frame, pattern.pattern, subject)
        case p.SequencePattern():
            known, _ = containers.sequence(m, frame, subject, m.span(frame, pattern))
            for i, element in enumerate(pattern.elements):
                _bind_pattern(m, frame, element, known[i] if i < len(known) else Unknown("element", subject))
        case p.StarPattern() if pattern.name:
            attributes.assign_name(m, frame, pattern.name, Unknown(pattern.name, subject), m.span(frame, pattern))
        case p.ClassPattern():
            for keyword, inner in zip(pattern.keywords, pattern.keyword_patterns, strict=True):
                _bind_pattern(m, frame, inner, attributes.read(m, frame, subject, keyword, m.span(frame, pattern)))
        case p.MappingPattern():
            for key, inner in zip(pattern.keys, pattern.patterns, strict=True):
                held = containers.get_item(m, frame, subject, evaluate(m, frame, key), m.span(frame, pattern))
                _bind_pattern(m, frame, inner, held)


# --- loops -----------------------------------------------------------------------------------------------------------


def _for(m: Machine, frame: Frame, node: p.For) -> str:
    iterable = evaluate(m, frame, node.iter)
    elements, exact = containers.rounds(m, frame, iterable, m.span(frame, node.iter), UNROLL)

    start = m.store.mark()

    def body(element: Val, turn: int) -> str:
        later = turn > 0 and not exact
        if later:
            counters.widen(m.store, start)
        attributes.assign(m, frame, node.target, element)
        left = modes.left_by(m, iterable)
        with turns.turn(m, later=later), modes.entered(m, left) if left is not None else nullcontext():
            signal = block(m, frame, node.body)
        if not exact and len(elements) == 1:
            counters.widen(m.store, start)
        return signal

    with m.turning(exact):
        return _loop(m, frame, [lambda e=e, i=i: body(e, i) for i, e in enumerate(elements)], node.orelse)


def _while(m: Machine, frame: Frame, node: p.While) -> str:
    start = m.store.mark()

    def body(later: bool, alone: bool) -> str:
        with turns.turn(m, later=later):
            signal = block(m, frame, node.body)
        if alone:
            counters.widen(m.store, start)
        return signal

    def rounds() -> Iterator[Callable[[], str]]:
        enough = 2
        for done in range(UNROLL):
            test = evaluate(m, frame, node.test)
            known = truth(m, test)
            uncounted = known is None or (known is True and _endless(node))
            if uncounted and done == 0 and turns.once(m, m.span(frame, node.test)):
                enough = 1
            if known is False or (uncounted and done >= enough):
                return
            if done + 1 == (enough if uncounted else UNROLL):
                counters.widen(m.store, start)
            if known is None:
                narrow(m, frame, node.test, test, True)
            yield partial(body, uncounted and done > 0, enough == 1)

    return _loop(m, frame, rounds(), node.orelse)


def _endless(node: p.While) -> bool:
    return isinstance(node.test, p.Const)


def _loop(m: Machine, frame: Frame, turns: Any, orelse: tuple[p.Stmt, ...]) -> str:
    start = m.store.mark()
    left: list[Any] = []
    again: list[Any] = []
    frame.loops.append((start, left, again))
    signal = NORMAL
    try:
        for turn in turns:
            signal = turn()
            m.settle(start, again, signal in (NORMAL, CONTINUE, BREAK, RETURN))
            if signal in (BREAK, RETURN):
                break
    finally:
        frame.loops.pop()
    if signal == RETURN and left:
        m.postpone(frame, RETURN, m.store.take(start))
        m.settle(start, left, False)
        return NORMAL
    m.settle(start, left, True)
    if signal == RETURN:
        return RETURN
    return NORMAL if signal == BREAK else block(m, frame, orelse)


# --- with and try ----------------------------------------------------------------------------------------------------


def _with(m: Machine, frame: Frame, node: p.With) -> str:
    around = m.state.cells.get(hooks.LEAVING)

    def body() -> str:
        signal = block(m, frame, node.body)
        m.set(m.state, hooks.LEAVING, m.span(frame, node.body[-1]))
        return signal

    try:
        return contexts.enter(m, frame, node.items, body)
    finally:
        m.set(m.state, hooks.LEAVING, around)


def _try(m: Machine, frame: Frame, node: p.Try) -> str:
    mark = m.state.cells.get("trying", 0)
    m.set(m.state, "trying", mark + 1)
    try:
        with expected.during(m, expected.trying(m, node.handlers)):
            signal = block(m, frame, node.body)
    except Raised as raised:
        m.set(m.state, "trying", mark)
        caught = _handle(m, frame, node, raised)
        if caught is None:
            raise
        signal = caught
    else:
        m.set(m.state, "trying", mark)
        if signal == NORMAL:
            signal = block(m, frame, node.orelse)
    finally:
        m.set(m.state, "trying", mark)
        final = block(m, frame, node.final)
    return final if final != NORMAL else signal


def _handle(m: Machine, frame: Frame, node: p.Try, raised: Raised) -> str | None:
    """Run the handler that catches it; None if there is none."""
    for handler in node.handlers:
        if _catches(m, frame, handler, raised):
            if handler.name:
                attributes.assign_name(
                    m, frame, handler.name, raised.value or Unknown(handler.name), m.span(frame, handler)
                )
            return block(m, frame, handler.body)
    return None


def _catches(m: Machine, frame: Frame, handler: p.Handler, raised: Raised) -> bool:
    if handler.type is None:
        return True
    wanted = evaluate(m, frame, handler.type)
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if isinstance(raised.value, Instance):
        return any(classes.is_subclass(raised.value.cls, k) is not False for k in kinds)
    if raised.kind == EXPLICIT or not raised.kind:
        return True
    names = {k.name.rsplit(".", 1)[-1] for k in kinds if isinstance(k, Lib)}
    return bool(names & builtin.exception_bases(raised.kind)) or any(not isinstance(k, Lib) for k in kinds)


def _unknown(m: Machine, frame: Frame, node: p.UnknownStmt) -> str:
    return NORMAL


EXECUTE: dict[type, Callable[[Machine, Frame, Any], str]] = {
    p.ExprStmt: _expression,
    p.Assign: _assign,
    p.AnnAssign: _annotated,
    p.AugAssign: _augmented,
    p.Delete: _delete,
    p.If: _if,
    p.For: _for,
    p.While: _while,
    p.With: _with,
    p.Try: _try,
    p.FunctionDef: _function,
    p.ClassDef: _class,
    p.Return: _return,
    p.Raise: _raise,
    p.Assert: _assert,
    p.Global: _pass,
    p.Nonlocal: _pass,
    p.Import: _import,
    p.ImportFrom: _import_from,
    p.Pass: _pass,
    p.Break: _break,
    p.Continue: _continue,
    p.Match: _match,
    p.UnknownStmt: _unknown,
}
