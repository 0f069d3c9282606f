"""What the static half says of each demand line of a program."""

from __future__ import annotations

from pathlib import Path

from gradlint.catalog import Catalog
from gradlint.engine import judge, merge
from gradlint.static import Source, analyse

CONNECTED, SEVERED, UNDECIDED = "connected", "severed", "undecided"


def verdicts(text: str) -> dict[int, str]:
    """Line -> connected, severed (an error says so) or undecided."""
    catalog = Catalog.load()
    result = analyse([Source("generated.py", Path("/generated.py"), text)], catalog, read=lambda _: None)
    found, sites = merge(v for tape in result.tapes for v in judge(tape, catalog))
    answers = {span.line: UNDECIDED for span, _ in result.sites}
    answers.update({site.span.line: site.verdict for site in sites})
    for finding in found:
        if finding.severity == "error":
            demand = next(step for step in reversed(finding.path) if step.role == "demand")
            lines = [demand.range.start.line, *(place.range.start.line for place in finding.also)]
            answers.update(dict.fromkeys(lines, SEVERED))
    return answers
