"""Operations without a useful derivative that have one when written otherwise: a reparameterised sample, a rounding that
the gradient passes by.
"""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Range
from gradlint.fixes._bindings import Bindings
from gradlint.fixes._functions import replacements
from gradlint.fixes._source import Source, atom

_ROUNDINGS = ("round", "floor", "ceil", "trunc", "fix")
_DISTRIBUTIONS = "torch.distributions."
#: what may be computed twice: the value is the same, and it costs little
_PLAIN = (
    ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Subscript, ast.operator, ast.unaryop, ast.expr_context,
    ast.Slice, ast.Tuple,
)  # fmt: skip


def reparameterised(source: Source, node: ast.expr, bindings: Bindings) -> list[Edit] | None:
    """`.rsample()` for `.sample()` of distributions that have it."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sample"):
        return None
    makers = bindings.makers(source, node.func.value)
    if not makers or not all(_has_rsample(maker) for maker in makers):
        return None
    end = source.place(node.func).end
    start = source.position(source.offset(end) - len("sample"))
    return [Edit(source.file, Range(start, end), "rsample")]


def _has_rsample(maker: str) -> bool:
    front, _, name = maker.rpartition(".")
    return f"{front}.".startswith(_DISTRIBUTIONS) and name in replacements().distributions.rsample


def passed_by(source: Source, node: ast.expr) -> list[Edit] | None:
    """`x + (torch.round(x) - x).detach()` for `torch.round(x)`: the same value, and the gradient of `x`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.keywords:
        return None
    function, _, name = source.qualified(node.func).rpartition(".")
    method = function != "torch"
    if (name or node.func.attr) not in _ROUNDINGS or len(node.args) != int(not method):
        return None
    inner = node.func.value if method else node.args[0]
    if not all(isinstance(n, _PLAIN) for n in ast.walk(inner)):
        return None
    text = source.words(inner) if isinstance(inner, ast.Name | ast.Attribute | ast.Subscript) else atom(source, inner)
    if "\n" in source.words(node):
        return None
    return [source.replaced(node, f"({text} + ({source.words(node)} - {text}).detach())")]
