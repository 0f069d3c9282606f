"""dead-hook: the module is called, so that its hooks run. Hooks at the wrong time are left: which statement moves is a
decision.
"""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding, Range
from gradlint.fixes import Repair, Shop

BYPASSED = "forward() runs no hooks"  #: the label of the step where a module's forward is called directly


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """`module(x)` for `module.forward(x)`."""
    for step in finding.path:
        source = shop.sources[step.file]
        call = source.expression(step.range) if step.role == "cause" and step.label == BYPASSED else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "forward":
            start, end = source.before_attribute(call.func), source.place(call.func).end
            return Repair("call", (Edit(source.file, Range(start, end), ""),))
    return None
