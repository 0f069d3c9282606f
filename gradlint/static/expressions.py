"""Evaluating expressions: one function per kind of node, found in `EVALUATE`.

An operation on known Python values is done; one that meets a tensor, an array or an unknown goes to `tensors`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from gradlint.static import (
    attributes,
    builtin,
    calls,
    containers,
    counters,
    modes,
    narrowing,
    overwrites,
    tensors,
    unbound,
    untaken,
)
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.budget import UNROLL
from gradlint.static.joins import join_values
from gradlint.static.literals import read_literal
from gradlint.static.machine import NORMAL, Machine
from gradlint.static.operators import binary_constants, compare_constants, short, unary_constant
from gradlint.static.store import MISSING
from gradlint.static.values import (
    Alt,
    Array,
    DictObj,
    Frame,
    ListObj,
    ModuleObj,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    dict_items,
    is_raw,
    options,
)  # fmt: skip


def evaluate(m: Machine, frame: Frame, node: p.Expr) -> Val:
    """The value of an expression; it is evaluated exactly once."""
    m.step()
    return EVALUATE[type(node)](m, frame, node)


@lru_cache(maxsize=4096)
def constant_value(kind: str, text: str) -> Any:
    """The Python value of a literal."""
    return read_literal(text)


def _const(m: Machine, frame: Frame, node: p.Const) -> Val:
    return constant_value(node.kind, node.text)


# --- names -----------------------------------------------------------------------------------------------------------


def lookup(m: Machine, frame: Frame, name: str) -> Val:
    """The value of a name, by Python's scoping; an unresolved one is unknown."""
    home = scope_of(frame, name)
    value = home.cells.get(name, MISSING)
    if value is MISSING and home is not frame.module:
        value = frame.module.cells.get(name, MISSING)
    if value is MISSING:
        value = builtin.named(m, name)
    if value is MISSING:
        value = Unknown(name)
        if isinstance(home, ModuleObj):
            m.store.keep(home, name, value)  # the same unknown at every reading
            unbound.note(m, home, name)
    if value is None:
        m.note_absent(home, name)
    return value


def scope_of(frame: Frame, name: str) -> Frame | ModuleObj:
    """Where a name lives that is read or written in this frame."""
    if name in frame.scope.globals:
        return frame.module
    if name in frame.scope.nonlocals:
        return _enclosing(frame.parent, name) or frame.module
    if name in frame.scope.locals:
        return frame if frame.parent is not None or frame.function is not None else frame.module
    return _enclosing(frame.parent, name) or frame.module


def _enclosing(frame: Frame | None, name: str) -> Frame | None:
    while frame is not None:
        is_class_body = frame.function is None and isinstance(frame.cells.get("$class", None), bool)
        if (
            name in frame.scope.locals
            and not is_class_body
            and (frame.parent is not None or frame.function is not None)
        ):
            return frame
        frame = frame.parent
    return None


def _name(m: Machine, frame: Frame, node: p.Name) -> Val:
    return lookup(m, frame, node.id)


# --- access ----------------------------------------------------------------------------------------------------------


def _attribute(m: Machine, frame: Frame, node: p.Attribute) -> Val:
    value = evaluate(m, frame, node.value)
    span = m.span(frame, node)
    if isinstance(value, Alt):
        found = m.alternatives(value, lambda v: attributes.read(m, frame, v, node.attr, span))
    else:
        found = attributes.read(m, frame, value, node.attr, span)
    if isinstance(found, Tensor) and not isinstance(value, Tensor):
        m.tape.capture(found.cells["$node"], "read", span, m.text(span))
        overwrites.take_up(m, found)
    return found


def _subscript(m: Machine, frame: Frame, node: p.Subscript) -> Val:
    value = evaluate(m, frame, node.value)
    index = evaluate(m, frame, node.index)
    span = m.span(frame, node)
    if isinstance(value, Alt):
        found = m.alternatives(value, lambda v: containers.get_item(m, frame, v, index, span))
    else:
        found = containers.get_item(m, frame, value, index, span)
    if isinstance(found, Tensor) and not isinstance(value, Tensor):
        m.tape.capture(found.cells["$node"], "read", span, m.text(span))
        overwrites.take_up(m, found)
    return found


