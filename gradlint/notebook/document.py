"""The file of a notebook: which code cells it holds, where their source stands in it, and new source in its place.

Reading needs only that it is JSON with cells (nbformat 3 keeps them in worksheets). Writing replaces the text of changed
cells and leaves every other byte: a walk over the JSON with the standard library's decoder tells where each source stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, pairwise
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

import msgspec

from gradlint.finding import Edit

_BLANK = re.compile(r"[ \t\r\n]*")
_LINE = re.compile(r"\r\n|\r|\n")
_KEPT = re.compile(r"[^\n]*\n|[^\n]+")  #: a line with its end
_DECODER = json.JSONDecoder()
_PYTHON = ("python", "ipython", "xpython")
_BOM = "\ufeff"
#: the languages of kernels, for notebooks that name only their kernel
_KERNELS = {"ir": "R", "julia": "Julia", "xcpp": "C++", "scala": "Scala", "bash": "Bash", "octave": "Octave"}


class NotebookError(Exception):
    """A file that is no notebook that can be read; `line` and `column` are 1-based places in the file."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class Cell(msgspec.Struct, frozen=True):
    """A code cell: its number among all cells, from 1, and its source with line feeds."""

    number: int
    source: str
    prompt: int | None = None  #: the number that the kernel gave it when it ran last, `In [3]`


# --- reading ---------------------------------------------------------------------------------------------------------


def cells(data: bytes) -> list[Cell] | str:
    """The Python cells of a notebook; of a notebook in another language, the name of that language.

    Raises: NotebookError.
    """
    held = _parsed(data)
    language = _language(held)
    if not language.lower().startswith(_PYTHON):
        return language
    found = [_code(number, cell) for number, cell in enumerate(_listed(held), 1)]
    return [cell for cell in found if cell is not None]


