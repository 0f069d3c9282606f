"""non-leaf-grad: `retain_grad()` below the statement that made the tensor, or that took it; or a leaf made last.

`torch.randn(3, requires_grad=True).cuda()` makes a leaf that nobody keeps. In a function it becomes
`torch.randn(3).cuda().requires_grad_()`.
"""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding, Step
from gradlint.fixes import Repair, Shop
from gradlint.fixes._keywords import without_keyword
from gradlint.fixes._source import Source


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Retain the gradient; safe only where the statement runs once, so that the tensor is known to require grad."""
    places = [(s.file, s.range) for s in (_made(finding), finding.path[0]) if s is not None]
    for file, place in places:
        source = shop.sources[file]
        node = source.at(place)
        statement = source.statement(node) if node is not None else None
        edit = _retained(source, statement) if statement is not None else None
        once = statement is not None and source.parents.get(statement) is source.tree
        if edit is not None and once and finding.confidence == "proved":
            return Repair("retain", (edit,))
        if moved := _leaf_last(source, node):
            return Repair("leaf-last", moved)
        if edit is not None:
            return Repair("retain-somewhere", (edit,))
    return None


def _leaf_last(source: Source, node: ast.AST | None) -> tuple[Edit, ...]:
    """The one `requires_grad=True` inside an expression, moved to its end."""
    if not isinstance(node, ast.expr):
        return ()
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
    flags = [(c, k) for c in calls for k in c.keywords if k.arg == "requires_grad"]
    if len(flags) != 1 or flags[0][0] is node:
        return ()
    place = source.place(node)
    atom = isinstance(node, ast.Call)
    ends = [source.inserted(place.end, ".requires_grad_()" if atom else ").requires_grad_()")]
    return (without_keyword(source, *flags[0]), *ends, *([] if atom else [source.inserted(place.start, "(")]))


def _made(finding: Finding) -> Step | None:
    return next((s for s in finding.path if s.role == "cause"), None)


def _retained(source: Source, statement: ast.stmt) -> Edit | None:
    """`x.retain_grad()` after `x = ...`, and after a hook's `store[key] = output`."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Name | ast.Attribute | ast.Subscript):
        return None
    return source.after(statement, f"{source.words(target)}.retain_grad()")