def _slice(m: Machine, frame: Frame, node: p.SliceExpr) -> Val:
    parts = [None if e is None else evaluate(m, frame, e) for e in (node.lower, node.upper, node.step)]
    return containers.Slice(*parts)


def _starred(m: Machine, frame: Frame, node: p.Starred) -> Val:
    return evaluate(m, frame, node.value)


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(m: Machine, frame: Frame, node: p.Call) -> Val:
    callee = evaluate(m, frame, node.func)
    args = Args(m.span(frame, node), frame)
    for given in node.args:
        value = evaluate(m, frame, given.value)
        if given.star == "*":
            _spread(m, frame, value, args)
        elif given.star == "**":
            _spread_keywords(m, value, args)
        elif given.keyword:
            args.keywords[given.keyword] = value
        else:
            args.positional.append(value)
    return calls.call(m, callee, args)


def _spread(m: Machine, frame: Frame, value: Val, args: Args) -> None:
    known, exact = containers.sequence(m, frame, value, args.span)
    args.positional.extend(known)
    args.rest = args.rest or not exact


def _spread_keywords(m: Machine, value: Val, args: Args) -> None:
    if isinstance(value, DictObj):
        for key, held in dict_items(value):
            if isinstance(key, str):
                args.keywords[key] = held
        args.rest = args.rest or bool(value.cells.get("$open", False) is True)
    else:
        args.rest = True
        args.more.append(value)


# --- operators -------------------------------------------------------------------------------------------------------


def _binary(m: Machine, frame: Frame, node: p.Binary) -> Val:
    left = evaluate(m, frame, node.left)
    right = evaluate(m, frame, node.right)
    return binary(m, frame, node.op, left, right, m.span(frame, node))


def binary(m: Machine, frame: Frame, op: str, left: Val, right: Val, span: Any) -> Val:
    """`left op right` for any values."""
    if isinstance(left, Alt) or isinstance(right, Alt):
        return m.alternatives(left, lambda a: m.alternatives(right, lambda b: binary(m, frame, op, a, b, span)))
    if (left is None and is_operand(right)) or (right is None and is_operand(left)):
        raise Raised(f"unsupported operand type(s) for {op}: 'NoneType'", kind="TypeError", place=m.absent)
    known = binary_constants(op, left, right)
    if known is not NotImplemented:
        return known
    special = containers.binary(m, op, left, right)
    if special is not NotImplemented:
        return special
    overloaded = calls.operator_method(m, frame, op, left, right, span)
    if overloaded is not NotImplemented:
        return overloaded
    return tensors.binary(m, op, left, right, span)


def is_operand(value: Val) -> bool:
    """Whether a value certainly has no arithmetic with None."""
    return isinstance(value, (Tensor, Array, int, float))


def _unary(m: Machine, frame: Frame, node: p.Unary) -> Val:
    value = evaluate(m, frame, node.operand)
    if node.op == "not":
        known = truth(m, value)
        return negated(value) if known is None else not known
    span = m.span(frame, node)

    def one(option: Val) -> Val:
        known = unary_constant(node.op, option)
        return tensors.unary(m, node.op, option, span) if known is NotImplemented else known

    return m.alternatives(value, one)


def negated(value: Val) -> Scalar:
    """`not value` for an unknown truth: what it tests is kept."""
    about = value.about if isinstance(value, Scalar) else None
    if about is None:
        return Scalar()
    return Scalar(about=(about[0][4:] if about[0].startswith("not ") else f"not {about[0]}", about[1]))


def _bool_op(m: Machine, frame: Frame, node: p.BoolOp) -> Val:
    left = evaluate(m, frame, node.left)
    known = truth(m, left)
    if known is not None:
        return evaluate(m, frame, node.right) if known == (node.op == "and") else left
    results: list[Val] = [_falsy(left) if node.op == "and" else _truthy(left)]

    def right() -> str:
        narrowing.narrow(m, frame, node.left, left, node.op == "and")
        results.append(evaluate(m, frame, node.right))
        return NORMAL

    m.branch(frame, [lambda: NORMAL, right])
    parts = tuple(v.about for v in (left, results[-1]) if isinstance(v, Scalar) and v.about)
    if parts and all(isinstance(r, (bool, Scalar)) for r in results if r is not MISSING):
        return Scalar(about=(node.op, parts))
    return join_values(m, [r for r in results if r is not MISSING])


