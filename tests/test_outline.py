"""The outline of a file: places as people count them, and files that only a newer Python reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gradlint.api import check
from gradlint.config import Config
from gradlint.static.imports import Project
from gradlint.static.outline import Outline, functions
from gradlint.static.program import Module

TEXT = '''"""Grüße."""
ß = "ü"; x.backward()
try:
    @wraps
    async  def \\
        step(self): ß("é").backward()
except* E:
    pass
class Löss:
    @overload
    def f(self): ...
    def f(self):
        def inner(): pass
    def __init__(self): torch.autograd.grad(a,
        b)
'''
NEWER = "import torch\ntype Number = int\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is newer")
def test_places_are_those_of_the_text() -> None:
    outline = Outline("a.py", TEXT)
    lines = TEXT.split("\n")
    spans = [span for span, _ in outline.sites()]
    texts = {lines[s.line - 1][s.column - 1 : s.end_column - 1] for s in spans if s.line == s.end_line}
    assert texts == {"x.backward()", 'ß("é").backward()'}
    (long,) = (s for s in spans if s.line != s.end_line)
    assert lines[long.line - 1][long.column - 1 :] == "torch.autograd.grad(a,"
    assert lines[long.end_line - 1][: long.end_column - 1] == "        b)"
    step, loss = outline.wanted()
    assert [lines[w.span.line - 1][w.span.column - 1 : w.span.end_column - 1] for w in (step, loss)] == ["step", "Löss"]
    assert [(s.line, s.column) for s in loss.methods or ()] == [(12, 9), (14, 9)]
    assert [s.line for s in loss.others] == [12]
    assert functions(TEXT) == [
        (4, 6, "step"), (9, 15, "Löss"), (10, 11, "Löss.f"), (12, 13, "Löss.f"), (13, 13, "Löss.f.inner"), (14, 15, "Löss.__init__"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "acts", "packaged"),
    [
        ("'text'\nimport a\ndef f(): g()\nx = 1\n", False, False),
        ("x = g()\n", True, False),
        ("x: int = loss.backward()\n", True, True),
        ("log.warn()\n", True, False),
        ("if a:\n    try: pass\n    except E: print()\n", True, True),
        ("for x in y: pass\n", True, True),
    ],
)
def test_what_acts(text: str, acts: bool, packaged: bool) -> None:
    assert Outline("a.py", text).acts(packaged=False) is acts
    assert Outline("a.py", text).acts(packaged=True) is packaged


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python reads it")
def test_a_newer_python_is_run_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text(NEWER, encoding="utf-8")
    report = check([tmp_path], Config())
    assert [(f.rule, f.range.start.line) for f in report.findings] == [("detach", 4)]
    assert not report.errors


def test_files_without_a_demand_are_not_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered: list[str] = []
    lower = Project._lower

    def noted(self: Project, path: Path) -> Module | None:
        lowered.append(path.name)
        return lower(self, path)

    monkeypatch.setattr(Project, "_lower", noted)
    (tmp_path / "train.py").write_text(
        "import torch\nfrom used import f\nf(torch.ones(2)).backward()\n", encoding="utf-8"
    )
    (tmp_path / "used.py").write_text("def f(x):\n    return x\n", encoding="utf-8")
    (tmp_path / "idle.py").write_text("import torch\n\n@torch.no_grad()\ndef g(x):\n    return x\n", encoding="utf-8")
    report = check([tmp_path], Config())
    assert sorted(lowered) == ["train.py", "used.py"]
    assert report.summary.files.analysed >= 2
