"""Where the bodies of functions lie in a text, as Python's own parser tells it: libcst need not see them before they are run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_SHORT = 3  #: lines of a body that is not worth being put off
_PARTS = ("body", "orelse", "finalbody")


class Stretch(NamedTuple):
    """The lines of a body, counted from 1, and the column after its last token, in code points."""

    first: int
    last: int
    end: int
    indent: int


def parsed(text: str) -> ast.Module | None:
    """The tree of Python's own parser; None of a text that it cannot read, or with other ends of lines."""
    if "\r" in text:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # written in a newer Python, perhaps
        return None


def bodies(text: str, tree: ast.Module) -> dict[int, Stretch]:
    """The bodies of the functions and methods of a file by their first lines."""
    lines = text.split("\n")
    found = (_stretch(function, lines) for function in _functions(tree.body))
    return {stretch.first: stretch for stretch in found if stretch is not None}


def without(text: str, stretches: Iterable[Stretch]) -> str:
    """The text with `pass` in place of the bodies."""
    lines = text.split("\n")
    for stretch in sorted(stretches, reverse=True):
        lines[stretch.first - 1 : stretch.last] = [f"{lines[stretch.first - 1][: stretch.indent]}pass"]
    return "\n".join(lines)


def _functions(body: Sequence[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions that lie in no other, those of classes included."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield statement
        else:
            for part in _PARTS:
                yield from _functions(getattr(statement, part, ()))
            for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                yield from _functions(inner.body)


def _stretch(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: Sequence[str]) -> Stretch | None:
    """The body of a function that has lines of its own."""
    first, last = _start(function.body[0]), function.body[-1]
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    ending = lines[last.end_lineno - 1].encode()
    end, rest = len(ending[: last.end_col_offset].decode()), ending[last.end_col_offset :].strip()
    before = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip(" \t"))]
    alone = first > function.lineno and len(before) == function.body[0].col_offset
    if not alone or rest[:1] not in (b"", b"#") or last.end_lineno - first < _SHORT:
        return None
    return Stretch(first, last.end_lineno, end + 1, len(before))


def _start(statement: ast.stmt) -> int:
    """The first line, decorators included."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(d.lineno for d in decorators)])
