"""All verdicts of all runs: one finding per rule, place and contract, one verdict per demand site."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gradlint.engine.verdict import Verdict
from gradlint.finding import Finding, Place, Site, sort_key
from gradlint.tape import Span

_WORST = ("connected", "undecided", "severed")


def merge(verdicts: Iterable[Verdict]) -> tuple[list[Finding], list[Site]]:
    """Findings in the order of the report; further demands of one cut go to `also`."""
    given = list(verdicts)
    sites: dict[Span, Site] = {}
    for verdict in given:
        demand = verdict.demand
        if demand is None:
            continue
        before = sites.get(demand.span)
        if demand.kind in ("loss-return", "optimizer", "export", "hook-read"):
            continue
        if before is None or _WORST.index(verdict.verdict) > _WORST.index(before.verdict):
            sites[demand.span] = Site(demand.span, demand.label, verdict.verdict, verdict.reason)
    return _findings(given), [sites[span] for span in sorted(sites)]


def _findings(verdicts: Iterable[Verdict]) -> list[Finding]:
    groups: dict[object, list[Finding]] = {}
    for verdict in verdicts:
        for finding in verdict.findings:
            groups.setdefault((finding.rule, finding.file, finding.range, finding.contract), []).append(finding)
    return sorted((_one(sorted(group, key=_rank)) for group in groups.values()), key=sort_key)


def _rank(finding: Finding) -> tuple[object, ...]:
    """The most certain first, then the shortest path, then the order of the report."""
    return (finding.confidence != "proved", len(finding.path), sort_key(finding), finding.message)


def _one(group: list[Finding]) -> Finding:
    chosen = group[0]
    places = {(f.path[-1].file, f.path[-1].range, f.path[-1].label) for f in group if f.path}
    own = {(chosen.path[-1].file, chosen.path[-1].range)} if chosen.path else set()
    also = tuple(Place(*place) for place in sorted(places) if place[:2] not in own)
    return msgspec.structs.replace(chosen, also=also)
