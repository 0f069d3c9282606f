"""Code frames: source lines with marked stretches, as lines of styled pieces.

Knows text and columns only. A wide character takes two columns of a terminal, so marks are placed by width, not index.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import msgspec

from gradlint.finding import Position, Range

Piece = tuple[str, str]  #: text and style
Line = list[Piece]

_TAB = "    "
_LONGEST = 200  #: of a source line, what is shown
_NEAR = 1  #: unmarked lines between two marked ones that are shown


class Mark(msgspec.Struct, frozen=True):
    """A stretch to underline, and what to say of it."""

    file: str
    range: Range
    sign: str
    style: str
    label: str


def frames(at: Position, marks: Sequence[Mark], lines: Callable[[str], Sequence[str]]) -> Iterator[Line]:
    """A frame for each file, in the order in which the marks name them; `at` is the place in the first."""
    order = list(dict.fromkeys(m.file for m in marks))
    gutter = margin(marks)
    for i, file in enumerate(order):
        own = [m for m in marks if m.file == file]
        start = own[0].range.start if i else at
        arrow = ":::" if i else "-->"
        yield [(f"{' ' * gutter}{arrow} ", "frame"), (f"{file}:{start.line}:{start.column}", "place")]
        yield from _frame(own, lines(file), gutter)


def margin(marks: Sequence[Mark]) -> int:
    """How wide the line numbers are."""
    return len(str(max(m.range.start.line for m in marks)))


def _frame(marks: Sequence[Mark], lines: Sequence[str], gutter: int) -> Iterator[Line]:
    bar: Line = [(f"{' ' * gutter} |", "frame")]
    yield bar
    before = 0
    for number, group in groupby(sorted(marks, key=lambda m: m.range.start.line), key=lambda m: m.range.start.line):
        if before and number - before > _NEAR + 1:
            yield [("...", "frame")]
        elif before:
            yield from (_source(n, lines, gutter) for n in range(before + 1, number))
        yield _source(number, lines, gutter)
        text = _line(lines, number)
        yield from ([*bar, (" ", ""), *_under(mark, text)] for mark in group)
        before = number
    yield bar


def _source(number: int, lines: Sequence[str], gutter: int) -> Line:
    text = _shown(_line(lines, number))
    number_part: Piece = (f"{number:>{gutter}} |", "frame")
    return [number_part, (f" {text[:_LONGEST]}".rstrip(), "code")]


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _under(mark: Mark, text: str) -> Line:
    """The underline; a stretch of several lines is underlined to the end of its first."""
    first, last = mark.range.start.column - 1, mark.range.end.column - 1
    if mark.range.end.line > mark.range.start.line:
        last = len(text.rstrip())
    indent = _width(text[:first])
    if indent > _LONGEST:
        return [(mark.label, mark.style)]
    signs = mark.sign * max(1, min(_width(text[first:last]), _LONGEST - indent))
    return [(" " * indent, ""), (f"{signs} {mark.label}".rstrip(), mark.style)]


def _shown(text: str) -> str:
    """A source line as it can be printed: tabs as spaces, no control characters."""
    return "".join(c if c.isprintable() else "?" for c in text.replace("\t", _TAB))


def _width(text: str) -> int:
    return sum(_cells(c) for c in text.replace("\t", _TAB))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
