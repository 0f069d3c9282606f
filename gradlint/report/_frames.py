"""Code frames: source lines with marked stretches, as lines of styled pieces.

Knows text and columns only. A wide character takes two columns of a terminal, so marks are placed by width, not index.
Of a long line only the stretches around its marks are shown, one below the other where they lie far apart. Of a stretch of
several lines one is underlined: in a chain of calls the last, of a call with its arguments below it the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from gradlint.finding import Position, Range
from gradlint.report._plain import flat, width

Piece = tuple[str, str]  #: text and style
Line = list[Piece]
Lines = Callable[[str, int | None], Sequence[str]]  #: of a file, or of a cell of a notebook

_NEAR = 1  #: unmarked lines between two marked ones that are shown
_WHOLE = 5  #: lines of a stretch that is shown as a whole
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


class Stretch(msgspec.Struct, frozen=True, order=True):
    """A part of one line, in characters from 0; `last` is exclusive."""

    line: int
    first: int
    last: int


class Frames:
    """Draws the marks of one finding into the text of their files."""

    def __init__(self, marks: Sequence[Mark], lines: Lines, screen: int) -> None:
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
            yield from self._frame(own, self.lines(file, own[0].cell))

    def _frame(self, marks: Sequence[Mark], lines: Sequence[str]) -> Iterator[Line]:
        """The lines of one file with what is said below them."""
        said: dict[Stretch, list[Mark]] = {}
        for mark in marks:
            said.setdefault(focus(mark.range, lines), []).append(mark)
        bar: Line = [(f"{' ' * self.gutter} |", "frame")]
        yield bar
        before = 0
        for number in _shown(marks, said):
            if before and number > before + 1:
                yield [("...", "frame")]
            here = sorted(stretch for stretch in said if stretch.line == number)
            yield from self._marked(number, _line(lines, number), here, said, bar)
            before = number
        yield bar

    def _marked(
        self, number: int, text: str, here: list[Stretch], said: dict[Stretch, list[Mark]], bar: Line
    ) -> Iterator[Line]:
        """A line and what is said of it; where its marks lie too far apart, once for each group of them."""
        for group in _near(here, self.room):
            last = max((s.last for s in group), default=0)
            start = 0 if min(last, len(text)) <= self.room else max(0, min(s.first for s in group) - _BEFORE)
            shown = _window(text, start, self.room)
            yield [(f"{number:>{self.gutter}} |", "frame"), (f" {shown}".rstrip(), "code")]
            for stretch in (s for s in said if s in group):  # in the order of the path
                yield [*bar, (" ", ""), *_under(said[stretch], stretch, text, (shown, start, self.room))]


def margin(marks: Iterable[Mark]) -> int:
    """How wide the line numbers are."""
    return len(str(max(m.range.end.line for m in marks)))


def focus(there: Range, lines: Sequence[str]) -> Stretch:
    """What is underlined of a range: all of it on one line; of several the last, if it holds more than brackets."""
    start, end = there.start, there.end
    if start.line == end.line:
        return Stretch(start.line, start.column - 1, end.column - 1)
    last = _line(lines, end.line)[: end.column - 1]
    if any(c.isalnum() for c in last):
        return Stretch(end.line, len(last) - len(last.lstrip()), len(last))
    return Stretch(start.line, start.column - 1, len(_line(lines, start.line).rstrip()))


def _shown(marks: Iterable[Mark], said: Iterable[Stretch]) -> list[int]:
    """The numbers of the lines to show: the marked ones, short stretches as a whole, and what lies just between."""
    numbers = {stretch.line for stretch in said} | {mark.range.start.line for mark in marks}
    for mark in marks:
        start, end = mark.range.start.line, mark.range.end.line
        numbers |= set(range(start, end + 1)) if end - start < _WHOLE else set()
    ordered = sorted(numbers)
    between = (range(a + 1, b) for a, b in itertools.pairwise(ordered) if b - a <= _NEAR + 1)
    return sorted(numbers.union(*between))


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _window(text: str, start: int, room: int) -> str:
    """What is shown of a line from a character on, with a sign where there is more."""
    text = text.rstrip()
    end = start + room - bool(start)
    while end > start + 1 and width(flat(text[start:end])) > room:
        end -= max(1, (end - start) // 8)
    head, tail = MORE if start else "", MORE if end < len(text) else ""
    return f"{head}{flat(text[start : end - len(tail)])}{tail}"


def _near(stretches: list[Stretch], room: int) -> list[list[Stretch]]:
    """The stretches of a line in groups that fit on the screen together; one group where there are none."""
    groups: list[list[Stretch]] = [[]]
    reach = 0
    for stretch in stretches:
        if not groups[-1]:
            reach = room if stretch.first <= room // 2 else stretch.first + room - 2 * _BEFORE
        elif stretch.first > reach:
            groups.append([])
            reach = stretch.first + room - 2 * _BEFORE
        groups[-1].append(stretch)
    return groups


def _under(marks: list[Mark], stretch: Stretch, text: str, screen: tuple[str, int, int]) -> Line:
    """The underline and what is said of it: behind it, or before it where the screen ends too soon."""
    shown, start, room = screen
    strongest = min(marks, key=lambda m: m.sign != "^")
    head = len(MORE) if start else 0
    indent = head + width(flat(text[start : stretch.first]))
    visible = width(shown) or 1
    marked = width(flat(text[stretch.first : min(stretch.last, stretch.first + room)]))
    signs = strongest.sign * max(1, min(marked, visible - indent))
    label = flat(", ".join(m.label for m in marks if m.label))
    if indent + len(signs) + 1 + width(label) > room and width(label) < indent:
        return [(f"{label:>{indent - 1}} ", strongest.style), (signs, strongest.style)]
    return [(" " * indent, ""), (f"{signs} {label}".rstrip(), strongest.style)]
