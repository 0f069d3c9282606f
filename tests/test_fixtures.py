"""Every fixture in two voices: executed under real autograd, and linted at exactly the lines that are marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.expectations import disagreements
from tests.proof import run

ROOT = Path(__file__).resolve().parent.parent / "fixtures"


def programs() -> list[Path]:
    """Every program: a file on its own, or a folder with a main.py."""
    folders = {main.parent for main in ROOT.rglob("main.py")}
    alone = {f for f in ROOT.rglob("*.py") if not any(folder in f.parents for folder in folders)}
    return sorted(folders | alone)


each = pytest.mark.parametrize("path", programs(), ids=lambda p: p.relative_to(ROOT).as_posix())


@each
def test_autograd_says_so(path: Path) -> None:
    result = run(path)
    assert result.ok, result.detail


@each
def test_linted_exactly_at_the_marks(path: Path) -> None:
    missing, unexpected = disagreements(path)
    assert missing == []
    assert unexpected == []
