"""numpy-round-trip: the way stays in torch, where torch has a function for every step of it."""

from __future__ import annotations

from gradlint.finding import Finding
from gradlint.fixes import Repair, Shop
from gradlint.fixes._arrays import torched
from gradlint.fixes._display import detached
from gradlint.fixes._through import through


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """The torch function for a NumPy function on a tensor, and for all of them between an export and an import."""
    source = shop.sources[finding.file]
    node = source.expression(finding.range)
    sources = [shop.sources[file] for file in dict.fromkeys((finding.file, *(s.file for s in finding.path)))]
    made = torched(shop.catalog, sources, source, node) if node is not None else None
    if made is None:
        return through(finding, shop, "torch")
    shown = detached(shop.catalog, sources, made.imported)
    return Repair("torch", (*made.edits, *shown))
