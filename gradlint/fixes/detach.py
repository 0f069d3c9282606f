"""detach: the live tensor is kept; a copy of it is detached where it is shown."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._live import kept_live


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop the `.detach()`."""
    return kept_live(finding, shop, "live")
