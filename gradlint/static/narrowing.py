"""What the outcome of a test tells about the variable, or the tensor, that is tested."""

from __future__ import annotations

from typing import Any

from gradlint.static import attributes, builtin, expressions, tensors
from gradlint.static import program as p
from gradlint.static.joins import join_values
from gradlint.static.literals import read_literal
from gradlint.static.machine import Machine
from gradlint.static.values import Alt, Frame, Lib, Scalar, Unknown, Val


def narrow(m: Machine, frame: Frame, test: p.Expr, value: Val, outcome: bool) -> None:
    """Inside a branch: what the tested expression's outcome tells about the tested variable or tensor."""
    if isinstance(test, p.Unary) and test.op == "not":
        narrow(m, frame, test.operand, expressions.negated(value), not outcome)
        return
    if isinstance(value, Scalar) and value.about:
        kind, subject = value.about
        if kind.startswith("not "):
            kind, outcome = kind[4:], not outcome
        if kind in ("and", "or") and outcome == (kind == "and"):
            for part in subject:
                narrow(m, frame, test, Scalar(about=part), outcome)
        if kind == "requires_grad" and outcome:
            tensors.assume_live(m, subject)
    narrow_name(m, frame, test, outcome)


def narrow_name(m: Machine, frame: Frame, test: p.Expr, outcome: bool) -> None:
    """Keep the alternatives of a name that fit the outcome of `x`, `x is None`, `isinstance(x, C)`; what equals a text is that."""
    if not isinstance(test, (p.Name, p.Compare, p.Call)):
        return
    name, texts = _texts(test) if outcome else ("", [])
    if texts and isinstance(expressions.lookup(m, frame, name), Unknown):
        m.set(expressions.scope_of(frame, name), name, join_values(m, texts))
    subject, keep = _tested(m, frame, test)
    if subject is None or keep is None:
        return
    value = expressions.lookup(m, frame, subject)
    if not isinstance(value, Alt):
        return
    kept = tuple(o for o in value.options if keep(o) in (outcome, None))
    if kept and len(kept) < len(value.options):
        m.set(expressions.scope_of(frame, subject), subject, kept[0] if len(kept) == 1 else Alt(kept))


def _tested(m: Machine, frame: Frame, test: p.Expr) -> tuple[str | None, Any]:
    match test:
        case p.Name():
            return test.id, lambda o: attributes.truth(m, o)
        case p.Compare(left=p.Name() as name, ops=(op,), comparators=(p.Const(kind="none"),)) if op in ("is", "is not"):
            wanted = op == "is"
            return name.id, lambda o: None if isinstance(o, Unknown) else (o is None) == wanted
        case p.Call(func=p.Name(id="isinstance"), args=(p.Arg(value=p.Name() as name), p.Arg(value=cls))):
            kind = expressions.evaluate(m, frame, cls)
            return name.id, lambda o: builtin.is_instance(m, o, kind)
        case p.Call(
            func=p.Attribute(attr="is_tensor") | p.Name(id="is_tensor") as func, args=(p.Arg(value=p.Name() as name),)
        ):
            called = expressions.evaluate(m, frame, func)
            if isinstance(called, Lib) and called.name == "torch.is_tensor":
                return name.id, lambda o: builtin.is_instance(m, o, Lib(tensors.TENSOR))
    return None, None


def _texts(test: p.Expr) -> tuple[str, list[Val]]:
    """The name in `x == "text"` or `x in ("this", "that")`, and the texts that it is one of where that is true."""
    match test:
        case p.Compare(left=p.Name(id=name), ops=("==",), comparators=(p.Const() as one,)):
            given: tuple[p.Expr, ...] = (one,)
        case p.Compare(
            left=p.Name(id=name), ops=("in",), comparators=(p.TupleExpr() | p.ListExpr() | p.SetExpr() as several,)
        ):
            given = several.elements
        case _:
            return "", []
    texts = [read_literal(e.text) for e in given if isinstance(e, p.Const) and e.kind == "str"]
    return name, texts if len(texts) == len(given) else []
