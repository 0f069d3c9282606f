"""Notebooks: read without nbformat, linted as one module, told in cells, written back byte for byte. nbformat judges."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click.testing
import jsonschema
import nbformat
import pytest

from gradlint.cli import main
from gradlint.finding import Edit, Position, Range
from gradlint.notebook import Cell, NotebookError, cells, ipython, notebook, rewritten
from gradlint.report import formats, schema
from gradlint.texts import _syntax

SETUP = "%matplotlib inline\n!pip install torch\nimport torch\nfrom torch import nn"
CUT = """%%time
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
maps = {}
def save(m, i, o):
    maps['a'] = o.detach()
model[0].register_forward_hook(save)"""
DEMAND = "x = torch.randn(1, 3, 8, 8)\nscore = model(x).max()\n%time g = torch.autograd.grad(score, maps['a'])"


def made(*sources: str | tuple[str, str], **metadata: Any) -> nbformat.NotebookNode:
    """A notebook of nbformat's own; a pair is a cell type and a source."""
    typed = [("code", s) if isinstance(s, str) else s for s in sources]
    v4: Any = nbformat.v4
    new = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
    book: nbformat.NotebookNode = v4.new_notebook(
        cells=[new[kind](source) for kind, source in typed], metadata=metadata
    )
    return book


def written(book: nbformat.NotebookNode, version: int = 4) -> bytes:
    text: str = nbformat.writes(book, version=version if version == 3 else nbformat.NO_CONVERT)
    return text.encode()


def linted(
    *paths: Path, form: str = "json", given: bytes | None = None, args: Sequence[str] = ()
) -> click.testing.Result:
    command = [*(str(p) for p in paths), "--output-format", form, *args]
    return click.testing.CliRunner().invoke(main, command, input=given, catch_exceptions=False)


def findings(*paths: Path) -> list[tuple[str, int | None, int]]:
    data = json.loads(linted(*paths).stdout)
    jsonschema.validate(data, schema())
    return [(f["rule"], f["cell"], f["range"]["start"]["line"]) for f in data["findings"]]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook with a cut in its third cell and a demand in its fourth."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cam.ipynb"
    path.write_bytes(written(made(("markdown", "# Title"), SETUP, CUT, DEMAND)))
    return path


# --- what is found ---------------------------------------------------------------------------------------------------


def test_a_cut_in_one_cell_and_its_demand_in_another(book: Path) -> None:
    (finding,) = json.loads(linted(book).stdout)["findings"]
    assert (finding["rule"], finding["cell"], finding["range"]["start"]) == ("detach", 3, {"line": 5, "column": 17})
    assert [(s["role"], s["cell"], s["range"]["start"]["line"]) for s in finding["path"]][-1] == ("demand", 4, 3)


def test_the_labels_of_a_detector_are_integers(book: Path) -> None:
    """A record of a library's module holds tensors of which some require grad: `.numpy()` of one may be right."""
    model = "import torchvision\nmodel = torchvision.models.detection.fasterrcnn_resnet50_fpn().eval()"
    shown = "found = model(torch.rand(1, 3, 64, 64))\nlabels = found[0]['labels'].cpu().numpy()"
    book.write_bytes(written(made(SETUP, model, shown)))
    assert findings(book) == []


@pytest.mark.parametrize("form", formats())
def test_every_format_tells_the_cell(book: Path, form: str) -> None:
    shown = linted(book, form=form).stdout
    assert '"cell": 3' in shown if form == "json" else "ell 3:5" in shown


def test_the_frame_shows_the_cell_as_it_is_written(book: Path) -> None:
    shown = linted(book, form="full").stdout
    assert "--> cam.ipynb:cell 3:5:17\n" in shown
    assert "\n3 | %time g = torch.autograd.grad(score, maps['a'])\n" in shown


def test_notebooks_are_found_in_folders_and_read_from_standard_input(book: Path) -> None:
    (book.parent / ".ipynb_checkpoints").mkdir()
    (book.parent / ".ipynb_checkpoints" / "cam-checkpoint.ipynb").write_bytes(book.read_bytes())
    assert findings(book.parent) == [("detach", 3, 5)]
    piped = linted(Path("-"), given=book.read_bytes(), args=["--stdin-filename", "new.ipynb"])
    assert [(f["file"], f["cell"]) for f in json.loads(piped.stdout)["findings"]] == [("new.ipynb", 3)]


