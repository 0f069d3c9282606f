"""The language server, driven by a real client that behaves like VS Code, and like Neovim."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

HELPER = "def shown(x):\n    return x\n"
CUT_HELPER = "def shown(x):\n    '🎨'; return x.detach()\n"
MAIN = """import torch
from helper import shown

x = torch.ones(2, requires_grad=True)
shown(x).sum().backward()
"""
CLIENTS = ("visual_studio_code", "neovim")
PATIENCE = 60  #: seconds for an answer on a busy machine


@pytest_lsp.fixture(  # type: ignore[untyped-decorator]
    params=CLIENTS, config=ClientServerConfig(server_command=[sys.executable, "-m", "gradlint", "server", "--stdio"])
)
async def client(lsp_client: LanguageClient, request: Any, tmp_path: Path) -> AsyncIterator[None]:
    """A started server in a folder with a program of two files."""
    (tmp_path / "helper.py").write_text(HELPER, encoding="utf-8")
    (tmp_path / "main.py").write_text(MAIN, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    registered: list[str] = []

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)  # type: ignore[untyped-decorator]
    def register(params: types.RegistrationParams) -> None:
        registered.extend(r.method for r in params.registrations)

    able = pytest_lsp.client_capabilities(request.param)
    notebooks = request.param == "visual_studio_code"
    if notebooks:  # the profile is older than notebooks in the protocol
        synced = types.NotebookDocumentSyncClientCapabilities()
        able.notebook_document = types.NotebookDocumentClientCapabilities(synced)
    started = await lsp_client.initialize_session(
        types.InitializeParams(capabilities=able, root_uri=tmp_path.as_uri(), initialization_options={"debounce": 0.01})
    )
    assert started.capabilities.hover_provider
    assert (started.capabilities.notebook_document_sync is not None) is notebooks
    lsp_client.encoding = started.capabilities.position_encoding  # type: ignore[attr-defined]
    yield
    await lsp_client.shutdown_session()


def opened(client: LanguageClient, path: Path, text: str | None = None) -> str:
    """Open a document, with unsaved text or as it is on disk."""
    uri = path.as_uri()
    text = path.read_text(encoding="utf-8") if text is None else text
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, text)))
    return uri


async def told(client: LanguageClient, uri: str, rules: list[str]) -> list[types.Diagnostic]:
    """The diagnostics of a document, once they are of these rules.

    Looked for again and again: one who waits for the next notification misses the one that comes before the wait begins.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while uri not in client.diagnostics or [d.code for d in client.diagnostics[uri]] != rules:
        assert asyncio.get_running_loop().time() < deadline, client.diagnostics.get(uri)
        await asyncio.sleep(0.02)
    return list(client.diagnostics[uri])


@pytest.mark.asyncio
async def test_an_unsaved_helper_cuts_the_gradient_of_another_file(client: LanguageClient, tmp_path: Path) -> None:
    main = opened(client, tmp_path / "main.py")
    await told(client, main, [])
    helper = opened(client, tmp_path / "helper.py", CUT_HELPER)
    (found,) = await told(client, helper, ["detach"])
    assert (found.source, found.severity) == ("gradlint", types.DiagnosticSeverity.Error)
    assert found.range.start.line == 1
    related = {info.location.uri: info.message for info in found.related_information or ()}
    assert main in related
    assert "demand" in related[main]
    change = types.TextDocumentContentChangeWholeDocument(HELPER)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version=2, uri=helper), [change])
    )
    await told(client, helper, [])


