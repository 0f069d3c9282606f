"""Edits of a text: applying them, and where a place of the old text lies in the new one.

Pure functions on text; positions are those of findings. The end of a line is whatever the text has there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from gradlint.finding import Edit, Position, Range

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")


def ordered(edits: Iterable[Edit]) -> list[Edit]:
    """Each edit once, in the order of the text."""
    return sorted(dict.fromkeys(edits), key=lambda e: (e.file, e.cell or 0, e.range, e.content))


def clash(edits: Iterable[Edit]) -> bool:
    """Whether two edits touch the same text; insertions at one place have no order, so they clash too."""
    given = ordered(edits)
    pairs = pairwise(given)
    return any(_together(a, b) and (b.range.start < a.range.end or a.range == b.range) for a, b in pairs)


def _together(a: Edit, b: Edit) -> bool:
    return (a.file, a.cell) == (b.file, b.cell)


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with edits that do not clash. New lines end as the first line of the text does."""
    starts = _starts(text)
    newline = next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")
    for edit in reversed(ordered(edits)):
        start, end = (_offset(starts, p) for p in (edit.range.start, edit.range.end))
        text = text[:start] + edit.content.replace("\n", newline) + text[end:]
    return text


def moved(position: Position, edits: Iterable[Edit]) -> Position:
    """Where a position of the old text lies in the new one; what was replaced lies where its replacement starts."""
    for edit in reversed(ordered(edits)):
        position = _moved(position, edit)
    return position


def _moved(position: Position, edit: Edit) -> Position:
    start, end = edit.range.start, edit.range.end
    if position < end:
        return min(position, start)
    lines = edit.content.split("\n")
    line = position.line - (end.line - start.line) + len(lines) - 1
    if position.line > end.line:
        return Position(line, position.column)
    before = start.column if len(lines) == 1 else 1
    return Position(line, before + len(lines[-1]) + position.column - end.column)


def _starts(text: str) -> Sequence[int]:
    """Where each line starts; there is one after the last line too."""
    return [m.start() for m in _LINE.finditer(text)] + [len(text)]


def _offset(starts: Sequence[int], position: Position) -> int:
    return starts[min(position.line, len(starts)) - 1] + position.column - 1


def insertion(file: str, place: Position, content: str) -> Edit:
    """The edit that puts a text in."""
    return Edit(file, Range(place, place), content)
