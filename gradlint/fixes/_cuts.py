"""Taking a cut away: the edits after which one expression that lost the gradient lets it through.

A cut is known by how it is written: a postfix that is dropped (`x.detach()`, `x.data`, `x.item()`), or a call that gives
way to its argument (`torch.detach(x)`, `float(x)`, `Variable(x)`).
"""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Range
from gradlint.fixes._source import Source

VARIABLE = "torch.autograd.Variable"
#: calls without arguments that only cut; the value stays what it is
_POSTFIXES = ("detach", "detach_", "item")
#: calls that give their argument back, without its history
_WRAPPERS = (
    "torch.detach",
    "torch.Tensor.detach",
    VARIABLE,
    "torch.autograd.variable.Variable",
    "float",
    "numpy.float64",
)
#: calls whose result is the same picture on another device or in other memory
COPIES = ("clone", "detach", "cpu", "contiguous")


def uncut(source: Source, node: ast.expr) -> list[Edit] | None:
    """The edits that take a cut away; None where it is not one of the known ones."""
    if is_postfix(node):
        wrapper = source.parents.get(node)
        if isinstance(wrapper, ast.Call) and _wraps(source, wrapper):
            return uncut_whole(source, wrapper, core(node, ("data", "detach", "item")))
        return uncut_whole(source, node, core(node, (postfix(node),)))
    if isinstance(node, ast.Call) and _wraps(source, node):
        inner = node.args[0]
        return uncut_whole(source, node, core(inner, ("data", "detach", "item")))
    return None


def uncut_whole(source: Source, node: ast.expr, kept: ast.expr) -> list[Edit] | None:
    """The edits that leave a part of an expression in its place; a statement that then says nothing goes away."""
    statement = source.parents.get(node)
    if isinstance(statement, ast.Expr):
        edit = source.removed(statement)
        return [edit] if edit else None
    if isinstance(statement, ast.Assign) and [source.words(t) for t in statement.targets] == [source.words(kept)]:
        return source.rewritten(node, source.words(kept)) or None
    if _continues(node, kept):
        return [_shortened(source, node, kept)]
    return [source.instead(node, kept)]


def core(node: ast.expr, names: tuple[str, ...]) -> ast.expr:
    """What is left of a chain without the last calls and attributes of these names."""
    while is_postfix(node, names):
        node = receiver(node)
    return node


def is_postfix(node: ast.expr, names: tuple[str, ...] = (*_POSTFIXES, "data")) -> bool:
    """Whether an expression is something, then `.name()` or `.data`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "data" and "data" in names
    plain = isinstance(node, ast.Call) and not node.args and not node.keywords
    return plain and isinstance(node.func, ast.Attribute) and node.func.attr in names  # type: ignore[attr-defined]


def postfix(node: ast.expr) -> str:
    """The name of the last call or attribute of a chain."""
    attribute = node.func if isinstance(node, ast.Call) else node
    return attribute.attr if isinstance(attribute, ast.Attribute) else ""


def receiver(node: ast.expr) -> ast.expr:
    """What the last call or attribute of a chain is taken from."""
    attribute = node.func if isinstance(node, ast.Call) else node
    return attribute.value if isinstance(attribute, ast.Attribute) else attribute


def _wraps(source: Source, node: ast.Call) -> bool:
    name = source.qualified(node.func)
    free = name != "float" or not any(isinstance(n, ast.FunctionDef) and n.name == "float" for n in source.nodes)
    return name in _WRAPPERS and free and len(node.args) == 1 and not isinstance(node.args[0], ast.Starred)


def _continues(node: ast.expr, kept: ast.expr) -> bool:
    """Whether a chain goes on from what is kept."""
    while node is not kept:
        if not isinstance(node, ast.Attribute | ast.Call) or node is receiver(node):
            return False
        node = receiver(node)
    return True


def _shortened(source: Source, node: ast.expr, kept: ast.expr) -> Edit:
    """The end of a chain taken away."""
    link = node
    while receiver(link) is not kept:
        link = receiver(link)
    attribute = link.func if isinstance(link, ast.Call) else link
    assert isinstance(attribute, ast.Attribute)
    return Edit(source.file, Range(source.before_attribute(attribute), source.place(node).end), "")