@pytest.mark.parametrize(
    ("cell", "line"), [(CUT, "    maps['a'] = o.detach()"), (DEMAND, "%time g = torch.autograd.grad(score, maps['a'])")]
)
def test_suppressions_work_in_cells(book: Path, cell: str, line: str) -> None:
    silenced = cell.replace(line, f"{line}  # gradlint: ignore[detach] shown")
    sources = [silenced if cell == source else source for source in (SETUP, CUT, DEMAND)]
    book.write_bytes(written(made(*sources)))
    report = json.loads(linted(book).stdout)
    assert (report["findings"], report["summary"]["suppressed"]) == ([], 1)


def test_unused_and_unknown_suppressions_are_told_in_cells(book: Path) -> None:
    book.write_bytes(
        written(made(SETUP, DEMAND.replace("x =", "# gradlint: ignore[python-number, typo]\nx ="), "maps = {}"))
    )
    result = linted(book)
    told = [f for f in json.loads(result.stdout)["findings"] if f["rule"] == "unused-suppression"]
    assert [(f["cell"], f["range"]["start"]["line"]) for f in told] == [(2, 1), (2, 1)]
    assert {f["message"] for f in told} == {"nothing to silence here: python-number", "there is no rule 'typo'"}


def test_a_broken_cell_costs_only_itself(book: Path) -> None:
    book.write_bytes(written(made(SETUP, CUT, "def f(:\n  pass", DEMAND)))
    data = json.loads(linted(book).stdout)
    assert [(e["kind"], e["cell"]) for e in data["errors"]] == [("syntax-error", 3)]
    assert [(f["rule"], f["cell"]) for f in data["findings"]] == [("detach", 2)]
    assert linted(book).exit_code == 2


@pytest.mark.parametrize(
    "hidden", ["x.requires_grad_(True)\nwhat is this", "%%mystery\nx.requires_grad_(True)", "%%mystery\nx = y"]
)
def test_what_a_cell_that_is_not_read_may_have_done_is_not_held_against_the_code(book: Path, hidden: str) -> None:
    plain = ["import torch", "x = torch.ones(2)", "(x * 2).sum().backward()"]
    book.write_bytes(written(made(*plain)))
    assert [rule for rule, *_ in findings(book)] == ["no-graph"]
    book.write_bytes(written(made(*plain[:2], hidden, plain[2])))
    assert findings(book) == []


def test_other_kernels_are_skipped(book: Path) -> None:
    held = made(SETUP, CUT, DEMAND)
    for metadata in ({"language_info": {"name": "R"}}, {"kernelspec": {"name": "julia-1.9", "display_name": "Julia"}}):
        held.metadata = nbformat.from_dict(metadata)
        book.write_bytes(written(held))
        result = linted(book)
        assert (result.exit_code, json.loads(result.stdout)["findings"]) == (0, [])
        assert "not analysed: a notebook in" in result.stderr
        assert linted(book.parent).stderr == ""


def test_nbformat_3_and_sources_as_one_string(book: Path) -> None:
    held = nbformat.convert(made(SETUP, CUT, DEMAND), 3)
    book.write_bytes(written(held, 3))
    assert findings(book) == [("detach", 2, 5)]
    four = json.loads(written(made(SETUP, CUT, DEMAND)))
    for cell in four["cells"]:
        cell["source"] = "".join(cell["source"])
    book.write_text(json.dumps(four), encoding="utf-8")
    assert findings(book) == [("detach", 2, 5)]


def test_cells_in_other_languages_are_left_out(book: Path) -> None:
    held = made(SETUP, CUT, "fn main() {", "%%bash\nx = 1; rm", "%sql\nselect x from y", DEMAND)
    held.cells[2].metadata = nbformat.from_dict({"vscode": {"languageId": "rust"}})
    book.write_bytes(written(held))
    assert json.loads(linted(book).stdout)["errors"] == []
    assert findings(book) == [("detach", 2, 5)]


