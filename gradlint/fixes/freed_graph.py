"""freed-graph: `retain_graph=True` in the first call, which freed what the second one needs, or what is carried over detached."""

from __future__ import annotations

import ast

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._carried import detached_constant, detached_state
from gradlint.fixes._keywords import with_keyword
from gradlint.fixes._source import Source


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Detach a state that is carried on, else give the call that freed the graph the keyword; in a loop it is the same one.

    Where an optimizer steps in between a retained graph is of no use: there only what was computed once is detached.
    """
    if state := detached_state(finding, shop):
        return Repair("detach-state", state)
    for step in finding.path:
        source = shop.sources[step.file]
        call = source.expression(step.range) if step.role == "cause" else None
        if isinstance(call, ast.Call) and not _stepped(source, call):
            return Repair("retain-graph", (with_keyword(source, call, "retain_graph", "True"),))
    constant = detached_constant(finding, shop)
    return Repair("detach-constant", constant) if constant else None


def _stepped(source: Source, call: ast.Call) -> bool:
    """Whether an optimizer steps beside it: the retained graph then holds weights that have changed, and raises."""
    around = source.function(call) or source.tree
    calls = (n for n in ast.walk(around) if isinstance(n, ast.Call))
    return any(isinstance(n.func, ast.Attribute) and n.func.attr == "step" for n in calls)
