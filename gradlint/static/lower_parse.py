"""Text -> libcst's trees, kept from what breaks libcst.

Its parser recurses without a bound and dies with the process: it gets a thread with a large stack, and nothing that CPython
finds too deep. Its trees take kilobytes for a token: a long text is parsed in pieces, and a single statement that is too
large (data written as Python) is refused.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal

import libcst as cst

_STACK = 256 * 2**20
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
_PLACE = re.compile(r"error at \d+:\d+: ")
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


def trees(text: str) -> Iterator[cst.Module]:
    """The trees of a text, one after the other; nearly always one.

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
        try:
            yield _on_a_large_stack(piece)
        except cst.ParserSyntaxError as error:
            raise _told(text, error, line) from None
        line += piece.count("\n")


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


def _on_a_large_stack(text: str) -> cst.Module:
    found: list[cst.Module | BaseException] = []

    def parse() -> None:
        try:
            found.append(cst.parse_module(text))
        except BaseException as error:
            found.append(error)

    before = threading.stack_size(_STACK)
    try:
        thread = threading.Thread(target=parse, name="gradlint-parser")
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


# --- bounds ----------------------------------------------------------------------------------------------------------


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
