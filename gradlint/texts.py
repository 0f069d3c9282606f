"""The text of every file that was looked at, however it came: from disk, from an editor's buffer, from a pipe, from cells.

A notebook is the text of its module here; what is told of it at the end is told in cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gradlint import discovery, notebook, suppress
from gradlint.finding import FileError
from gradlint.notebook import Notebook, NotebookError
from gradlint.static.source import packed, unpacked
from gradlint.suppress import Suppression


class Texts:
    """What files hold; `buffers` count instead of what is on disk (those of notebooks hold their JSON)."""

    def __init__(self, buffers: Mapping[Path, str | bytes] = {}) -> None:
        self._buffers = buffers
        self._texts: dict[str, str | bytes] = {}  #: packed
        self._lines: dict[str, list[str]] = {}
        self._suppressions: dict[str, list[Suppression]] = {}
        self._functions: dict[str, list[tuple[int, int, str]]] = {}
        self.notebooks: dict[str, Notebook] = {}
        self.documents: dict[str, bytes] = {}  #: what the files of notebooks hold
        self.foreign: dict[str, str] = {}  #: notebooks in other languages

    def put(self, file: str, text: str | bytes) -> None:
        """Remember a text, or a packed one."""
        self._texts[file] = packed(text) if isinstance(text, str) else text

    def read(self, path: Path) -> str | None:
        """The text of a file of the project that was not named; None if it cannot be read."""
        file = discovery.shown(path)
        text = self.load(path, file)
        if isinstance(text, FileError):
            return None
        self.put(file, text)
        return text

    def load(self, path: Path, file: str) -> str | FileError:
        """The text of a file as it counts: of its buffer, else from disk."""
        held = self._buffers.get(path)
        if path.suffix == notebook.SUFFIX:
            data = held.encode() if isinstance(held, str) else held
            return self._notebook(discovery.content(path, file) if data is None else data, file)
        if held is None:
            return discovery.read(path, file)
        return held if isinstance(held, str) else discovery.decode(held, file)

    def _notebook(self, data: bytes | FileError, file: str) -> str | FileError:
        if isinstance(data, FileError):
            return data
        try:
            cells = notebook.cells(data)
        except NotebookError as error:
            return FileError(file, error.line, error.column, "notebook", error.message)
        if isinstance(cells, str):
            self.foreign[file] = cells
            return ""
        self.documents[file] = data
        self.notebooks[file] = notebook.notebook(file, cells, _syntax)
        return self.notebooks[file].text

    def text(self, file: str) -> str:
        """The text of a file that was read."""
        return unpacked(self._texts.get(file, ""))

    def content(self, file: str) -> str | bytes:
        """What can stand in a buffer for a file that was read: its text, of a notebook its JSON."""
        return self.documents.get(file) or self.text(file)

    def lines(self, file: str) -> list[str]:
        """The lines of a file; those of a notebook's module."""
        if file not in self._lines:
            self._lines[file] = (self.text(file) or self.read(discovery.absolute(file)) or "").split("\n")
        return self._lines[file]

    def cells(self, file: str, cell: int) -> Sequence[str]:
        """The lines of a cell."""
        self.lines(file)
        return self.notebooks[file].lines(cell) if file in self.notebooks else ()

    def suppressions(self, file: str) -> list[Suppression]:
        """The suppression comments of a file."""
        if file not in self._suppressions:
            self._suppressions[file] = suppress.suppressions(file, self.text(file))
        return self._suppressions[file]

    def functions(self, file: str) -> Sequence[tuple[int, int, str]]:
        """The functions and classes of a file: first line, last line, qualified name; none where this Python cannot read it."""
        if file not in self._functions:
            from gradlint.static.outline import functions

            self._functions[file] = functions(self.text(file))
        return self._functions[file]

    def errors(self, file: str) -> Sequence[FileError]:
        """What is wrong with single cells of a file."""
        return self.notebooks[file].errors if file in self.notebooks else ()


def parses(text: str) -> bool:
    """Whether this Python reads it; what it does not may still be newer syntax, which libcst knows.

    `symtable` parses as `ast` does and makes no tree of Python objects, which takes most of the time there.
    """
    from symtable import symtable

    try:
        symtable(text, "<text>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _syntax(text: str) -> tuple[int, int, str] | None:
    if parses(text):
        return None
    from gradlint.static.lower_parse import syntax

    return syntax(text)
