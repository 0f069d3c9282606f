"""unused-suppression: the names that silence nothing go, with the comment where no other is left."""

from __future__ import annotations

import re

from gradlint.finding import Edit, Finding, Position, Range
from gradlint.fixes import Repair, Shop
from gradlint.fixes._source import Source

_IDLE = "nothing to silence here: "
_NAMES = re.compile(r"(.*\[)([^\]]*)(\])", re.DOTALL)


def repair(finding: Finding, shop: Shop) -> Repair | None:
    """Take the names out of the brackets, or the whole comment away; what is only misspelt is left to the user."""
    source = shop.sources[finding.file]
    words = _NAMES.fullmatch(source.between(finding.range))
    if words is None or not finding.message.startswith(_IDLE):
        return None
    idle = {name.strip() for name in finding.message.removeprefix(_IDLE).split(",")}
    left = [name.strip() for name in words[2].split(",") if name.strip() and name.strip() not in idle]
    if left:
        return Repair("remove", (Edit(source.file, finding.range, f"{words[1]}{', '.join(left)}{words[3]}"),))
    return Repair("remove", (_gone(source, finding.range),))


def _gone(source: Source, place: Range) -> Edit:
    """The comment up to the next one on its line, with the spaces before it; the line too where it holds nothing else."""
    line = source.lines[place.start.line - 1]
    before = line[: place.start.column - 1]
    after = line[place.end.column - 1 :]
    following = after.find("#")
    if following >= 0:
        end = place.end.column + following
        return Edit(source.file, Range(place.start, Position(place.start.line, end)), "")
    if not before.strip():
        return source.without_lines(place.start.line, place.start.line)
    kept = len(before.rstrip())
    line_end = Position(place.start.line, len(line) + 1)
    return Edit(source.file, Range(Position(place.start.line, kept + 1), line_end), "")
