"""grad-disabled: the block, decorator or call that switched gradients off goes away."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._through import through


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Switch gradients on again."""
    return through(finding, shop, "enable")
