"""The source of a finding for pages: its lines in pieces, each with the marks that lie on it and the kind of its tokens.

Pygments tells the kinds; of a long line only the stretch around its first mark is kept, of a long file only plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile, pairwise

import msgspec

from gradlint.finding import Finding, Range, Step
from gradlint.report._frames import MORE, Lines, Stretch, focus
from gradlint.report._plain import printable
from gradlint.report._words import named, repeats

_AROUND = 2  #: unmarked lines that are shown before and behind a marked one
_WHOLE = 8  #: lines of a range that is marked as a whole
_LONGEST = 400  #: characters of a line
_WIDE = 160  #: of a line that is shown from its beginning, wherever its marks are
_FAR = 90  #: where a mark is out of sight
_BEFORE = 40  #: characters before the first mark, if that is
_LARGEST = 300_000  #: characters of a file whose tokens are coloured

_File = tuple[str, int | None]  #: a file, or a cell of a notebook
Kinds = dict[int, list[tuple[int, int, str]]]  #: by line: from where to where which kind of token stands


class Piece(msgspec.Struct, frozen=True):
    """A stretch of a line: the kind of its token, the steps that mark it, those whose mark begins here."""

    text: str
    kind: str = ""
    steps: tuple[int, ...] = ()
    begins: tuple[int, ...] = ()
    main: bool = False  #: the place of the finding, or a cut


class Row(msgspec.Struct, frozen=True):
    """A line of the source, or a gap (number 0), with the steps that are explained below it."""

    number: int
    pieces: tuple[Piece, ...] = ()
    steps: tuple[int, ...] = ()
    told: tuple[int, ...] = ()  #: those of them whose label is what they mark


class Excerpt(msgspec.Struct, frozen=True):
    """The rows of one file."""

    place: str
    rows: tuple[Row, ...]


class _Mark(msgspec.Struct, frozen=True):
    number: int  #: of the step; 0 for the finding itself
    range: Range
    label: str
    main: bool


class Source:
    """Makes excerpts; the tokens of a file are told once."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._kinds: dict[_File, Kinds] = {}

    def excerpts(self, finding: Finding) -> list[Excerpt]:
        """An excerpt for each file of the path, the file of the finding first."""
        marks: dict[_File, list[_Mark]] = {(finding.file, finding.cell): []}
        if not any(_is_place(finding, step) for step in finding.path):
            marks[finding.file, finding.cell].append(_Mark(0, finding.range, "", main=True))
        for number, step in enumerate(finding.path, 1):
            main = step.role == "cut" or _is_place(finding, step)
            marks.setdefault((step.file, step.cell), []).append(_Mark(number, step.range, step.label, main))
        return [Excerpt(named(*place), tuple(self._rows(place, own))) for place, own in marks.items() if own]

    def text(self, file: str, cell: int | None, there: Range) -> str:
        """What stands in a range."""
        found = list(self.lines(file, cell)[there.start.line - 1 : there.end.line])
        if found:
            found[-1] = found[-1][: there.end.column - 1]
            found[0] = found[0][there.start.column - 1 :]
        return "\n".join(found)

    def _rows(self, file: _File, marks: Sequence[_Mark]) -> Iterator[Row]:
        lines = self.lines(*file)
        if file not in self._kinds:
            self._kinds[file] = _kinds(lines)
        before = 0
        for number in _shown(marks, lines):
            if before and number > before + 1:
                yield Row(0)
            own = [m for m in marks if focus(m.range, lines).line == number]
            on = [(m, s) for m in marks for s in _stretches(m, lines) if s.line == number]
            pieces = _pieces(_line(lines, number), on, own, self._kinds[file].get(number, ()))
            told = tuple(m.number for m in own if repeats(m.label, m.range, lines))
            yield Row(number, tuple(pieces), tuple(m.number for m in own if m.number), told)
            before = number


