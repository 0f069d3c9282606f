"""Code frames: source lines with marked stretches, as lines of styled pieces.

Knows text and columns only. A wide character takes two columns of a terminal, so marks are placed by width, not index.
Of a long line only the stretches around its marks are shown, one below the other where they lie far apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from gradlint.finding import Position, Range
from gradlint.report._plain import printable, width

Piece = tuple[str, str]  #: text and style
Line = list[Piece]

_NEAR = 1  #: unmarked lines between two marked ones that are shown
_BEFORE = 16  #: characters of a long line that are shown before its first mark
_NARROWEST = 40  #: characters of a line that are shown however small the screen is
MORE = "…"


class Mark(msgspec.Struct, frozen=True):
    """A stretch to underline, and what to say of it."""

    file: str
    range: Range
    sign: str
    style: str
    label: str
    place: str = ""  #: how the file is printed, where that is not its name
    cell: int | None = None


class Frames:
    """Draws the marks of one finding into the text of their files."""

    def __init__(self, marks: Sequence[Mark], lines: Callable[[str, int | None], Sequence[str]], screen: int) -> None:
        self.marks = marks
        self.lines = lines
        self.gutter = margin(marks)
        self.room = max(screen - self.gutter - 3, _NARROWEST)

    def draw(self, at: Position) -> Iterator[Line]:
        """A frame for each file, in the order in which the marks name them; `at` is the place in the first."""
        files = list(dict.fromkeys((m.file, m.place) for m in self.marks))
        for i, (file, place) in enumerate(files):
            own = [m for m in self.marks if (m.file, m.place) == (file, place)]
            start = own[0].range.start if i else at
            arrow = ":::" if i else "-->"
            yield [(f"{' ' * self.gutter}{arrow} ", "frame"), (f"{place or file}:{start.line}:{start.column}", "place")]
            yield from self._frame(own)

    def _frame(self, marks: Sequence[Mark]) -> Iterator[Line]:
        lines = self.lines(marks[0].file, marks[0].cell)
        bar: Line = [(f"{' ' * self.gutter} |", "frame")]
        yield bar
        before = 0
        by_line = attrgetter("range.start.line")
        for number, group in groupby(sorted(marks, key=by_line), key=by_line):
            if before and number - before > _NEAR + 1:
                yield [("...", "frame")]
            elif before:
                yield from (self._source(n, *_window(_line(lines, n), 0, self.room)) for n in range(before + 1, number))
            yield from self._marked(number, _line(lines, number), list(group), bar)
            before = number
        yield bar

    def _marked(self, number: int, text: str, marks: list[Mark], bar: Line) -> Iterator[Line]:
        """A line and what is said of it; where its marks lie too far apart, once for each group of them."""
        for group in _near(marks, self.room):
            first = min(m.range.start.column for m in group) - 1
            last = max(_end(m, text) for m in group)
            start = 0 if min(last, len(text)) <= self.room else max(0, first - _BEFORE)
            shown, start = _window(text, start, self.room)
            yield self._source(number, shown, start)
            for same in _same(group):
                yield [*bar, (" ", ""), *_under(same, text, shown, start, self.room)]

    def _source(self, number: int, shown: str, start: int) -> Line:
        number_part: Piece = (f"{number:>{self.gutter}} |", "frame")
        return [number_part, (f" {shown}".rstrip(), "code")]


def margin(marks: Iterable[Mark]) -> int:
    """How wide the line numbers are."""
    return len(str(max(m.range.start.line for m in marks)))


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _window(text: str, start: int, room: int) -> tuple[str, int]:
    """What is shown of a line from a character on, with a sign where there is more; and that character."""
    text = text.rstrip()
    end = start + room - bool(start)
    while end > start + 1 and width(printable(text[start:end])) > room:
        end -= max(1, (end - start) // 8)
    head, tail = MORE if start else "", MORE if end < len(text) else ""
    return f"{head}{printable(text[start : end - len(tail)])}{tail}", start


def _near(marks: list[Mark], room: int) -> list[list[Mark]]:
    """The marks of a line in groups that fit on the screen together."""
    groups: list[list[Mark]] = []
    reach = 0
    for mark in sorted(marks, key=lambda m: m.range.start.column):
        if not groups or mark.range.start.column > reach:
            groups.append([])
            first = mark.range.start.column
            reach = room if first <= room // 2 else first + room - _BEFORE - len("()") * 2
        groups[-1].append(mark)
    order = {id(mark): i for i, mark in enumerate(marks)}
    return [sorted(group, key=lambda m: order[id(m)]) for group in groups]


def _same(marks: list[Mark]) -> list[list[Mark]]:
    """Marks of the same stretch are said in one line."""
    by_range: dict[Range, list[Mark]] = {}
    for mark in marks:
        by_range.setdefault(mark.range, []).append(mark)
    return list(by_range.values())


def _end(mark: Mark, text: str) -> int:
    """Where a mark ends in its line; a stretch of several lines is underlined to the end of the first."""
    if mark.range.end.line > mark.range.start.line:
        return len(text.rstrip())
    return mark.range.end.column - 1


def _under(marks: list[Mark], text: str, shown: str, start: int, room: int) -> Line:
    """The underline and what is said of it: behind it, or before it where the screen ends too soon."""
    strongest = min(marks, key=lambda m: m.sign != "^")
    first, last = strongest.range.start.column - 1, _end(strongest, text)
    head = len(MORE) if start else 0
    indent = head + width(printable(text[start:first]))
    visible = width(shown) or 1
    signs = strongest.sign * max(1, min(width(printable(text[first : min(last, first + room)])), visible - indent))
    label = printable(", ".join(m.label for m in marks if m.label))
    if indent + len(signs) + 1 + width(label) > room and width(label) < indent:
        return [(f"{label:>{indent - 1}} ", strongest.style), (signs, strongest.style)]
    return [(" " * indent, ""), (f"{signs} {label}".rstrip(), strongest.style)]