def _falsy(value: Val) -> Val:
    kept = [o for o in options(value) if not (is_raw(o) and o)]
    return Alt(tuple(kept)) if len(kept) > 1 else (kept[0] if kept else MISSING)


def _truthy(value: Val) -> Val:
    kept = [o for o in options(value) if not (is_raw(o) and not o)]
    return Alt(tuple(kept)) if len(kept) > 1 else (kept[0] if kept else MISSING)


def _compare(m: Machine, frame: Frame, node: p.Compare) -> Val:
    left = evaluate(m, frame, node.left)
    result: Val = True
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = evaluate(m, frame, part)
        result = compare(m, frame, op, left, right, m.span(frame, node))
        if truth(m, result) is False:
            return result
        left = right
    return result


def compare(m: Machine, frame: Frame, op: str, left: Val, right: Val, span: Any) -> Val:
    """One comparison; reading a gradient to compare it with None asks for nothing."""
    if op in ("is", "is not"):
        return attributes.identity(m, op, left, right)
    if isinstance(left, Alt) or isinstance(right, Alt):
        return m.alternatives(left, lambda a: m.alternatives(right, lambda b: compare(m, frame, op, a, b, span)))
    known = compare_constants(op, left, right)
    if known is not NotImplemented:
        return known
    if op in ("in", "not in"):
        return containers.contains(m, op, left, right)
    if op in ("==", "!=") and isinstance(left, ListObj) and isinstance(right, ListObj):
        return containers.equal(op, left, right)
    return tensors.compare(m, op, left, right, span)


def truth(m: Machine, value: Val) -> bool | None:
    """True, False, or None where nobody can tell."""
    answers = {attributes.truth(m, option) for option in options(value)}
    return answers.pop() if len(answers) == 1 else None


def _if_exp(m: Machine, frame: Frame, node: p.IfExp) -> Val:
    test = evaluate(m, frame, node.test)
    known = truth(m, test)
    if known is not None:
        untaken.pass_over(m, frame, [node.orelse if known else node.body])
        return evaluate(m, frame, node.body if known else node.orelse)
    results: list[Val] = []

    def arm(part: p.Expr, outcome: bool) -> Callable[[], str]:
        def run() -> str:
            narrowing.narrow(m, frame, node.test, test, outcome)
            results.append(evaluate(m, frame, part))
            return NORMAL

        return run

    m.branch(frame, [arm(node.body, True), arm(node.orelse, False)])
    return join_values(m, results)


def _named(m: Machine, frame: Frame, node: p.NamedExpr) -> Val:
    value = evaluate(m, frame, node.value)
    attributes.assign_name(m, frame, node.target.id, value, m.span(frame, node))
    return value


# --- literals of containers, functions -------------------------------------------------------------------------------


def _elements(m: Machine, frame: Frame, parts: tuple[p.Expr, ...]) -> tuple[list[Val], bool]:
    values: list[Val] = []
    exact = True
    for part in parts:
        if isinstance(part, p.Starred):
            known, sure = containers.sequence(m, frame, evaluate(m, frame, part.value), m.span(frame, part))
            values.extend(known)
            exact = exact and sure
        else:
            values.append(evaluate(m, frame, part))
    return values, exact


def _list(m: Machine, frame: Frame, node: p.ListExpr) -> Val:
    values, exact = _elements(m, frame, node.elements)
    return ListObj(values, "list", not exact)


def _set(m: Machine, frame: Frame, node: p.SetExpr) -> Val:
    values, exact = _elements(m, frame, node.elements)
    return containers.make_set(values, exact)


def _tuple(m: Machine, frame: Frame, node: p.TupleExpr) -> Val:
    values, exact = _elements(m, frame, node.elements)
    return tuple(values) if exact else ListObj(values, "tuple", True)


def _dict(m: Machine, frame: Frame, node: p.DictExpr) -> Val:
    made = DictObj()
    for item in node.items:
        value = evaluate(m, frame, item.value) if item.key is None else None
        if item.key is None:
            containers.update(m, made, value)
        else:
            key = evaluate(m, frame, item.key)
            containers.set_key(m, made, key, evaluate(m, frame, item.value), m.span(frame, item))
    return made


def _lambda(m: Machine, frame: Frame, node: p.Lambda) -> Val:
    return calls.make_function(m, frame, node)


