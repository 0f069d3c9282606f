"""Calls that copy live tensors into a new one, and what joins the tensors themselves: `torch.stack`, or nothing at all."""

from __future__ import annotations

import ast

from gradlint.finding import Range
from gradlint.fixes._bindings import Bindings
from gradlint.fixes._cuts import core
from gradlint.fixes._source import Source, atom

_TENSORS = ("torch.tensor", "torch.as_tensor", "torch.FloatTensor", "torch.Tensor", "torch.DoubleTensor")
_MOVES = ("dtype", "device")
_CUTS = ("item", "detach", "data")  #: at the end of what is copied: it has no sense there
_DROPPED = ("requires_grad", "pin_memory")
#: a tensor of one number beside the others
_FILLED: dict[float, str] = {0: "zeros_like", 1: "ones_like"}


def rebuilt(source: Source, call: ast.expr, bindings: Bindings) -> str | None:
    """What stands in place of a call like `torch.tensor([a, b])` so that the tensors in it stay live."""
    if not isinstance(call, ast.Call):
        return None
    name = source.qualified(call.func)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if (name not in _TENSORS and method != "new_tensor") or len(call.args) != 1:
        return None
    moves = [k for k in call.keywords if k.arg in _MOVES]
    if len(moves) + sum(k.arg in _DROPPED for k in call.keywords) < len(call.keywords):
        return None
    made = _Joined(source, bindings).of(call.args[0])
    if made is None or not moves:
        return made
    held = made if ".stack(" in made else atom(source, core(call.args[0], _CUTS))
    return f"{held}.to({', '.join(source.between(source.place(k)) for k in moves)})"


class _Joined:
    """What joins the tensors of a literal or of a list."""

    def __init__(self, source: Source, bindings: Bindings) -> None:
        self.source = source
        self.bindings = bindings
        self.torch = source.module("torch")[0]

    def of(self, node: ast.expr) -> str | None:
        """The text for the data of a call; None where it is not known what that is."""
        if isinstance(node, ast.List | ast.Tuple):
            return self._literal(node)
        node = core(node, _CUTS)
        listed = self.bindings.is_list(self.source, node)
        if listed is None or (isinstance(node, ast.ListComp) and isinstance(node.elt, ast.List | ast.Tuple)):
            return None
        return f"{self.torch}.stack({self._words(node)})" if listed else self.source.words(node)

    def _words(self, node: ast.expr) -> str:
        """The text of a list; of a comprehension, with the live element."""
        if not isinstance(node, ast.ListComp):
            return self.source.words(node)
        kept = core(node.elt, _CUTS)
        loop = node.generators[0]
        plain = len(node.generators) == 1 and not loop.ifs and self.bindings.is_list(self.source, loop.iter)
        if plain and self.source.words(kept) == self.source.words(loop.target):
            return self.source.words(loop.iter)
        end = self.source.place(node.elt).end
        return f"[{self.source.words(kept)}{self.source.between(Range(end, self.source.place(node).end))}"

    def _literal(self, node: ast.List | ast.Tuple) -> str | None:
        like = next((n for n in _flat(node) if self._is_tensor(n)), None)
        if like is None or any(isinstance(n, ast.Starred) for n in _flat(node)):
            return None
        parts = [self._part(element, like) for element in node.elts]
        whole = f"{self.torch}.stack([{', '.join(p for p in parts if p)}])"
        return None if None in parts or "\n" in whole else whole

    def _part(self, node: ast.expr, like: ast.expr) -> str | None:
        if isinstance(node, ast.List | ast.Tuple):
            parts = [self._part(element, like) for element in node.elts]
            return None if None in parts else f"{self.torch}.stack([{', '.join(p for p in parts if p)}])"
        number = _number(node)
        if number is not None and isinstance(like, ast.Name | ast.Attribute):
            model = self.source.words(like)
            filled = _FILLED.get(number)
            return f"{self.torch}.{filled}({model})" if filled else f"{self.torch}.full_like({model}, {number})"
        words = self.source.words(core(node, _CUTS))
        return words if self._is_tensor(node) else f"{self.torch}.as_tensor({words})"

    def _is_tensor(self, node: ast.expr) -> bool:
        kept = core(node, _CUTS)
        return _number(kept) is None and not self.bindings.is_number(self.source, kept)


def _flat(node: ast.expr) -> list[ast.expr]:
    """The elements of a nested literal; names first, which can stand for the others."""
    inner = [n for e in node.elts for n in _flat(e)] if isinstance(node, ast.List | ast.Tuple) else [node]
    return sorted(inner, key=lambda n: not isinstance(n, ast.Name | ast.Attribute))


def _number(node: ast.expr) -> int | float | None:
    """The number that is written here."""
    sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    value = inner.value if isinstance(inner, ast.Constant) else None
    return sign * value if isinstance(value, int | float) and not isinstance(value, bool) else None
