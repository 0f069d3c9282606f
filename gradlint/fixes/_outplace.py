"""Operations that write into their input, written so that they make a new tensor."""

from __future__ import annotations

import ast

from gradlint.finding import Edit
from gradlint.fixes._keywords import without_keyword
from gradlint.fixes._source import Source, atom

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**",
}  # fmt: skip
_TIGHT = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


def outplace(source: Source, node: ast.expr | ast.stmt) -> list[Edit]:
    """The edits after which an operation, with those made in the same statement, leaves its input alone."""
    statement = source.statement(node)
    if isinstance(node, ast.Call):
        made = [node, *(n for n in ast.walk(statement or node) if isinstance(n, ast.Call))]
        flags = dict.fromkeys(
            (call, k) for call in made for k in call.keywords if k.arg == "inplace" and _is_on(k.value)
        )
        if not _is_inplace(node) or (isinstance(statement, ast.Expr) and statement.value is node):
            return _assigned(source, node) if _is_inplace(node) else []
        return [without_keyword(source, *flag) for flag in flags]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        sign = _OPERATORS.get(type(statement.op))
        value = source.words(statement.value) if isinstance(statement.value, _TIGHT) else atom(source, statement.value)
        name = statement.target.id
        return [Edit(source.file, source.place(statement), f"{name} = {name} {sign} {value}")] if sign else []
    return []


def _assigned(source: Source, call: ast.Call) -> list[Edit]:
    """`x = f(x)` for a call whose only effect was to write into `x`."""
    name = call.args[0] if call.args else None
    if not isinstance(name, ast.Name):
        return []
    flag = next(k for k in call.keywords if k.arg == "inplace")
    return [source.inserted(source.place(call).start, f"{name.id} = "), without_keyword(source, call, flag)]


def _is_inplace(call: ast.Call) -> bool:
    return any(k.arg == "inplace" and _is_on(k.value) for k in call.keywords)


def _is_on(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
