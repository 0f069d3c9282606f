"""Text -> libcst's trees, kept from what breaks libcst.

Its parser recurses without a bound and dies with the process: it gets a thread with a large stack, and nothing that CPython
finds too deep. Its trees take kilobytes for a token: a long text is parsed in pieces, and a single statement that is too
large (data written as Python) is refused.
"""

from __future__ import annotations

import ast
import os
import re
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import libcst as cst

from gradlint.static.bounds import DEEP, LowerError, checked

_STACK = 256 * 2**20
_PLACE = re.compile(r"error at \d+:\d+: ")
_INDENT = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)


def trees(text: str) -> Iterator[cst.Module]:
    """The trees of a text, one after the other; nearly always one.

    Raises: LowerError.
    """
    for piece, line in checked(text):
        yield _tree(piece, text, line)


def tree(text: str) -> cst.Module:
    """The tree of a part of a text that was checked as a whole. Raises LowerError."""
    return _tree(text, text, 1)


def syntax(text: str) -> tuple[int, int, str] | None:
    """Where and why a text is not Python; None if it is."""
    try:
        for _ in trees(text):
            pass
    except LowerError as error:
        return error.line, error.column, error.message
    except RecursionError:
        return 1, 1, f"the code is {DEEP}"
    return None


def _tree(piece: str, text: str, line: int) -> cst.Module:
    """The tree of a piece of a text, which begins at a line of it."""
    try:
        return _on_a_large_stack(piece)
    except cst.ParserSyntaxError as error:
        evened = _evened(piece, text)
        if evened is None:
            raise _told(text, error, line) from None
    return _tree(evened, text, line)


def _evened(piece: str, text: str) -> str | None:
    """The piece with a space for every tab that indents, if Python reads the text and that may be why libcst does not.

    Python refuses indentation whose depth hangs on the width of a tab, so a tab as wide as a space says the same.
    """
    evened = _INDENT.sub(lambda found: " " * len(found[0]), piece)
    if evened == piece:
        return None
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return evened


def _told(text: str, error: cst.ParserSyntaxError, line: int) -> LowerError:
    """The error as Python tells it, which knows the place best; as libcst does where Python reads the text."""
    try:
        ast.parse(text)
    except SyntaxError as known:
        return LowerError(known.lineno or 1, known.offset or 1, f"this is not valid Python: {known.msg}")
    except (ValueError, RecursionError, MemoryError):
        pass
    return LowerError(error.raw_line + line - 1, error.raw_column + 1, _reason(error))


def _reason(error: cst.ParserSyntaxError) -> str:
    lines = [_PLACE.sub("", line) for line in error.message.splitlines() if line.strip()]
    return f"this is not valid Python: {lines[0] if lines else 'syntax error'}"


class _Parser:
    """A thread with a large stack that parses whatever it is given; one for each process, for it takes ten parses to make one."""

    running: _Parser | None = None

    def __init__(self) -> None:
        self.process = os.getpid()
        self._todo: SimpleQueue[tuple[str, SimpleQueue[cst.Module | BaseException]]] = SimpleQueue()
        before = threading.stack_size(_STACK)
        try:
            threading.Thread(target=self._work, name="gradlint-parser", daemon=True).start()
        finally:
            threading.stack_size(before)

    def parse(self, text: str) -> cst.Module:
        """The tree of a text."""
        answer: SimpleQueue[cst.Module | BaseException] = SimpleQueue()
        self._todo.put((text, answer))
        found = answer.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def _work(self) -> None:
        while True:
            text, answer = self._todo.get()
            try:
                answer.put(cst.parse_module(text))
            except BaseException as error:
                answer.put(error)


def _on_a_large_stack(text: str) -> cst.Module:
    if _Parser.running is None or _Parser.running.process != os.getpid():  # a forked process has no threads but its own
        _Parser.running = _Parser()
    return _Parser.running.parse(text)
