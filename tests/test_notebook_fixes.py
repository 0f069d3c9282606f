"""Fixes of notebooks: only the source lines that a fix changes are other bytes. nbformat judges; the cells are run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest

from gradlint import repair
from gradlint.api import Task
from gradlint.config import Config, Loaded
from tests.test_cli import invoke
from tests.test_notebook import made

SOURCES = (
    "%matplotlib inline\n!echo 'y.detach()'\nimport torch",
    "%%time\nx = torch.ones(2, requires_grad=True)\ny = x.detach()  # ü\nz = y * 3",
    ("markdown", "A *map* → `y.detach()`"),
    (
        "%time z.sum().backward()\nprint(y.numpy())\nx = 1  # gradlint: ignore[no-graph] kept for ü\n"
        "# gradlint: ignore[detach] it is not"
    ),
    "w = torch.ones(1, requires_grad=True) * 2",
    "w.sum().backward()\nw.grad + 1\n?torch.ones",
)
FIXED = {
    2: "%%time\nx = torch.ones(2, requires_grad=True)\ny = x  # ü\nz = y * 3",
    4: "%time z.sum().backward()\nprint(y.detach().numpy())\nx = 1",
    5: "w = torch.ones(1, requires_grad=True) * 2\nw.retain_grad()",
}
LAYOUTS: tuple[dict[str, Any], ...] = (
    {"indent": 1, "ensure_ascii": False},
    {"indent": 4, "ensure_ascii": True, "sort_keys": True},
    {"indent": "\t", "separators": (",", " : ")},
    {"indent": None},
)


def book(*, joined: bool) -> dict[str, Any]:
    """A notebook with outputs and metadata, as its JSON."""
    node = made(*SOURCES, kernelspec={"name": "python3", "display_name": "Python 3 ü"}, odd=[1, {"b": None}])
    output: Any = nbformat.v4.new_output
    node.cells[1].outputs = [output("stream", text="é y = x.detach()\n")]
    node.cells[1].execution_count = 7
    held: dict[str, Any] = json.loads(nbformat.writes(node))
    for cell in held["cells"]:
        source = "".join(cell["source"])
        cell["source"] = source if joined else source.splitlines(keepends=True)
    return held


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("end", ["", "\n"])
def test_only_the_lines_that_are_fixed_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: dict[str, Any], joined: bool, end: str
) -> None:
    monkeypatch.chdir(tmp_path)
    held = book(joined=joined)
    before = json.dumps(held, **layout) + end
    path = Path("a.ipynb")
    path.write_bytes(before.encode())
    diff = invoke("--diff", "--unsafe-fixes", "a.ipynb")
    assert (diff.exit_code, path.read_bytes()) == (1, before.encode())
    result = invoke("--fix", "--unsafe-fixes", "a.ipynb")
    assert result.exit_code == 0, result.output
    after = path.read_bytes().decode()
    for number, source in FIXED.items():
        held["cells"][number - 1]["source"] = source if joined else source.splitlines(keepends=True)
    assert after == json.dumps(held, **layout) + end
    nbformat.validate(nbformat.reads(after, as_version=4))
    path.write_bytes(before.encode())
    subprocess.run(["git", "apply", "-p0", "-"], input=diff.stdout, text=True, check=True)
    assert path.read_bytes() == after.encode()
    assert invoke("--fix", "--unsafe-fixes", "a.ipynb").exit_code == 0
    assert path.read_bytes() == after.encode()


def test_the_repaired_cells_have_their_gradient() -> None:
    python = ["\n".join(line for line in source.split("\n") if line[:1] not in "%!?") for source in FIXED.values()]
    names: dict[str, Any] = {}
    exec("\n".join(["import torch", python[0], "z.sum().backward()", *python[1:], "w.sum().backward()"]), names)
    assert names["y"].grad.abs().sum() > 0  # of x, which is the same tensor now
    assert names["w"].grad is not None


def test_a_notebook_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(book(joined=True)), encoding="utf-8")
    repaired = repair.repair(Task((str(path),), Loaded(Config(), tmp_path)), unsafe=True)
    path.write_text(json.dumps(book(joined=True), indent=2), encoding="utf-8")
    saved = path.read_bytes()
    (problem,) = repair.write(repaired)
    assert "changed meanwhile" in problem
    assert path.read_bytes() == saved


def test_a_notebook_on_standard_input_comes_back_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = json.dumps(book(joined=False), indent=1, ensure_ascii=False) + "\n"
    result = invoke("--fix", "--unsafe-fixes", "--stdin-filename", "a.ipynb", "-", given=given)
    held = json.loads(result.stdout)
    assert {number: "".join(held["cells"][number - 1]["source"]) for number in FIXED} == FIXED
    assert list(tmp_path.iterdir()) == []
