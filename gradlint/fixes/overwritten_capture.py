"""overwritten-capture: the later operation makes a new tensor instead of writing into the captured one."""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._keywords import without_keyword
from gradlint.fixes._source import Source, atom

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**",
}  # fmt: skip
_TIGHT = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant)


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `inplace=True`, and write `x = x + y` for `x += y`."""
    edits: list[Edit] = []
    for step in finding.path:
        source = shop.sources[step.file]
        node = source.at(step.range) if step.role == "cause" else None
        if node is not None:
            edits += _outplace(source, node)
    return Repair("new-tensor", tuple(dict.fromkeys(edits))) if edits else None


def _outplace(source: Source, node: ast.expr | ast.stmt) -> list[Edit]:
    """The edits after which an operation, with those made in the same statement, leaves its input alone."""
    statement = source.statement(node)
    if isinstance(node, ast.Call):
        made = [node, *(n for n in ast.walk(statement or node) if isinstance(n, ast.Call))]
        flags = [(call, k) for call in made for k in call.keywords if k.arg == "inplace" and _is_on(k.value)]
        return [without_keyword(source, *flag) for flag in flags] if _is_inplace(node) else []
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        sign = _OPERATORS.get(type(statement.op))
        value = source.words(statement.value) if isinstance(statement.value, _TIGHT) else atom(source, statement.value)
        name = statement.target.id
        return [Edit(source.file, source.place(statement), f"{name} = {name} {sign} {value}")] if sign else []
    return []


def _is_inplace(call: ast.Call) -> bool:
    return any(k.arg == "inplace" and _is_on(k.value) for k in call.keywords)


def _is_on(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True
