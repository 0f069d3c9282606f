"""Texts that count instead of what is on disk: of an editor, of a repair that is being tried."""

from __future__ import annotations

from pathlib import Path

from gradlint import api
from gradlint.config import Config, Loaded

HELPER = "def shown(x):\n    return x\n"
MAIN = """import torch
from helper import shown

x = torch.ones(2, requires_grad=True)
shown(x).sum().backward()
"""


def run(folder: Path, paths: list[str], buffers: dict[str, str]) -> list[tuple[str, str]]:
    """Rule and file name of what is found."""
    texts = {folder / name: text for name, text in buffers.items()}
    task = api.Task(tuple(str(folder / p) for p in paths), Loaded(Config(), folder), buffers=texts)
    return [(f.rule, Path(f.file).name) for f in api.run(task).report.findings]


def test_a_buffer_counts_instead_of_the_file(tmp_path: Path) -> None:
    cut = MAIN.replace("shown(x)", "x.detach()")
    (tmp_path / "main.py").write_text(cut, encoding="utf-8")
    assert run(tmp_path, ["main.py"], {}) == [("detach", "main.py")]
    assert run(tmp_path, ["main.py"], {"main.py": MAIN}) == []


def test_a_buffer_of_a_file_that_is_only_read_for_context_counts(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(HELPER, encoding="utf-8")
    (tmp_path / "main.py").write_text(MAIN, encoding="utf-8")
    cut = HELPER.replace("return x", "return x.detach()")
    assert run(tmp_path, ["main.py"], {}) == []
    assert run(tmp_path, ["main.py"], {"helper.py": cut}) == [("detach", "helper.py")]
