"""untrained-module: the cut between the module and the loss goes away."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._through import through


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Let the gradient through where the parameters were cut off; what was never flagged has no cut to take away."""
    cut = any(step.role == "cut" for step in finding.path)
    return through(finding, shop, "live") if cut else None