def _comprehension(m: Machine, frame: Frame, node: p.Comprehension) -> Val:
    inner = Frame(frame.module, node.scope, frame, frame.function)
    inner.receiver = frame.receiver
    inner.start = m.store.mark()
    found: list[tuple[Val, Val]] = []
    exact = _run_clauses(m, inner, frame, node, 0, found)
    if node.kind == "dict":
        made = DictObj()
        for key, value in found:
            if isinstance(key, (Scalar, Unknown)):  # a round of its own, so perhaps another key
                value = join_values(m, [held for other, held in found if other is key])
            containers.set_key(m, made, key, value, m.span(frame, node))
        if not exact:
            m.set(made, "$open", True)
        return made
    values = [value for _, value in found]
    if node.kind == "set":
        return containers.make_set(values, exact)
    return counters.as_long(ListObj(values, "list", not exact), inner)


def _run_clauses(
    m: Machine, inner: Frame, outer: Frame, node: p.Comprehension, depth: int, found: list[tuple[Val, Val]]
) -> bool:
    if depth == len(node.clauses):
        key = evaluate(m, inner, node.key) if node.key is not None else None
        found.append((key, evaluate(m, inner, node.element)))
        return True
    clause = node.clauses[depth]
    iterable = evaluate(m, outer if depth == 0 else inner, clause.iter)
    known, exact = containers.rounds(m, inner, iterable, m.span(inner, clause.iter), UNROLL * 4)
    if isinstance(iterable, ListObj) and counters.GROWN in iterable.cells:
        inner.cells[counters.GROWN] = True
    sure = exact
    for element in known:
        attributes.assign(m, inner, clause.target, element)
        tests = [evaluate(m, inner, c) for c in clause.conditions]
        answers = [truth(m, t) for t in tests]
        if False in answers:
            continue
        for condition, test in zip(clause.conditions, tests, strict=True):
            narrowing.narrow(m, inner, condition, test, True)
        exact = exact and None not in answers
        with m.turning(sure and None not in answers):
            exact = _run_clauses(m, inner, outer, node, depth + 1, found) and exact
    return exact


def _fstring(m: Machine, frame: Frame, node: p.FString) -> Val:
    values = [evaluate(m, frame, part) for part in node.parts]
    written = m.text(m.span(frame, node), 10_000)
    if all(isinstance(v, (str, int, float, bool)) for v in values) and not set(written) & {":", "!"}:
        with suppress(ValueError):  # an integer may have more digits than Python writes
            return short("".join(map(str, values)))  # no format spec, no conversion
    return Scalar()


def _await(m: Machine, frame: Frame, node: p.Await) -> Val:
    return evaluate(m, frame, node.value)


def _yield(m: Machine, frame: Frame, node: p.Yield) -> Val:
    value = evaluate(m, frame, node.value) if node.value is not None else None
    owner = frame
    while owner.yields is None and owner.parent is not None and owner.parent.function is owner.function:
        owner = owner.parent
    if callable(owner.yields):
        owner.yields(value)
    elif isinstance(owner.yields, list):
        modes.note_yield(m, owner)
        if node.delegate:
            owner.yields.extend(containers.sequence(m, frame, value, m.span(frame, node))[0])
        else:
            owner.yields.append(value)
    return Unknown("sent value")


def _unknown(m: Machine, frame: Frame, node: p.UnknownExpr) -> Val:
    return Unknown(node.kind)


EVALUATE: dict[type, Callable[[Machine, Frame, Any], Val]] = {
    p.Const: _const,
    p.Name: _name,
    p.Attribute: _attribute,
    p.Subscript: _subscript,
    p.SliceExpr: _slice,
    p.Call: _call,
    p.Binary: _binary,
    p.Unary: _unary,
    p.BoolOp: _bool_op,
    p.Compare: _compare,
    p.IfExp: _if_exp,
    p.Lambda: _lambda,
    p.ListExpr: _list,
    p.TupleExpr: _tuple,
    p.SetExpr: _set,
    p.DictExpr: _dict,
    p.Starred: _starred,
    p.Comprehension: _comprehension,
    p.NamedExpr: _named,
    p.FString: _fstring,
    p.Await: _await,
    p.Yield: _yield,
    p.UnknownExpr: _unknown,
}
