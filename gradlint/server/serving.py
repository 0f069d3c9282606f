"""The server itself: which messages of an editor lead to what."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from lsprotocol import types
from pygls.lsp.server import LanguageServer

from gradlint import __version__
from gradlint.server.checking import Checked, Options, check
from gradlint.server.documents import Snapshot, snapshot
from gradlint.server.protocol import FIX_ALL, NAME, Editor, Shown

_NOTEBOOKS = types.NotebookDocumentSyncOptions(
    notebook_selector=[
        types.NotebookDocumentFilterWithNotebook(
            notebook=types.NotebookDocumentFilterNotebookType(notebook_type="jupyter-notebook"),
            cells=[types.NotebookCellLanguage(language="python")],
        )
    ],
    save=True,
)
_WATCHED = ("**/*.{py,pyi,ipynb}", "**/{gradlint,pyproject}.toml", "**/.gitignore")
_CHANGES = (
    types.TEXT_DOCUMENT_DID_OPEN, types.TEXT_DOCUMENT_DID_CHANGE, types.TEXT_DOCUMENT_DID_SAVE,
    types.TEXT_DOCUMENT_DID_CLOSE, types.NOTEBOOK_DOCUMENT_DID_OPEN, types.NOTEBOOK_DOCUMENT_DID_CHANGE,
    types.NOTEBOOK_DOCUMENT_DID_SAVE, types.NOTEBOOK_DOCUMENT_DID_CLOSE, types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
)  # fmt: skip


class Server(LanguageServer):
    """Checks the open documents after each change and tells the editor what was found."""

    def __init__(self) -> None:
        super().__init__(NAME, __version__, notebook_document_sync=_NOTEBOOKS)
        self.options = Options()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=NAME)
        self._check: asyncio.Task[None] | None = None
        self._shown: Shown | None = None
        self._published: set[str] = set()
        self._told: set[str] = set()

    def set_options(self, given: object) -> None:
        """Take what the editor sets; a mistake in it is told and changes nothing."""
        try:
            self.options = msgspec.convert(given, Options, from_attributes=True)
        except msgspec.ValidationError as error:
            self._tell(f"settings of the editor: {error}")

    def changed(self) -> None:
        """Something changed: check again, after a moment without changes."""
        if self._check is not None:
            self._check.cancel()
        self._check = asyncio.get_running_loop().create_task(self._checking())

    async def shown(self) -> Shown | None:
        """What is found in the documents as they are now."""
        while self._check is not None and not self._check.done():
            await asyncio.wait([self._check])
        return self._shown

    async def _checking(self) -> None:
        await asyncio.sleep(self.options.debounce)
        taken = snapshot(self.workspace)
        loop = asyncio.get_running_loop()
        checked = await loop.run_in_executor(self._worker, self._checked, taken, self.options)
        if checked is None:
            return
        for problem in checked.problems:
            self._tell(problem)
        self._shown = Shown(checked, self._editor())
        self._publish(self._shown)

    def _checked(self, taken: Snapshot, options: Options) -> Checked | None:
        """The check, in its thread: a defect of gradlint must not end the server."""
        try:
            return check(taken, options)
        except Exception:
            logging.getLogger(NAME).exception("internal error while checking the open documents")
            return None

    def _editor(self) -> Editor:
        able = self.client_capabilities
        diagnostics = able.text_document.publish_diagnostics if able.text_document else None
        edits = able.workspace.workspace_edit if able.workspace else None
        return Editor(
            codec=self.workspace.position_codec,
            related=bool(diagnostics and diagnostics.related_information),
            versioned=bool(edits and edits.document_changes),
        )

    def _publish(self, shown: Shown) -> None:
        found = shown.diagnostics()
        versions = shown.checked.snapshot.versions
        for uri in self._published - found.keys():
            found[uri] = []
        for uri, diagnostics in found.items():
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, diagnostics, versions.get(uri)))
        self._published = {uri for uri, diagnostics in found.items() if diagnostics}

    def _tell(self, problem: str) -> None:
        """A mistake of the user's, told once."""
        if problem not in self._told:
            self._told.add(problem)
            self.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"{NAME}: {problem}"))


def server() -> Server:
    """A server with all its features."""
    made = Server()
    for change in _CHANGES:
        made.feature(change)(_on_change)
    made.feature(types.INITIALIZE)(_on_initialize)
    made.feature(types.INITIALIZED)(_on_initialized)
    made.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)(_on_configuration)
    made.feature(types.TEXT_DOCUMENT_HOVER)(_on_hover)
    kinds: list[types.CodeActionKind | str] = [types.CodeActionKind.QuickFix, FIX_ALL]
    made.feature(types.TEXT_DOCUMENT_CODE_ACTION, types.CodeActionOptions(kinds))(_on_code_action)
    return made


def _on_change(ls: Server, params: object) -> None:
    ls.changed()


def _on_initialize(ls: Server, params: types.InitializeParams) -> None:
    if params.initialization_options is not None:
        ls.set_options(params.initialization_options)


async def _on_initialized(ls: Server, params: types.InitializedParams) -> None:
    """Ask to be told of files that change on disk, if the editor can."""
    workspace = ls.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace else None
    if watching and watching.dynamic_registration:
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(g) for g in _WATCHED])
        watched = types.Registration(f"{NAME}-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        await ls.client_register_capability_async(types.RegistrationParams([watched]))


def _on_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    given: Any = params.settings
    section = given.get(NAME) if isinstance(given, dict) else getattr(given, NAME, None)
    if section is not None:
        ls.set_options(section)
        ls.changed()


async def _on_hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    shown = await ls.shown()
    return shown.hover(params.text_document.uri, params.position) if shown else None


async def _on_code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    shown = await ls.shown()
    only = [kind.value if isinstance(kind, types.CodeActionKind) else kind for kind in params.context.only or ()]
    return shown.actions(params.text_document.uri, params.range, only) if shown else []
