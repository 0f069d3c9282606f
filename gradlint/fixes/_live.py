"""The repair that several rules share: the cut goes away, and copies that are shown are detached."""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._cuts import COPIES, core, is_postfix, uncut, uncut_whole
from gradlint.fixes._display import detached
from gradlint.fixes._source import Source


def kept_live(finding: Finding, shop: Shop, name: str) -> Repair | None:
    """The tensor itself instead of what was cut off it."""
    source = shop.sources[finding.file]
    node = source.expression(finding.range)
    if node is None or freed_before_use(finding, shop):
        return None
    edits = _original(source, node) if _asks_for_a_tensor(finding) else uncut(source, node)
    return with_display(finding, shop, Repair(name, tuple(edits)), node) if edits else None


def with_display(finding: Finding, shop: Shop, repair: Repair, *live: ast.AST, tensors: bool = True) -> Repair:
    """The repair, with what is exported of the expressions that it makes live detached there."""
    files = dict.fromkeys((finding.file, *(s.file for s in finding.path), *(p.file for p in finding.also)))
    sources = [shop.sources[file] for file in files]
    here = shop.sources[finding.file]
    shown = detached(shop.catalog, sources, [(here, node) for node in live], tensors=tensors)
    apart = [e for e in shown if not any(_within(e, own) for own in repair.edits)]
    return Repair(repair.name, (*repair.edits, *apart))


def freed_before_use(finding: Finding, shop: Shop) -> bool:
    """Whether a backward that keeps no graph stands above a use of the tensor on its way: its graph would be gone there."""
    if not any(s.role == "demand" and ("backward(" in s.label or "autograd.grad(" in s.label) for s in finding.path):
        return False
    roles = [step.role for step in finding.path]
    last = len(roles) - roles[::-1].index("cut") if "cut" in roles else 0
    for step in finding.path[last:]:
        source = shop.sources[step.file]
        node = source.at(step.range)
        if step.role == "step" and node is not None and _frees_above(source, node, finding):
            return True
    return False


def _frees_above(source: Source, node: ast.expr | ast.stmt, finding: Finding) -> bool:
    function = source.function(node)
    for call in source.nodes:
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("backward", "grad")
        ):
            mended = source.file == finding.file and source.place(call) == finding.range
            keeps = mended or any(k.arg in ("retain_graph", "create_graph") for k in call.keywords)
            if not keeps and function is not None and source.function(call) is function and call.lineno < node.lineno:
                return True
    return False


def _asks_for_a_tensor(finding: Finding) -> bool:
    """Whether the demand names what it wants the gradient of: then a clone of it, beside the way, is no better."""
    return not any(s.role == "demand" and "backward(" in s.label for s in finding.path)


def _within(edit: Edit, other: Edit) -> bool:
    return edit.file == other.file and edit.range.start <= other.range.end and other.range.start <= edit.range.end


def _original(source: Source, node: ast.expr) -> list[Edit] | None:
    """What was copied: a clone, or a copy on another device, is off the way too."""
    names = (*COPIES, "data", "detach_")
    whole = node
    while (parent := source.parents.get(whole)) is not None and isinstance(parent, ast.Attribute | ast.Call):
        outer = source.parents.get(parent) if isinstance(parent, ast.Attribute) and parent.attr != "data" else parent
        if not (isinstance(outer, ast.expr) and is_postfix(outer, names)):
            break
        whole = outer
    return uncut_whole(source, whole, core(whole, names)) if is_postfix(whole, names) else uncut(source, node)
