"""What is open in the editor, at one moment: texts that count instead of what is on disk, and the URI of each of them."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from lsprotocol import types
from pygls import uris
from pygls.workspace import TextDocument, Workspace

from gradlint import discovery, notebook
from gradlint.discovery import SUFFIXES

Spot = tuple[Path, int | None]  #: a file, or a cell of a notebook


class Snapshot(msgspec.Struct, frozen=True):
    """The open documents."""

    buffers: dict[Path, str]
    uris: dict[Spot, str]
    versions: dict[str, int | None]

    def uri(self, file: str, cell: int | None) -> str | None:
        """Where the editor knows a place of a report; None for a cell of a notebook that is not open."""
        path = discovery.absolute(file)
        return self.uris.get((path, cell)) or (path.as_uri() if cell is None else None)


def snapshot(workspace: Workspace) -> Snapshot:
    """The Python files and notebooks that are open."""
    taken = Snapshot({}, {}, {uri: doc.version for uri, doc in workspace.text_documents.items()})
    cells: set[str] = set()
    for uri, book in workspace.notebook_documents.items():
        cells |= {cell.document for cell in book.cells}
        path = path_of(uri)
        if path is not None:
            _add_notebook(taken, path.with_suffix(notebook.SUFFIX), book, workspace)
    for uri, document in workspace.text_documents.items():
        path = path_of(uri)
        if uri not in cells and path is not None and _is_python(document, path):
            taken.buffers[path] = _lines(document.source)
            taken.uris[path, None] = uri
    return taken


def path_of(uri: str) -> Path | None:
    """The file of a document; one that was never saved gets a name in the working directory."""
    parts = urlsplit(uri)
    if parts.scheme == "untitled":
        return Path.cwd() / (Path(unquote(parts.path)).name or "untitled")
    name = uris.to_fs_path(uri) if parts.scheme == "file" else None
    return discovery.absolute(name) if name else None


def _is_python(document: TextDocument, path: Path) -> bool:
    """What the editor takes for Python; JSON of a notebook that is open as text has no cells to speak of."""
    if path.suffix == notebook.SUFFIX:
        return False
    return document.language_id == "python" or (not document.language_id and path.suffix in SUFFIXES)


def _add_notebook(taken: Snapshot, path: Path, book: types.NotebookDocument, workspace: Workspace) -> None:
    held = []
    for number, cell in enumerate(book.cells, 1):
        document = workspace.text_documents.get(cell.document)
        taken.uris[path, number] = cell.document
        kind = "code" if cell.kind == types.NotebookCellKind.Code else "markdown"
        metadata = {"vscode": {"languageId": (document and document.language_id) or "python"}}
        source = _lines(document.source) if document else ""
        held.append({"cell_type": kind, "source": source, "metadata": metadata})
    taken.buffers[path] = json.dumps({"cells": held})


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
