"""module-requires-grad: the method that reaches the parameters, or the attribute spelt right."""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding, Range
from gradlint.fixes import Repair, Shop


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """`module.requires_grad = x` to `module.requires_grad_(x)`; `p.require_grad` to `p.requires_grad`."""
    source = shop.sources[finding.file]
    node = source.at(finding.range)
    statement = source.statement(node) if node is not None else None
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target = statement.targets[0]
    if not isinstance(target, ast.Attribute):
        return None
    if target.attr == "requires_grad":
        content = f"{source.receiver(target)}.requires_grad_({source.words(statement.value)})"
        return Repair("method", (Edit(source.file, source.place(statement), content),))
    start = source.position(source.offset(source.place(target).end) - len(target.attr))
    return Repair("spelling", (Edit(source.file, Range(start, source.place(target).end), "requires_grad"),))
