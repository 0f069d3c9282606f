"""The gate leaves out files that hold no word that matters: what is found is what would be found without it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from gradlint import static
from gradlint.api import check
from gradlint.config import Config
from gradlint.finding import Finding

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(path for path in (ROOT / "fixtures").iterdir() if path.is_dir())


def found(folder: Path) -> tuple[list[Finding], object, int]:
    """The findings, the counts of demands, and how many files were left out."""
    report = check([folder], Config())
    return list(report.findings), report.summary.demands, report.summary.files.gated


def compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many files the gate leaves out, without a difference."""
    *gated, left_out = found(folder)
    with monkeypatch.context() as open_gate:
        open_gate.setattr(static, "hot", _all)
        *ungated, none = found(folder)
    assert gated == ungated
    assert none == 0
    return left_out


def _all(texts: Mapping[Path, str], words: Iterable[str] = ()) -> set[Path]:
    return set(texts)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_fixtures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared(folder, monkeypatch)


def test_a_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.py").write_text(
        "import torch\nfrom helper import f\nf(torch.ones(2, requires_grad=True)).detach().sum().backward()\n",
        encoding="utf-8",
    )
    (tmp_path / "helper.py").write_text("def f(x):\n    return x\n", encoding="utf-8")
    (tmp_path / "idle.py").write_text("def g(x):\n    return x\n", encoding="utf-8")
    assert compared(tmp_path, monkeypatch) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grad-cam", "captum"])
def test_packages(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched as the benchmarks fetch them."""
    assert compared(_speed().corpus(name, tmp_path), monkeypatch) > 0


def _speed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("speed", ROOT / "benchmarks" / "speed.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