@pytest.mark.asyncio
async def test_columns_are_in_the_units_that_were_agreed_on(client: LanguageClient, tmp_path: Path) -> None:
    opened(client, tmp_path / "main.py")
    helper = opened(client, tmp_path / "helper.py", CUT_HELPER)
    (found,) = await told(client, helper, ["detach"])
    before = CUT_HELPER.split("\n")[1].partition("x.detach")[0]
    kind = client.encoding or "utf-16"  # type: ignore[attr-defined]
    units = {"utf-8": len(before.encode()), "utf-16": len(before.encode("utf-16-le")) // 2, "utf-32": len(before)}
    assert found.range.start.character == units[getattr(kind, "value", kind)]
    offered = client.capabilities.general.position_encodings if client.capabilities.general else None  # type: ignore[union-attr]
    assert offered or getattr(kind, "value", kind) == "utf-16"


@pytest.mark.asyncio
async def test_hovering_shows_the_way_and_the_page(client: LanguageClient, tmp_path: Path) -> None:
    opened(client, tmp_path / "main.py")
    helper = opened(client, tmp_path / "helper.py", CUT_HELPER)
    (found,) = await told(client, helper, ["detach"])
    asked = types.HoverParams(types.TextDocumentIdentifier(helper), found.range.start)
    hover = await client.text_document_hover_async(asked)
    assert hover is not None
    assert isinstance(hover.contents, types.MarkupContent)
    assert "**gradlint: detach** (error)" in hover.contents.value
    assert "## Why it matters" in hover.contents.value
    assert "```toml" not in hover.contents.value
    nowhere = types.HoverParams(types.TextDocumentIdentifier(helper), types.Position(0, 0))
    assert await client.text_document_hover_async(nowhere) is None


def applied(text: str, edit: types.WorkspaceEdit, uri: str) -> str:
    """The text after an edit of ASCII lines."""
    changes: list[Any] = list((edit.changes or {}).get(uri, ())) or [
        e
        for d in edit.document_changes or ()
        if isinstance(d, types.TextDocumentEdit) and d.text_document.uri == uri
        for e in d.edits
    ]
    lines = text.split("\n")
    for change in sorted(changes, key=lambda c: (c.range.start.line, c.range.start.character), reverse=True):
        assert isinstance(change, types.TextEdit)
        start, end = change.range.start, change.range.end
        tail = lines[end.line][end.character :] if end.line < len(lines) else ""
        lines[start.line : end.line + 1] = (lines[start.line][: start.character] + change.new_text + tail).split("\n")
    return "\n".join(lines)


@pytest.mark.asyncio
async def test_a_quick_fix_silences_the_finding(client: LanguageClient, tmp_path: Path) -> None:
    opened(client, tmp_path / "main.py")
    text = CUT_HELPER.replace("'🎨'; ", "")
    helper = opened(client, tmp_path / "helper.py", text)
    (found,) = await told(client, helper, ["detach"])
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(helper), found.range, types.CodeActionContext([found]))
    )
    assert actions
    (silence,) = [a for a in actions if isinstance(a, types.CodeAction) and "ignore detach" in a.title]
    assert silence.kind == types.CodeActionKind.QuickFix
    assert silence.edit
    after = applied(text, silence.edit, helper)
    assert "x.detach()  # gradlint: ignore[detach]" in after
    change = types.TextDocumentContentChangeWholeDocument(after)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version=2, uri=helper), [change])
    )
    await told(client, helper, [])


def changed(client: LanguageClient, uri: str, text: str, version: int = 2) -> None:
    """Another text for a document, as the editor has it after an edit."""
    change = types.TextDocumentContentChangeWholeDocument(text)
    document = types.VersionedTextDocumentIdentifier(version=version, uri=uri)
    client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))


async def offered(client: LanguageClient, uri: str, found: types.Diagnostic, only: str = "") -> list[types.CodeAction]:
    """The actions for a diagnostic; those that silence it are left out."""
    context = types.CodeActionContext([found], [only] if only else None)
    asked = types.CodeActionParams(types.TextDocumentIdentifier(uri), found.range, context)
    actions = await client.text_document_code_action_async(asked)
    return [a for a in actions or () if isinstance(a, types.CodeAction) and "ignore" not in a.title]


UNSAFE = """import torch
from helper import shown

x = torch.ones(2, requires_grad=True)
y = shown(x)
y.sum().backward()
print(y.numpy())
"""


@pytest.mark.asyncio
async def test_an_unsafe_fix_says_so_and_edits_every_file(client: LanguageClient, tmp_path: Path) -> None:
    main = opened(client, tmp_path / "main.py", UNSAFE)
    text = CUT_HELPER.replace("'🎨'; ", "")
    helper = opened(client, tmp_path / "helper.py", text)
    (found,) = await told(client, helper, ["detach"])
    (fix,) = await offered(client, helper, found)
    assert fix.title.endswith("(may change behaviour)")
    assert (fix.kind, fix.is_preferred) == (types.CodeActionKind.QuickFix, False)
    assert [d.code for d in fix.diagnostics or ()] == ["detach"]
    assert fix.edit
    mended = applied(text, fix.edit, helper), applied(UNSAFE, fix.edit, main)
    assert mended == (HELPER, UNSAFE.replace("y.numpy()", "y.detach().numpy()"))
    versions = [
        d.text_document.version for d in fix.edit.document_changes or () if isinstance(d, types.TextDocumentEdit)
    ]
    assert versions in ([1, 1], [])  # where the editor knows versions, an edit of an older text is refused
    changed(client, helper, mended[0])
    changed(client, main, mended[1])
    await told(client, helper, [])
    assert (tmp_path / "main.py").read_text(encoding="utf-8") == MAIN


