"""The cells of a notebook as one module in cell order, and the cell and line of each of its lines.

A cell that is not Python does not cost the others: it is told, and the names it mentions, which it may have bound or changed,
are unknown from there on.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from gradlint.finding import FileError, Position, Range
from gradlint.notebook import ipython
from gradlint.notebook.document import Cell

#: where a text is not Python, and why; None for Python
Syntax = Callable[[str], tuple[int, int, str] | None]

_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_IMPORTED = re.compile(r"^[ \t]*(?:from|import)[ \t][^\n]*", re.MULTILINE)
_IGNORED = frozenset((*keyword.kwlist, *dir(builtins)))
_HEADER = "if 1:\n"  #: before a cell that is indented as a whole, as IPython allows


class Notebook:
    """A module made of cells."""

    def __init__(self, file: str, cells: Sequence[Cell]) -> None:
        self.file = file
        self.cells = {cell.number: cell for cell in cells}
        self.errors: list[FileError] = []
        self.text = ""
        self._starts: list[int] = []
        self._numbers: list[int] = []

    def lines(self, cell: int) -> list[str]:
        """The lines of a cell as the user wrote them."""
        return self.cells[cell].source.split("\n") if cell in self.cells else []

    def place(self, line: int) -> tuple[int, int]:
        """The cell and the line in it of a line of the module."""
        at = max(bisect_right(self._starts, line) - 1, 0)
        return (self._numbers[at], max(line - self._starts[at] + 1, 1)) if self._numbers else (1, 1)

    def range(self, there: Range) -> tuple[int, Range]:
        """The cell and the range in it of a range of the module; it ends in the cell where it begins."""
        cell, line = self.place(there.start.line)
        down = line - there.start.line
        start, end = there.start, there.end
        return cell, Range(Position(start.line + down, start.column), Position(end.line + down, end.column))

    def line(self, cell: int, line: int) -> int:
        """The line of the module of a line of a cell; 0 for a cell that there is not."""
        at = self._numbers.index(cell) if cell in self._numbers else None
        return 0 if at is None else self._starts[at] + line - 1

    def _add(self, parts: Iterable[tuple[int, str, bool]]) -> None:
        """Append cells: number, text, whether the header of an indented cell goes before it."""
        texts: list[str] = []
        line = 1
        for number, text, indented in parts:
            texts.append(_HEADER + text if indented else text)
            self._numbers.append(number)
            self._starts.append(line + indented)
            line += texts[-1].count("\n") + 1
        self.text = "\n".join(texts)


def notebook(file: str, cells: Sequence[Cell], syntax: Syntax) -> Notebook:
    """The module of some cells; what is wrong with single cells is in its `errors`."""
    made = Notebook(file, cells)
    bound = _imported(cells)
    made._add([(cell.number, *_part(made, cell, syntax, bound)) for cell in cells])
    return made


def _part(made: Notebook, cell: Cell, syntax: Syntax, bound: frozenset[str]) -> tuple[str, bool]:
    """The text that stands for a cell in the module, and whether it is indented as a whole."""
    if _parses(cell.source):
        return cell.source, False
    text = ipython.python(cell.source)
    if text is None:
        return (_forgotten(cell, bound) if ipython.hides_python(cell.source) else ""), False
    indented = text.lstrip("\n")[:1] in (" ", "\t")
    wrong = syntax(_HEADER + text if indented else text)
    if wrong is None:
        return text, indented
    line, column, message = wrong
    made.errors.append(FileError(made.file, max(1, line - indented), column, "syntax-error", message, cell.number))
    return _forgotten(cell, bound), False


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _forgotten(cell: Cell, bound: frozenset[str]) -> str:
    """A statement after which nothing is known of the names that a cell mentions, but what was imported."""
    names = dict.fromkeys(_NAME.findall(cell.source))
    lost = [name for name in names if name not in bound and name not in _IGNORED]
    return "".join(f"{name} = " for name in lost) + "get_ipython()" if lost else ""


def _imported(cells: Sequence[Cell]) -> frozenset[str]:
    """The words of the import statements of all cells."""
    lines = (match.group() for cell in cells for match in _IMPORTED.finditer(cell.source))
    return frozenset(word for line in lines for word in _NAME.findall(line))
