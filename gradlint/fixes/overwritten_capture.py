"""overwritten-capture: the later operation makes a new tensor instead of writing into the captured one."""

from __future__ import annotations

from gradlint.finding import Edit, Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._outplace import outplace


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `inplace=True`, and write `x = x + y` for `x += y`."""
    edits: list[Edit] = []
    for step in finding.path:
        source = shop.sources[step.file]
        node = source.at(step.range) if step.role == "cause" else None
        if node is not None:
            edits += outplace(source, node)
    return Repair("new-tensor", tuple(dict.fromkeys(edits))) if edits else None
