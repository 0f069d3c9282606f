"""python-number: the tensor instead of its number, the torch function instead of that of `math`."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._through import through


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Drop `.item()`, `float()`, `.tolist()`; `torch.f` for `math.f`."""
    return through(finding, shop, "live")
