"""What a parser must be kept from: nesting and data that libcst would die of. Loading this loads no libcst."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal

_SUSPECT = 1_500  #: characters of one line, or between brackets, in which something may be nested too deeply
_OPEN = 100  #: brackets inside brackets, likewise
_PIECE = 300_000  #: characters that are parsed at once, where there are statements to part them
_LARGEST = 400_000  #: tokens of one piece: about a gigabyte of tree
_FRESH = re.compile(r"\n(?=(?:def|class|import|async def)\b|@)")  #: no line within brackets begins so
_CASE = re.compile(r"^[ \t]*case\b[^\n]{0,2000}(?:\n(?!\s*(?:case|return|pass)\b)[^\n]{0,500}){0,40}", re.MULTILINE)
_DEEPEST_PATTERN = 16
_TOKEN = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*(?:"""|\Z)'
    r"|'''(?:[^\\']|\\.|'(?!''))*(?:'''|\Z)"
    r'|"(?:[^\\"\n]|\\.)*"?'
    r"|'(?:[^\\'\n]|\\.)*'?"
    r"|#[^\n]*|\w+|\\\n|[^\w \t\f]",
    re.DOTALL,
)
_CHAIN = 500  #: calls one after the other, for which libcst takes the square of the time
_CONTINUING = frozenset(("elif", "else", "except", "finally", "#"))
_BRACKET = re.compile(r"[\[\](){}]")
DEEP = "nested too deeply to be analysed"


class LowerError(Exception):
    """A file that cannot be parsed; `line` and `column` are 1-based."""

    def __init__(
        self, line: int, column: int, message: str, kind: Literal["syntax-error", "budget"] = "syntax-error"
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message
        self.kind = kind


def checked(text: str) -> Iterator[tuple[str, int]]:
    """A text in pieces that can be parsed, each with its first line.

    Raises: LowerError.
    """
    if "\0" in text:
        line, column = text.count("\n", 0, text.index("\0")) + 1, len(text.partition("\0")[0].rpartition("\n")[2]) + 1
        raise LowerError(line, column, "this is not valid Python: source code cannot hold null bytes")
    line = 1
    for piece in _pieces(text):
        _check_size(piece, line)
        _check_depth(piece, line)
        _check_patterns(piece, line)
        yield piece, line
        line += piece.count("\n")


def _check_size(piece: str, line: int) -> None:
    if len(piece) > _LARGEST and sum(1 for token in _TOKEN.finditer(piece) if token.group() != "\n") > _LARGEST:
        told = f"a statement of more than {_LARGEST:,} tokens from line {line} on: keep data outside of code, or exclude the file"
        raise LowerError(line, 1, told, "budget")


def _check_depth(piece: str, line: int) -> None:
    """What CPython finds too deep, libcst would die of."""
    if any(_suspect(part) and _deep(part, piece) for part in _FRESH.split(piece)):
        raise LowerError(line, 1, f"the code is {DEEP}", "budget")


def _deep(*texts: str) -> bool:
    """Whether the first of the texts that CPython can read at all is too deep for it, or holds too long a chain of calls."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    try:
        for text in texts:
            try:
                tree = ast.parse(text)
            except (RecursionError, MemoryError):
                return True
            except (SyntaxError, ValueError) as error:
                if "too many nested" in str(error):
                    return True
            else:
                return _chained(tree)
    finally:
        sys.setrecursionlimit(before)
    return False


def _chained(tree: ast.AST) -> bool:
    """Whether a text holds `a.f().g()...` of more than `_CHAIN` calls."""
    seen: set[ast.AST] = set()
    for node in ast.walk(tree):  # the last call of a chain comes before the others
        length, link = 0, node if node not in seen else None
        while isinstance(link, (ast.Call, ast.Attribute)):
            seen.add(link)
            length += isinstance(link, ast.Call)
            link = link.func if isinstance(link, ast.Call) else link.value
        if length > _CHAIN:
            return True
    return False


def _suspect(text: str) -> bool:
    """Whether something may be nested deeply in a text: on a long line, or where many brackets or a long text are open."""
    if max(map(len, text.replace("\\\n", "").split("\n"))) > _SUSPECT:
        return True
    depth = begun = 0
    for match in _BRACKET.finditer(text):
        if match.group() in "[({":
            begun = begun if depth else match.start()
            depth += 1
        elif depth:
            depth -= 1
        else:
            continue
        if depth > _OPEN or match.start() - begun > _SUSPECT:
            return True
    return bool(depth) and len(text) - begun > _SUSPECT


def _check_patterns(piece: str, line: int) -> None:
    """libcst takes twice the time for each level of a nested pattern."""
    for match in _CASE.finditer(piece):
        head = match.group().partition(":\n")[0]
        if max(accumulate((c in "([{") - (c in ")]}") for c in head)) > _DEEPEST_PATTERN:
            at = line + piece.count("\n", 0, match.start())
            raise LowerError(at, 1, f"the pattern is {DEEP}", "budget")


def _pieces(text: str) -> Iterator[str]:
    """A text in pieces of whole statements."""
    if len(text) <= 2 * _PIECE:
        yield text
        return
    begun = 0
    for border in _borders(text):
        if border - begun >= _PIECE:
            yield text[begun:border]
            begun = border
    yield text[begun:]


def _borders(text: str) -> Iterator[int]:
    """Where statements of the module begin that nothing before them belongs to."""
    depth, fresh, decorated = 0, True, False
    for token in _TOKEN.finditer(text):
        word = token.group()
        if fresh and not depth:
            top = token.start() == 0 or text[token.start() - 1] == "\n"
            if top and not decorated and word not in _CONTINUING and word[0] not in "#\n":
                yield token.start()
            decorated = word == "@" or (decorated and word[0] in "#\n") if top else decorated
        fresh = word == "\n" or (fresh and word[0] == "#")
        if word in "([{":
            depth += 1
        elif word in ")]}":
            depth = max(0, depth - 1)
