"""hidden-cut: the new leaf goes away, with the cuts that it hides; nothing where one of them would stay."""

from __future__ import annotations

import ast

from gradlint.edits import applied
from gradlint.finding import Edit, Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._cuts import receiver, uncut_whole
from gradlint.fixes._live import with_display
from gradlint.fixes._source import Source
from gradlint.fixes._through import bindings, taken


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `requires_grad_(True)`, `x.requires_grad = True`, or the call that makes the leaf, and every cut above it."""
    source = shop.sources[finding.file]
    known = bindings(finding, shop)
    node = source.at(finding.range)
    if node is None:
        return None
    edits = _flag(source, node) or (taken(source, node, known) if isinstance(node, ast.expr) else None)
    if not edits:
        return None
    for step in finding.path:
        where = shop.sources[step.file]
        cut = where.expression(step.range) if step.role == "cut" and step.range != finding.range else None
        if cut is None or _inside(where, cut, edits):
            continue
        more = taken(where, cut, known)
        if more is None:
            return None
        edits = [*edits, *more]
    if any(_still_there(shop.sources[s.file], s.range.start.line, edits) for s in finding.path if s.role == "cut"):
        return None
    return with_display(finding, shop, Repair("leaf", tuple(edits)), node)


def _inside(source: Source, node: ast.expr, edits: list[Edit]) -> bool:
    """Whether an edit replaces this expression too."""
    place = source.place(node)
    return any(e.file == source.file and e.range.start <= place.start and place.end <= e.range.end for e in edits)


def _still_there(source: Source, line: int, edits: list[Edit]) -> bool:
    """Whether a repaired line still makes a number of a tensor: on a number nobody can call `backward`."""
    own = [e for e in edits if e.file == source.file]
    moved = sum(
        e.content.count("\n") - (e.range.end.line - e.range.start.line) for e in own if e.range.end.line <= line
    )
    lines = applied(source.text, own).split("\n")
    return ".item()" in "".join(lines[line + moved - 1 : line + moved])


def _flag(source: Source, node: ast.expr | ast.stmt) -> list[Edit] | None:
    """The edits that take the flag away."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "requires_grad_":
        return uncut_whole(source, node, receiver(node))
    statement = source.statement(node)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Attribute) and target.attr == "requires_grad":
            edit = source.removed(statement)
            return [edit] if edit else None
    return None
