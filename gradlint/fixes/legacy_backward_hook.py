"""legacy-backward-hook: the full backward hook."""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Finding, Range
from gradlint.fixes import Repair, Shop


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Rename the method that registers the hook."""
    source = shop.sources[finding.file]
    call = source.expression(finding.range)
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return None
    end = source.place(call.func).end
    start = source.position(source.offset(end) - len(call.func.attr))
    return Repair("full", (Edit(source.file, Range(start, end), "register_full_backward_hook"),))
