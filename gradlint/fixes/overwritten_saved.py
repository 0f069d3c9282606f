"""overwritten-saved: a new tensor instead of writing into one that a backward still needs."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._outplace import outplace


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `inplace=True`, and write `x = x + y` for `x += y`."""
    source = shop.sources[finding.file]
    node = source.at(finding.range)
    edits = outplace(source, node) if node is not None else []
    return Repair("new-tensor", tuple(edits)) if edits else None