def _parsed(data: bytes) -> dict[str, Any]:
    text = _text(data)
    try:
        held = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotebookError(f"this is not a notebook: not valid JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise NotebookError("this is not a notebook: its JSON is nested too deeply") from None
    except ValueError as error:  # a number of more digits than Python converts
        raise NotebookError(f"this is not a notebook: {str(error).partition(';')[0]}") from None
    if not isinstance(held, dict):
        raise NotebookError("this is not a notebook: its JSON is not an object")
    return held


def _text(data: bytes) -> str:
    """The text of the file, without the byte order mark."""
    try:
        return data.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[: error.start].rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        told = f"byte 0x{data[error.start]:02x} is not utf-8: notebooks are saved as UTF-8"
        raise NotebookError(told, line, column) from None


def _listed(held: Mapping[str, Any]) -> Iterator[Any]:
    """The cells, of all worksheets where there are such."""
    sheets = [held] if "cells" in held or "worksheets" not in held else held["worksheets"]
    if not isinstance(sheets, list):
        raise NotebookError("this is not a notebook: `worksheets` is not a list")
    for sheet in sheets:
        listed = sheet.get("cells") if isinstance(sheet, dict) else None
        if not isinstance(listed, list):
            raise NotebookError("this is not a notebook: it has no list of `cells` (nbformat 3 and 4 are read)")
        yield from listed


def _code(number: int, cell: object) -> Cell | None:
    """A cell if it holds Python."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str) or not _speaks_python(cell):
        return None
    prompt = cell.get("execution_count", cell.get("prompt_number"))
    return Cell(number, _LINE.sub("\n", _whole(source)), prompt if isinstance(prompt, int) else None)


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON can hold and Python source cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _speaks_python(cell: Mapping[str, Any]) -> bool:
    """Cells may have a language of their own: in nbformat 3, and where VS Code mixes languages."""
    metadata = cell.get("metadata")
    code = metadata.get("vscode") if isinstance(metadata, dict) else None
    own = code.get("languageId") if isinstance(code, dict) else cell.get("language")
    return not isinstance(own, str) or own.lower().startswith(_PYTHON)


def _language(held: Mapping[str, Any]) -> str:
    """The language of the notebook; Python where it does not say."""
    metadata = held.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    tables = {key: metadata.get(key) for key in ("language_info", "kernelspec")}
    said = {key: table if isinstance(table, dict) else {} for key, table in tables.items()}
    kernel = str(said["kernelspec"].get("name", "")).split("-")[0]
    names = (said["language_info"].get("name"), said["kernelspec"].get("language"), _KERNELS.get(kernel))
    return next((name for name in names if isinstance(name, str) and name), "python")


# --- writing ---------------------------------------------------------------------------------------------------------


def rewritten(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The file with the edits of its cells made: outputs, metadata and the layout of the JSON stay as they are.

    Raises: NotebookError, and KeyError for an edit of a cell that there is not.
    """
    text = _text(data)
    _parsed(data)
    by_cell: dict[int, list[Edit]] = {}
    for edit in edits:
        by_cell.setdefault(edit.cell or 0, []).append(edit)
    places = _Sources(text).places
    escaped = text.isascii() and "\\u" in text
    for number in sorted(by_cell, reverse=True):
        start, end = places[number]
        text = text[:start] + _Literal(text[start:end], escaped).edited(by_cell[number]) + text[end:]
    mark = _BOM if data.startswith(_BOM.encode()) else ""
    return (mark + text).encode("utf-8")


def edited(source: str, edits: Iterable[Edit]) -> str:
    """A text with edits made; a place behind its end is its end."""
    starts = [0, *(match.end() for match in _LINE.finditer(source))]

    def offset(line: int, column: int) -> int:
        return min(starts[line - 1] + column - 1, len(source)) if line <= len(starts) else len(source)

    for edit in sorted(edits, key=lambda e: e.range, reverse=True):
        start, end = edit.range.start, edit.range.end
        content = edit.content.replace("\n", "\r\n") if "\r\n" in source else edit.content
        source = source[: offset(start.line, start.column)] + content + source[offset(end.line, end.column) :]
    return source


class _Literal:
    """The JSON of a cell's source: a string, or a list with a string for each line."""

    def __init__(self, text: str, escaped: bool) -> None:
        self.text = text
        self.escaped = escaped

    def edited(self, edits: Iterable[Edit]) -> str:
        """The JSON with edits made; lines that stay keep their spelling, the list its layout."""
        held = json.loads(self.text)
        if isinstance(held, str):
            return self._string(edited(held, edits))
        lines = _KEPT.findall(edited("".join(held), edits))
        spans = self._spans()
        spelled = {line: self.text[start:end] for line, (start, end) in zip(held, spans, strict=True)}
        gaps = [self.text[a:b] for (_, a), (b, _) in pairwise([(0, 0), *spans, (len(self.text), 0)])]
        written = [spelled.get(line) or self._string(line) for line in lines]
        return "".join(chain.from_iterable(zip(_fitted(gaps, len(lines)), [*written, ""], strict=True)))

    def _string(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self.escaped)

    def _spans(self) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        position = self.text.find('"')
        while position >= 0:
            _, end = scanstring(self.text, position + 1)
            spans.append((position, end))
            position = self.text.find('"', end)
        return spans


def _fitted(gaps: list[str], lines: int) -> list[str]:
    """What stands around the strings of a list, for another number of strings; `gaps` has one more than there were."""
    head, *inner, tail = gaps if len(gaps) > 1 else ["[", "]"]
    usual = inner[0] if inner else f",{head[1:] or ' '}"
    fitted = [*inner, *[usual] * lines][: max(lines - 1, 0)]
    return [head, *fitted, tail]


class _Sources:
    """A walk over the JSON of a notebook that notes where the source of each cell stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places: dict[int, tuple[int, int]] = {}
        self._count = 0
        self._object(self._blank(0), {"cells": self._cells, "worksheets": self._sheets})

    def _blank(self, position: int) -> int:
        match = _BLANK.match(self.text, position)
        assert match is not None
        return match.end()

    def _value(self, position: int) -> int:
        """Where any value ends."""
        return int(_DECODER.raw_decode(self.text, position)[1])

    def _object(self, position: int, of_key: Mapping[str, Callable[[int], int]]) -> int:
        """Go over an object that starts here, over the values of some keys in their own way."""
        if self.text[position] != "{":
            return self._value(position)
        position = self._blank(position + 1)
        while self.text[position] != "}":
            key, position = scanstring(self.text, position + 1)
            position = self._blank(self._blank(position) + 1)
            position = self._next(of_key.get(key, self._value)(position))
        return position + 1

    def _list(self, position: int, item: Callable[[int], int]) -> int:
        if self.text[position] != "[":
            return self._value(position)
        position = self._blank(position + 1)
        while self.text[position] != "]":
            position = self._next(item(position))
        return position + 1

    def _next(self, position: int) -> int:
        """Behind a value: over the comma, if there is one."""
        position = self._blank(position)
        return self._blank(position + 1) if self.text[position] == "," else position

    def _sheets(self, position: int) -> int:
        return self._list(position, lambda start: self._object(start, {"cells": self._cells}))

    def _cells(self, position: int) -> int:
        return self._list(position, self._cell)

    def _cell(self, position: int) -> int:
        self._count += 1
        return self._object(position, {"source": self._source, "input": self._source})

    def _source(self, position: int) -> int:
        end = self._value(position)
        self.places[self._count] = (position, end)
        return end