@pytest.mark.asyncio
async def test_a_file_that_is_not_open_is_edited_too(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(UNSAFE, encoding="utf-8")
    text = "import torch\n\n\n" + CUT_HELPER.replace("'🎨'; ", "")
    helper = opened(client, tmp_path / "helper.py", text)
    (found,) = await told(client, helper, ["detach"])
    (fix,) = await offered(client, helper, found)
    assert fix.edit
    main = (tmp_path / "main.py").as_uri()
    assert applied(UNSAFE, fix.edit, main) == UNSAFE.replace("y.numpy()", "y.detach().numpy()")


@pytest.mark.asyncio
async def test_a_safe_fix_is_preferred_and_made_on_save(client: LanguageClient, tmp_path: Path) -> None:
    text = "import torch\n\nx = torch.ones(2, requires_grad=True)\ny = x * 2\ny.sum().backward()\nprint(y.grad + 1)\n"
    main = opened(client, tmp_path / "main.py", text)
    (found,) = await told(client, main, ["non-leaf-grad"])
    fix, on_save = await offered(client, main, found)
    assert fix.is_preferred
    assert "may change" not in fix.title
    assert on_save.kind == "source.fixAll.gradlint"
    for action in (fix, on_save, *await offered(client, main, found, "source.fixAll")):
        assert action.edit
        assert applied(text, action.edit, main) == text.replace("x * 2\n", "x * 2\ny.retain_grad()\n")
    assert await offered(client, main, found, "refactor") == []


@pytest.mark.asyncio
async def test_a_finding_without_a_fix_offers_none(client: LanguageClient, tmp_path: Path) -> None:
    text = MAIN.replace("shown(x)", "shown(x).argmax().float()")
    main = opened(client, tmp_path / "main.py", text)
    (found,) = await told(client, main, ["non-differentiable"])
    assert await offered(client, main, found) == []


@pytest.mark.asyncio
async def test_a_fix_edits_the_cells_of_a_notebook(client: LanguageClient, tmp_path: Path) -> None:
    sources = [
        "import torch\nx = torch.ones(2, requires_grad=True)",
        "%%time\ny = x.detach()",
        "y.sum().backward()",
        "y.numpy()",
    ]
    uris = [f"vscode-notebook-cell:/{tmp_path}/a.ipynb#{i}" for i in range(4)]
    cells = [types.NotebookCell(types.NotebookCellKind.Code, uri) for uri in uris]
    client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument((tmp_path / "a.ipynb").as_uri(), "jupyter-notebook", 1, cells),
            [types.TextDocumentItem(uri, "python", 1, text) for uri, text in zip(uris, sources, strict=True)],
        )
    )
    (found,) = await told(client, uris[1], ["detach"])
    (fix,) = await offered(client, uris[1], found)
    assert fix.edit
    after = [applied(source, fix.edit, uri) for source, uri in zip(sources, uris, strict=True)]
    assert after == [sources[0], "%%time\ny = x", sources[2], "y.detach().numpy()"]


@pytest.mark.asyncio
async def test_every_cell_of_a_notebook_has_its_own_diagnostics(client: LanguageClient, tmp_path: Path) -> None:
    sources = [
        "%matplotlib inline\nimport torch\nx = torch.ones(2, requires_grad=True)",
        "y = x.detach()",
        "y.sum().backward()",
    ]
    uris = [f"vscode-notebook-cell:/{tmp_path}/a.ipynb#{i}" for i in range(3)]
    cells = [types.NotebookCell(types.NotebookCellKind.Code, uri) for uri in uris]
    client.notebook_document_did_open(
        types.DidOpenNotebookDocumentParams(
            types.NotebookDocument((tmp_path / "a.ipynb").as_uri(), "jupyter-notebook", 1, cells),
            [types.TextDocumentItem(uri, "python", 1, text) for uri, text in zip(uris, sources, strict=True)],
        )
    )
    (found,) = await told(client, uris[1], ["detach"])
    assert found.range.start == types.Position(0, 4)
    assert {info.location.uri for info in found.related_information or ()} >= {uris[1], uris[2]}
    assert not client.diagnostics.get(uris[0])


@pytest.mark.asyncio
async def test_a_syntax_error_and_a_mistake_in_the_settings_are_told(client: LanguageClient, tmp_path: Path) -> None:
    (tmp_path / "gradlint.toml").write_text("slect = ['detach']\n", encoding="utf-8")
    broken = opened(client, tmp_path / "main.py", "import torch\nx = (\n")
    await told(client, broken, ["syntax-error"])
    assert any("unknown key 'slect'" in message.message for message in client.messages)
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(broken)))
    await told(client, broken, [])


def test_without_pygls_the_command_says_what_to_install() -> None:
    code = "import sys; sys.modules['pygls'] = None; from gradlint.cli import main; main(['server'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'torch-gradlint[lsp]'" in done.stderr
