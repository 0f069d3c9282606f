"""missing-create-graph: `create_graph=True` in the call that takes the inner gradient."""

from __future__ import annotations

import ast

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._keywords import with_keyword


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Give the call, or the backward whose `.grad` is read, the keyword."""
    places = [(finding.file, finding.range), *((s.file, s.range) for s in finding.path if s.role == "cut")]
    for file, place in places:
        source = shop.sources[file]
        call = source.expression(place)
        if isinstance(call, ast.Call) and source.words(call.func).rpartition(".")[2] in ("grad", "backward"):
            return Repair("create-graph", (with_keyword(source, call, "create_graph", "True"),))
    return None
