"""non-differentiable: the reparameterised sample, where the distribution has one."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._through import through


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """`.rsample()` for `.sample()`."""
    return through(finding, shop, "rsample")