def _is_place(finding: Finding, step: Step) -> bool:
    return (step.file, step.cell, step.range) == (finding.file, finding.cell, finding.range)


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _stretches(mark: _Mark, lines: Sequence[str]) -> Iterator[Stretch]:
    """What is marked on which line: all of a short range, of a long one what it is about."""
    start, end = mark.range.start, mark.range.end
    if start.line == end.line or end.line - start.line >= _WHOLE:
        yield focus(mark.range, lines)
        return
    for number in range(start.line, end.line + 1):
        text = _line(lines, number).rstrip()
        first = start.column - 1 if number == start.line else len(text) - len(text.lstrip())
        yield Stretch(number, first, end.column - 1 if number == end.line else len(text))


def _shown(marks: Sequence[_Mark], lines: Sequence[str]) -> list[int]:
    marked = {s.line for m in marks for s in _stretches(m, lines)} | {m.range.start.line for m in marks}
    return sorted(marked | {n for line in marked for n in _around(line, lines)})


def _around(line: int, lines: Sequence[str]) -> Iterator[int]:
    """The lines around a marked one; blank ones only between others."""
    for near in (range(line - _AROUND, line), range(line + _AROUND, line, -1)):
        known = [n for n in near if 0 < n <= len(lines)]
        yield from dropwhile(lambda n: not lines[n - 1].strip(), known)


def _pieces(
    text: str, on: Sequence[tuple[_Mark, Stretch]], own: Sequence[_Mark], kinds: Sequence[tuple[int, int, str]]
) -> Iterator[Piece]:
    """The line, cut wherever a token or a mark begins or ends; `own` are the marks that are explained below it."""
    text = text.rstrip()
    spans = [(m, min(s.first, len(text)), min(s.last, len(text))) for m, s in on]
    start, stop = _window(text, [first for _, first, _ in spans])
    edges = {start, stop, *(e for _, *ends in spans for e in ends), *(e for a, b, _ in kinds for e in (a, b))}
    if start:
        yield Piece(MORE, "c")
    for a, b in pairwise(sorted(e for e in edges if start <= e <= stop)):
        here = [m for m, first, last in spans if first <= a and b <= last]
        begins = tuple(m.number for m, first, _ in spans if max(first, start) == a and m.number and m in own)
        kind = next((kind for first, last, kind in kinds if first <= a and b <= last), "")
        main = any(m.main and m in own for m in here)
        yield Piece(printable(text[a:b]), kind, tuple(m.number for m in here), begins, main)
    if stop < len(text):
        yield Piece(MORE, "c")


def _window(text: str, marks: Sequence[int]) -> tuple[int, int]:
    """From where to where a line is shown whose marks begin at these characters."""
    first = min(marks, default=0)
    start = first - _BEFORE if len(text) > _WIDE and first > _FAR else 0
    return start, min(len(text), start + _LONGEST)


# --- tokens ----------------------------------------------------------------------------------------------------------


def _kinds(lines: Sequence[str]) -> Kinds:
    """By line, where which kind of token stands: keyword, string, comment, number, name of a function or class."""
    if sum(map(len, lines)) > _LARGEST:
        return {}
    from pygments.lexers.python import PythonLexer

    found: Kinds = {}
    number, column = 1, 0
    for token, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens("\n".join(lines)):
        for i, part in enumerate(text.split("\n")):
            if i:
                number, column = number + 1, 0
            kind = _kind(str(token))
            if kind and part:
                found.setdefault(number, []).append((column, column + len(part), kind))
            column += len(part)
    return found


def _kind(token: str) -> str:
    kinds = {
        "Token.Keyword": "k", "Token.Operator.Word": "k", "Token.Literal.String": "s", "Token.Comment": "c",
        "Token.Literal.Number": "n", "Token.Name.Function": "f", "Token.Name.Class": "f", "Token.Name.Decorator": "f",
    }  # fmt: skip
    return next((kind for name, kind in kinds.items() if token.startswith(name)), "")
