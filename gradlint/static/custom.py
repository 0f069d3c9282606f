"""`torch.autograd.Function`: `forward` is run for its values, `backward` is read for the way back.

What a `return` of the backward gives an input is read from its text: a literal None, zeros, or anything else, which carries.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gradlint.static import calls, classes
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.modes import entered
from gradlint.static.program import (
    Arg,
    Assign,
    Attribute,
    Binary,
    Call,
    Comprehension,
    Const,
    Expr,
    FunctionDef,
    ListExpr,
    Name,
    Param,
    Return,
    Starred,
    Stmt,
    TupleExpr,
)
from gradlint.static.recording import Input
from gradlint.static.rows import compute, nodes_used
from gradlint.static.sites import below
from gradlint.static.values import ClassObj, Function, Instance, Lib, Mode, Tensor, Unknown, Val, Wrapped
from gradlint.tape import Flow, Span

CAUSE = "custom-function"
MARKED = "$marked"  #: cell of a context: the results that the program said to have no gradient
ZEROS = ("zeros_like", "new_zeros")


class Row(NamedTuple):
    """What a `return` gives the inputs, one after the other, and all that follow (none: as many as there are)."""

    flows: tuple[Flow, ...]
    rest: Flow | None = None

    def at(self, i: int) -> Flow:
        """What the input at a position gets; nothing where the row is too short for it."""
        return self.flows[i] if i < len(self.flows) else Flow.CARRIES if self.rest is None else self.rest


ANY = Row((), Flow.CARRIES)  #: a row of which nothing is known


def apply(m: Machine, cls: ClassObj, args: Args) -> Val:
    """`MyFunction.apply(*inputs)`."""
    forward, _ = classes.find(m, cls, "forward")
    inner = forward.function if isinstance(forward, Wrapped) else forward
    result: Val = Unknown("output")
    context = _context(args.span)
    if isinstance(inner, Function):
        with entered(m, Mode(False, args.span, "autograd.Function")):
            takes_context = "setup_context" not in cls.cells
            result = calls.call(m, inner, args.prepend(context) if takes_context else args)
    inputs = _inputs(m, cls, args)
    op = f"{cls.node.name}.apply()"
    marked = context.cells.get(MARKED, ())

    def output(value: Val) -> Tensor:
        apart = any(value is one for one in marked)
        given = [Input(i.node, Flow.CUTS, "non-differentiable") for i in inputs] if apart else inputs
        return Tensor(compute(m, op, given, args.span))

    return tuple(output(r) for r in result) if isinstance(result, tuple) else output(result)


def _context(span: Span) -> Instance:
    """The first argument of `forward`: it can be told which results have no gradient."""
    made = Instance(Lib("torch.autograd.function.FunctionCtx"), span)
    made.cells["mark_non_differentiable"] = Wrapped("native", None, lambda m, args: _mark(m, made, args))
    return made


def _mark(m: Machine, context: Instance, args: Args) -> Val:
    m.set(context, MARKED, (*context.cells.get(MARKED, ()), *args.positional))


def _inputs(m: Machine, cls: ClassObj, args: Args) -> list[Input]:
    rows, last = _backward(m, cls)
    inputs: list[Input] = []
    for i, value in enumerate(args.positional):
        flow = max((row.at(i) for row in rows), default=Flow.CARRIES)
        lost = flow in (Flow.CUTS, Flow.ZEROES)
        inputs += [Input(n, flow, CAUSE, reason=last) if lost else Input(n) for n in nodes_used(m, value)]
    return inputs


def _backward(m: Machine, cls: ClassObj) -> tuple[list[Row], Span | None]:
    """What each `return` of the backward gives, and where the last one stands."""
    backward, _ = classes.find(m, cls, "backward")
    inner = backward.function if isinstance(backward, Wrapped) else backward
    returns = _returns(inner.node.body) if isinstance(inner, Function) and isinstance(inner.node, FunctionDef) else []
    if not isinstance(inner, Function) or not returns:
        return [], None
    names = _names(inner.node) if isinstance(inner.node, FunctionDef) else {}
    rows = [_row(r.value, names) for r in returns if r.value is not None]
    return rows, Span(inner.module.program.file, *returns[-1].place)


def _returns(body: tuple[Stmt, ...]) -> list[Return]:
    found: list[Return] = []
    for statement in body:
        if isinstance(statement, Return):
            found.append(statement)
        for part in ("body", "orelse", "final"):
            found += _returns(getattr(statement, part, ())) if not isinstance(statement, FunctionDef) else []
        for handler in getattr(statement, "handlers", ()):
            found += _returns(handler.body)
    return found


# --- reading what is returned ----------------------------------------------------------------------------------------


def _names(node: FunctionDef) -> dict[str, Expr]:
    """The names that a backward gives once and mentions once more: nothing else can have changed what they hold.

    A parameter holds something before: `if ...: grad = None`.
    """
    body = node.body
    mentions = Counter(name.id for name in below(body, Name)) + Counter(p.name for p in below(node.params, Param))
    given = {
        a.targets[0].id: a.value for a in below(body, Assign) if len(a.targets) == 1 and isinstance(a.targets[0], Name)
    }
    return {name: value for name, value in given.items() if mentions[name] == 2}


def _row(value: Expr, names: dict[str, Expr]) -> Row:
    """What a whole returned expression gives: it may be one gradient, without a tuple around it."""
    return _several(value, names) or Row((_flow(value, names),))


def _several(value: Expr, names: dict[str, Expr]) -> Row | None:
    """The row that an expression makes; None if it may be a single gradient."""
    match value:
        case Name() if value.id in names:
            return _several(names[value.id], {k: v for k, v in names.items() if k != value.id})
        case TupleExpr() | ListExpr():
            return _joined([_part(e, names) for e in value.elements])
        case Binary(op="+"):
            sides = _several(value.left, names), _several(value.right, names)
            return None if sides == (None, None) else _joined([side or ANY for side in sides])
        case Binary(op="*", left=TupleExpr() | ListExpr() as repeated):
            return _repeated(repeated.elements, value.right, names)
        case Call(func=Name(id="tuple" | "list"), args=(Arg(value=Comprehension() as made),)):
            return Row((), _flow(made.element, names))
        case Comprehension():
            return Row((), _flow(value.element, names))
    return None


def _part(element: Expr, names: dict[str, Expr]) -> Row:
    if isinstance(element, Starred):
        return _several(element.value, names) or ANY
    return Row((_flow(element, names),))


def _joined(parts: list[Row]) -> Row:
    """One row after the other. Behind one of unknown length a position is known only if all that may stand there agree."""
    flows: list[Flow] = []
    for i, part in enumerate(parts):
        flows += part.flows
        if part.rest is not None:
            later = {part.rest, *(f for p in parts[i + 1 :] for f in (*p.flows, *([] if p.rest is None else [p.rest])))}
            return Row(tuple(flows), max(later))
    return Row(tuple(flows))


def _repeated(elements: tuple[Expr, ...], times: Expr, names: dict[str, Expr]) -> Row:
    flows = tuple(_flow(e, names) for e in elements)
    if isinstance(times, Const) and times.kind == "int":
        return Row(flows * int(times.text))
    return Row((), max(flows, default=Flow.CARRIES))


def _flow(node: Expr, names: dict[str, Expr]) -> Flow:
    """What one returned gradient gives: nothing, zeros, or something."""
    match node:
        case Name() if node.id in names:
            return _flow(names[node.id], {k: v for k, v in names.items() if k != node.id})
        case Const(kind="none"):
            return Flow.CUTS
        case Call(func=Attribute(attr=made)) if made in ZEROS:
            return Flow.ZEROES
        case Const(text="0" | "0.0"):
            return Flow.ZEROES
        case Binary(op="*") if Flow.ZEROES in (_flow(node.left, names), _flow(node.right, names)):
            return Flow.ZEROES
    return Flow.CARRIES
