"""What is found in the module of a notebook, told in its cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from gradlint.finding import Edit, FileError, Finding, Place, Position, Range, Site, Step
from gradlint.notebook.module import Notebook
from gradlint.tape import Span

Notebooks = Mapping[str, Notebook]
Placed = TypeVar("Placed", Step, Place, Edit)


def finding(found: Finding, notebooks: Notebooks) -> Finding:
    """A finding with each place that lies in a notebook told by its cell."""
    files = {found.file, *(s.file for s in found.path), *(p.file for p in found.also)}
    if files.isdisjoint(notebooks):
        return found
    cell, there = _in_cell(found.file, found.range, notebooks)
    fix = found.fix
    if fix is not None:
        fix = msgspec.structs.replace(fix, edits=tuple(_edit(edit, notebooks) for edit in fix.edits))
    return msgspec.structs.replace(
        found,
        cell=cell,
        range=there,
        path=tuple(_placed(step, notebooks) for step in found.path),
        also=tuple(_placed(place, notebooks) for place in found.also),
        fix=fix,
    )


def error(told: FileError, notebooks: Notebooks) -> FileError:
    """An error of a file told by its cell."""
    if told.cell is not None or told.file not in notebooks:
        return told
    cell, line = notebooks[told.file].place(told.line)
    return msgspec.structs.replace(told, cell=cell, line=line)


def site(found: Site, notebooks: Notebooks) -> Site:
    """A demand site told by its cell."""
    if found.span.file not in notebooks:
        return found
    cell, there = notebooks[found.span.file].range(Range.of(found.span))
    span = Span(found.span.file, there.start.line, there.start.column, there.end.line, there.end.column)
    return msgspec.structs.replace(found, span=span, cell=cell)


def _placed(place: Placed, notebooks: Notebooks) -> Placed:
    cell, there = _in_cell(place.file, place.range, notebooks)
    return place if cell is None else msgspec.structs.replace(place, cell=cell, range=there)


def _edit(edit: Edit, notebooks: Notebooks) -> Edit:
    """An edit told in its cell. The last lines of a cell are taken away with the line break before them."""
    told = _placed(edit, notebooks)
    if told.cell is None:
        return told
    lines = notebooks[told.file].lines(told.cell)
    start, end = told.range.start, told.range.end
    if end.line <= len(lines):
        return told
    end = Position(len(lines), len(lines[-1]) + 1)
    if start.column == 1 and start.line > 1:
        start = Position(start.line - 1, len(lines[start.line - 2]) + 1)
    return msgspec.structs.replace(told, range=Range(start, end))


def _in_cell(file: str, there: Range, notebooks: Notebooks) -> tuple[int | None, Range]:
    return notebooks[file].range(there) if file in notebooks else (None, there)
