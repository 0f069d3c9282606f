"""A cursor over source text that finds the exact place of every token a libcst tree holds, in the order of the text.

libcst knows what stands in a file but not where. Walking a tree in order, every token is the next text after blanks,
comments and line continuations: so a cursor that skips those and checks each token finds all places in the one walk that
lowering makes anyway.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right

from gradlint.static.program import Place

_TRIVIA = re.compile(r"(?:[ \t\f\r\n]|\\\r?\n|#[^\r\n]*)*")
_LINE = re.compile(r"\r\n|\r|\n")


class MisplacedError(Exception):
    """The text does not hold the token that the tree says comes next."""


class Reader:
    """The cursor. `end` is where the last token ended, without the blanks after it; the text begins on a line of the file."""

    __slots__ = ("_before", "_starts", "end", "position", "text")

    def __init__(self, text: str, line: int = 1) -> None:
        self.text = text
        self.position = 0
        self.end = 0
        self._before = line - 1
        self._starts = [0, *(match.end() for match in _LINE.finditer(text))]

    def skip(self) -> int:
        """Go over blanks, comments and continuations; returns the position of the next token."""
        match = _TRIVIA.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        return self.position

    def take(self, token: str) -> int:
        """Go over a token after blanks; returns where it starts."""
        start = self.skip()
        self.take_here(token)
        return start

    def take_name(self, name: str) -> str:
        """Go over a name; returns it as the one object that all its uses share."""
        self.take(name)
        return sys.intern(name)

    def take_here(self, token: str) -> None:
        """Go over text that must stand exactly here."""
        if not self.text.startswith(token, self.position):
            raise MisplacedError(f"line {self.line(self.position)}: expected {token!r}")
        self.position += len(token)
        self.end = self.position

    def take_text(self, text: str) -> None:
        """Go over a stretch of source that may begin and end with blanks."""
        blank = _TRIVIA.match(text)
        assert blank is not None
        self.take(text[blank.end() :].rstrip())

    def optional(self, token: str) -> bool:
        """Go over a token if it is next."""
        before = self.position
        if self.text.startswith(token, self.skip()):
            self.take_here(token)
            return True
        self.position = before
        return False

    def go(self, line: int, column: int) -> None:
        """Go over everything up to the end of a token that is known."""
        self.position = self.end = self._starts[line - 1 - self._before] + column - 1

    def line(self, position: int) -> int:
        """The 1-based line of a position."""
        return bisect_right(self._starts, position) + self._before

    def place(self, start: int) -> Place:
        """From `start` to the end of the last token: 1-based, columns in code points, end exclusive."""
        first = bisect_right(self._starts, start)
        last = bisect_right(self._starts, self.end) if self.end > start else first
        before = self._before
        return first + before, start - self._starts[first - 1] + 1, last + before, self.end - self._starts[last - 1] + 1