# --- files that are no notebooks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"", 1, "not valid JSON"),
        (b"\x00" * 20, 1, "not valid JSON"),
        (b'{"cells": [\n{]', 2, "not valid JSON"),
        (b"import torch\nx.backward()\n", 1, "not valid JSON"),
        (b"[1, 2]", 1, "not an object"),
        (b"{}", 1, "no list of `cells`"),
        (b'{"cells": 3}', 1, "no list of `cells`"),
        (b'{"worksheets": {}}', 1, "not a list"),
        ('{"cells": []}'.encode("utf-16"), 1, "is not utf-8"),
        (b'{"cells": [\n"\xe9"]}', 2, "is not utf-8"),
        (b'{"cells": ' + b"[" * 100_000, 1, "nested too deeply"),
    ],
    ids=["empty", "zeros", "cut off", "python", "list", "no cells", "cells", "worksheets", "utf-16", "latin-1", "deep"],
)
def test_what_is_no_notebook_is_told(book: Path, data: bytes, line: int, words: str) -> None:
    other = book.with_name("other.ipynb")
    other.write_bytes(data)
    result = linted(book.parent)
    (error,) = json.loads(result.stdout)["errors"]
    assert (error["file"], error["kind"], error["line"]) == ("other.ipynb", "notebook", line)
    assert words in error["message"]
    assert result.exit_code == 2
    assert len(json.loads(result.stdout)["findings"]) == 1


@pytest.mark.parametrize(
    "cell",
    [{"cell_type": "code"}, {"cell_type": "code", "source": 7}, {"cell_type": "code", "source": [1, None]}, 7, None, [],
     {"cell_type": "code", "source": "x = '\ud800'"}, {"cell_type": 3}],
)  # fmt: skip
def test_odd_cells_do_no_harm(book: Path, cell: object) -> None:
    held = json.loads(book.read_bytes())
    held["cells"].insert(0, cell)
    book.write_text(json.dumps(held), encoding="utf-8")
    assert findings(book) == [("detach", 4, 5)]


def test_a_byte_order_mark_and_windows_line_ends(book: Path) -> None:
    book.write_bytes(b"\xef\xbb\xbf" + book.read_bytes().replace(b"\n", b"\r\n"))
    assert findings(book) == [("detach", 3, 5)]


@pytest.mark.slow
def test_a_hundred_thousand_cells(book: Path) -> None:
    book.write_bytes(written(made(SETUP, CUT, *["x = 1"] * 100_000, DEMAND)))
    begun = time.process_time()
    data = json.loads(linted(book).stdout)
    assert data["errors"] == []
    assert time.process_time() - begun < 60


# --- IPython ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if a:\n    !ls -l \\\n  b\n    c()", "if a:\n    pass\n\n    c()"),
        ("files = !ls *.py\nx = 2", "files = get_ipython()\nx = 2"),
        ("t = %timeit -o f()", "t = get_ipython()"),
        ("x?\n??y\nz.f?", "pass\npass\npass"),
        ("print('what?')  # why?\n", "print('what?')  # why?\n"),
        ("y = (a\n  % b)", "y = (a\n  % b)"),
        ('s = """\n%no magic\n!none\n"""\n%magic', 's = """\n%no magic\n!none\n"""\npass'),
        ("x = a \\\n  % b\n%magic", "x = a \\\n  % b\npass"),
        ("%time loss.backward()", "if 1: loss.backward()"),
        ("%timeit -n 10 -r3 f(x)", "if 1:             f(x)"),
        ("%time", "pass"),
        ("%run ./helpers.py", "from helpers import *"),
        ("%run 'a b.py' --x", "pass"),
        ("%%time\nx = 1", "\nx = 1"),
        ("\n%%capture out\nx = 1", "\n\nx = 1"),
        ("%%bash\nls", None),
        ("%%writefile a.py\nimport torch", None),
        (",f a b\n/f 1\n;g x", "pass\npass\npass"),
        ("!echo \"it's\nx = 1", "pass\nx = 1"),
        ("x != y\nx %= 3", "x != y\nx %= 3"),
    ],
)
def test_what_ipython_adds(source: str, python: str | None) -> None:
    assert ipython.python(source) == python
    if python is not None:
        ast.parse(python)
        assert python.count("\n") == source.count("\n")


