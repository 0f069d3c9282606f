"""Repairs: every module of this folder is that of one rule, its name with underscores, with a function `repair`.

A repair is what an expert would type at one expression or statement. What it is called and how safe it is stands in the
rule's page, in the tables `fix.*`; the module knows where the characters are. *Safe* is only what cannot change a value
or a gradient of any program that runs today; whatever lets a gradient flow where it did not is unsafe; `display` is
shown and never applied. Whether a repair helps is not decided here: `gradlint.repair` tries it and lints again.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from gradlint.edits import clash, ordered
from gradlint.finding import Edit, Finding, Fix
from gradlint.fixes._source import Sources

if TYPE_CHECKING:
    from gradlint.catalog import Catalog, Rule


class Repair(msgspec.Struct, frozen=True):
    """Which of the fixes of a rule's page, and the edits that make it."""

    name: str
    edits: tuple[Edit, ...]


class Shop(msgspec.Struct, frozen=True):
    """What a repair may ask: the text of the files, and what is known of library callables."""

    sources: Sources
    catalog: Catalog


Repairer = Callable[[Finding, Shop], Repair | None]


def repaired_rules() -> list[str]:
    """The rules that have a fix."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    return sorted(name.replace("_", "-") for name in names)


def offer(findings: Iterable[Finding], text: Callable[[str], str], catalog: Catalog) -> list[Finding]:
    """The findings, each with its fix where there is one. `text` gives the text of a file that a finding names."""
    shop = Shop(Sources(text), catalog)
    return [msgspec.structs.replace(f, fix=_fix(f, shop, catalog.rule(f.rule))) for f in findings]


def _fix(finding: Finding, shop: Shop, rule: Rule | None) -> Fix | None:
    if rule is None or not rule.fix or finding.rule not in _known():
        return None
    repair = _repairer(finding.rule)(finding, shop)
    if repair is None or not repair.edits or clash(repair.edits):
        return None
    told = rule.fix[repair.name]
    return Fix(told.applicability, told.message, tuple(ordered(repair.edits)))


@cache
def _known() -> frozenset[str]:
    return frozenset(repaired_rules())


@cache
def _repairer(slug: str) -> Repairer:
    repairer: Repairer = import_module(f"{__name__}.{slug.replace('-', '_')}").repair
    return repairer
