"""no-graph: `requires_grad_()` on the input, where it is made as a fresh floating point tensor."""

from __future__ import annotations

import ast

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._source import Source

MADE = "made without requires_grad=True"  #: the label of the step where the input was made
_FLOATS = frozenset(
    f"torch.{name}"
    for name in ("rand", "randn", "zeros", "ones", "empty", "full", "linspace", "logspace", "normal", "eye",
                 "rand_like", "randn_like", "zeros_like", "ones_like", "full_like", "empty_like")
)  # fmt: skip
#: methods of a tensor that make another one of its kind
_SHAPES = frozenset(
    ("unsqueeze", "squeeze", "reshape", "view", "to", "cuda", "cpu", "float", "double", "half", "clone", "detach", "mul",
     "add", "sub", "div", "clamp", "uniform_", "normal_", "repeat", "expand", "permute", "transpose", "flatten")
)  # fmt: skip
_INTEGERS = ("int", "long", "bool", "short", "uint8", "int8", "int16", "int32", "int64")


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Make the input a leaf that requires grad; not where a network is trained: it would still not be."""
    if any(_trains(shop.sources[file]) for file in dict.fromkeys(s.file for s in finding.path)):
        return None
    for step in finding.path:
        source = shop.sources[step.file]
        made = source.expression(step.range) if step.role == "cause" and step.label == MADE else None
        if made is not None:
            whole = _chain(source, made)
            if _floating(source, whole):
                end = source.place(whole).end
                closed = isinstance(whole, ast.Call | ast.Name)
                content = ".requires_grad_()" if closed else ""
                return Repair("input", (source.inserted(end, content),)) if content else None
    return None


def _trains(source: Source) -> bool:
    """Whether an optimizer is made here."""
    calls = (n for n in source.nodes if isinstance(n, ast.Call))
    return any(".optim." in f".{source.qualified(call.func)}" for call in calls)


def _chain(source: Source, node: ast.expr) -> ast.expr:
    """The call, with the methods that go on from it."""
    parent = source.parents.get(node)
    while isinstance(parent, ast.Attribute) and isinstance(call := source.parents.get(parent), ast.Call):
        if parent.attr not in _SHAPES or call.func is not parent:
            break
        node, parent = call, source.parents.get(call)
    return node


def _floating(source: Source, node: ast.expr) -> bool:
    """Whether a call certainly makes a floating point tensor that nobody else has."""
    if not isinstance(node, ast.Call):
        return False
    words = source.words(node)
    if any(f".{word}" in words for word in _INTEGERS):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in _SHAPES and isinstance(node.func.value, ast.Call):
        return _floating(source, node.func.value)
    name = source.qualified(node.func)
    return name in _FLOATS or (name in ("torch.tensor", "torch.Tensor", "torch.FloatTensor") and _has_float(node))


def _has_float(node: ast.Call) -> bool:
    return any(isinstance(n, ast.Constant) and isinstance(n.value, float) for n in ast.walk(node))
