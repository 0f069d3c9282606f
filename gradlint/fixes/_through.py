"""Letting the gradient through a cut, whatever it is: what several rules repair in one way.

The cut of a finding is one expression. What is written there decides what an expert would type instead; where none of the
known ways fits, nothing is offered.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradlint.edits import clash
from gradlint.finding import Edit, Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._bindings import Bindings
from gradlint.fixes._cuts import uncut
from gradlint.fixes._functions import replaced
from gradlint.fixes._keywords import with_keyword
from gradlint.fixes._live import freed_before_use, with_display
from gradlint.fixes._modes import enabled
from gradlint.fixes._rebuilt import rebuilt
from gradlint.fixes._smooth import passed_by, reparameterised
from gradlint.fixes._source import Source

_GRADIENTS = ("grad", "backward")


def through(finding: Finding, shop: Shop, name: str) -> Repair | None:
    """The repair of this name that takes the cut away where the finding stands."""
    source = shop.sources[finding.file]
    node = source.expression(finding.range)
    if node is None or freed_before_use(finding, shop):
        return None
    freed = enabled(source, node)
    if freed is not None:
        edits, live = freed
        return with_display(finding, shop, Repair(name, tuple(edits)), *live, tensors=False)
    known = bindings(finding, shop)
    made = taken(source, node, known)
    if not made:
        return None
    beside = [n for n in _beside(finding, source, node) if isinstance(n, ast.Call)]
    made += [edit for other in beside for edit in taken(source, other, known) or () if not clash([*made, edit])]
    return with_display(finding, shop, Repair(name, tuple(made)), node, *beside)


def _beside(finding: Finding, source: Source, node: ast.expr) -> Iterator[ast.expr]:
    """The further cuts of the way in the same statement: one of them live would hide the others."""
    for step in finding.path:
        other = source.expression(step.range) if step.role == "cut" and step.file == finding.file else None
        if other is not None and other is not node and source.statement(other) is source.statement(node):
            yield other


def bindings(finding: Finding, shop: Shop) -> Bindings:
    """What names stand for in the files of a finding."""
    files = dict.fromkeys((finding.file, *(s.file for s in finding.path)))
    return Bindings([shop.sources[file] for file in files])


def taken(source: Source, node: ast.expr, known: Bindings) -> list[Edit] | None:
    """The edits that take a cut away that is one expression."""
    if isinstance(node, ast.Call) and source.words(node.func).rpartition(".")[2] in _GRADIENTS:
        return [with_keyword(source, node, "create_graph", "True")]
    text = rebuilt(source, node, known)
    if text is not None:
        return source.rewritten(node, text, *source.module("torch")[1])
    if isinstance(node, ast.Call) and (made := replaced(source, node)):
        return made
    return reparameterised(source, node, known) or passed_by(source, node) or uncut(source, node)
