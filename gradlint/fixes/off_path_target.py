"""off-path-target: the tensor itself where a clone of it was taken to be asked."""

from __future__ import annotations

import ast

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._cuts import is_postfix, receiver, uncut_whole
from gradlint.fixes._source import Source


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `.clone()`, unless what was cloned is changed in place."""
    source = shop.sources[finding.file]
    node = source.expression(finding.range)
    if node is None:
        return None
    whole = next(
        (n for n in (node, source.parents.get(node)) if isinstance(n, ast.expr) and is_postfix(n, ("clone",))), None
    )
    if whole is None:
        statement = source.statement(node)
        value = statement.value if isinstance(statement, ast.Assign) else None
        whole = value if value is not None and is_postfix(value, ("clone",)) else None
    if whole is None or _is_changed(source, whole):
        return None
    edits = uncut_whole(source, whole, receiver(whole))
    return Repair("original", tuple(edits)) if edits else None


def _is_changed(source: Source, clone: ast.expr) -> bool:
    """Whether the copy's name is written to in place: the original must not be."""
    statement = source.parents.get(clone)
    names = {source.words(t) for t in statement.targets} if isinstance(statement, ast.Assign) else set()
    for node in source.nodes:
        if isinstance(node, ast.AugAssign) and source.words(node.target) in names:
            return True
        if isinstance(node, ast.Assign):
            items = (t.value for t in node.targets if isinstance(t, ast.Subscript))
            if any(source.words(item) in names for item in items):
                return True
        method = node.attr if isinstance(node, ast.Attribute) and source.words(node.value) in names else ""
        if method.endswith("_") and not method.endswith("__") and method != "requires_grad_":
            return True
    return False