def module(*sources: str) -> Any:
    return notebook("a.ipynb", [Cell(i, s) for i, s in enumerate(sources, 1)], _syntax)


def test_places_lead_back_to_cells() -> None:
    held = module("a = 1\nb = 2", "", "  c = 3\n  d = 4", "if 1:\n    e = 5", "%%bash\nls\nls", "f = 6\n")
    ast.parse(held.text)
    lines = held.text.split("\n")
    found = {line.strip()[0]: held.place(i) for i, line in enumerate(lines, 1) if "=" in line}
    assert found == {"a": (1, 1), "b": (1, 2), "c": (3, 1), "d": (3, 2), "e": (4, 2), "f": (6, 1)}
    assert all(held.place(held.line(cell, line)) == (cell, line) for cell, line in found.values())


# --- writing ---------------------------------------------------------------------------------------------------------


def edit(cell: int, line: int, start: int, end: int, content: str) -> Edit:
    return Edit("a.ipynb", Range(Position(line, start), Position(line, end)), content, cell)


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("joined", [True, False])
def test_only_the_changed_lines_change(indent: int | str | None, ascii_only: bool, joined: bool) -> None:
    held = made(("markdown", "# é"), "x = 'é'\ny = x.data\nz = 1", "y.detach()")
    held.cells[1].outputs = [nbformat.v4.new_output("stream", text="x.data é\n")]
    plain = json.loads(written(held))
    if joined:
        for cell in plain["cells"]:
            cell["source"] = "".join(cell["source"])
    before = json.dumps(plain, indent=indent, ensure_ascii=ascii_only) + "\n"
    after = rewritten(before.encode(), [edit(2, 2, 6, 11, ""), edit(2, 1, 5, 8, "'ü'"), edit(3, 1, 2, 11, "")]).decode()
    expected = json.loads(before)
    expected["cells"][1]["source"] = "x = 'ü'\ny = x\nz = 1" if joined else ["x = 'ü'\n", "y = x\n", "z = 1"]
    expected["cells"][2]["source"] = "y" if joined else ["y"]
    assert after == json.dumps(expected, indent=indent, ensure_ascii=ascii_only) + "\n"
    nbformat.validate(nbformat.reads(after, as_version=4))


def test_layouts_of_no_writer_are_kept() -> None:
    before = (
        b'{ "nbformat":4,\r\n"cells" :[{"source":[ "a = 1\\n" ,\r\n\t"b\\u0020= 2\\n","c = 3" ],'
        b'"cell_type":"code","outputs":[{"source":["b"]}] , "n":1e5}]}'
    )
    after = rewritten(before, [edit(1, 3, 5, 6, "4")])
    assert after == before.replace(b"c = 3", b"c = 4")
    dropped = rewritten(before, [Edit("a.ipynb", Range(Position(1, 1), Position(2, 1)), "", 1)])
    assert dropped == before.replace(b'"a = 1\\n" ,\r\n\t', b"").replace(b'2\\n","', b'2\\n" ,\r\n\t"')
    added = rewritten(before, [edit(1, 3, 6, 6, "\nd = 5")])
    assert json.loads(added)["cells"][0]["source"] == ["a = 1\n", "b = 2\n", "c = 3\n", "d = 5"]


def test_nbformat_3_is_written_back() -> None:
    before = written(nbformat.convert(made("a = 1", "b = 2"), 3), 3)
    assert rewritten(before, [edit(2, 1, 5, 6, "3")]) == before.replace(b"b = 2", b"b = 3")


def test_nothing_to_do_changes_nothing() -> None:
    before = written(made(SETUP, CUT))
    assert rewritten(before, []) == before


def test_a_file_that_is_no_notebook_is_not_written() -> None:
    with pytest.raises(NotebookError):
        rewritten(b"{", [edit(1, 1, 1, 1, "x")])


def test_reading_agrees_with_nbformat() -> None:
    held = made(("raw", "raw"), "a = 1\n\n", ("markdown", "b"), "", "c = 'é\u2028'")
    read = cells(written(held))
    assert read == [Cell(i, c.source) for i, c in enumerate(held.cells, 1) if c.cell_type == "code"]
