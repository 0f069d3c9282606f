"""The cache: the same report warm as cold, never an old answer, and nothing but time is lost where it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click.testing
import pytest

from gradlint import cache, static
from gradlint.cli import main
from gradlint.report import formats

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures" / "gradcam").rglob("*.py"))[:8]
TRAIN = "from helper import cut\nimport torch\nx = torch.ones(2, requires_grad=True)\ncut(x).sum().backward()\n"
CUTS = "def cut(x):\n    return x.detach()\n"
KEEPS = "def cut(x):\n    return x * 2\n"
SILENCED = "import torch\ny = torch.ones(2)\ny.sum().backward()  # gradlint: ignore[nothing, detach]\n"
HELD = cache.NAME


def lint(*args: str) -> tuple[int, str, str]:
    done = click.testing.CliRunner().invoke(main, ["check", *args], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.answer"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "train.py").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "helper.py").write_text(CUTS, encoding="utf-8")
    (tmp_path / "silenced.py").write_text(SILENCED, encoding="utf-8")
    (tmp_path / "broken.py").write_text("loss.backward(\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def warm_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, a run that the cache does not answer fails."""

    def analysed(*_: Any, **__: Any) -> None:
        raise AssertionError("the cache did not answer")

    return lambda: monkeypatch.setattr(static, "analyse", analysed)


def test_all_formats_are_the_same_warm_as_cold(project: Path, warm_only: Callable[[], None]) -> None:
    asked = [(name, ("--output-format", name, "--statistics", "--show-unknown")) for name in formats()]
    cold = {name: lint(".", "--no-cache", *options) for name, options in asked}
    assert not (project / HELD).exists()
    first = lint(".", *asked[0][1])
    warm_only()
    assert first == cold[asked[0][0]]
    assert {name: lint(".", *options) for name, options in asked} == cold
    assert len(entries(project / HELD)) == 1


def test_fixtures_are_the_same_warm_as_cold(project: Path, warm_only: Callable[[], None]) -> None:
    paths = [str(p) for p in FIXTURES]
    held = ("--cache-dir", str(project / "held"))
    cold, others = lint(*paths, "--no-cache"), lint(*paths, "--no-cache", "--ignore", "detach")
    assert lint(*paths, *held) == cold != others
    warm_only()
    assert lint(*paths, *held) == cold
    assert lint(*paths, *held, "--ignore", "detach") == others


def test_a_warm_run_loads_no_parser(project: Path) -> None:
    code = "import sys\nfrom gradlint.cli import main\nmain(['train.py', '--exit-zero'], standalone_mode=False)\n"
    tail = "print(sorted({'libcst', 'torch'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(Path(static.__file__).parents[2])}
    said = [
        subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, env=environment)
        for _ in range(2)
    ]
    assert [s.stdout.splitlines()[-1] for s in said] == ["['libcst']", "[]"]
    assert said[0].stdout.splitlines()[:-1] == said[1].stdout.splitlines()[:-1]


def changed_helper(project: Path) -> None:
    (project / "helper.py").write_text(KEEPS, encoding="utf-8")


def changed_file(project: Path) -> None:
    (project / "train.py").write_text(TRAIN.replace("cut(x).sum", "(x * 2).sum"), encoding="utf-8")


def gone_helper(project: Path) -> None:
    (project / "helper.py").unlink()


def severity(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.gradlint.severity]\ndetach = 'info'\n", encoding="utf-8")


def ignored(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.gradlint]\nignore = ['detach']\n", encoding="utf-8")


@pytest.mark.parametrize("change", [changed_helper, changed_file, gone_helper, severity, ignored])
def test_a_change_is_seen(project: Path, change: Callable[[Path], None]) -> None:
    before = lint("train.py")
    change(project)
    after = lint("train.py")
    assert after == lint("train.py", "--no-cache")
    assert after[1] != before[1]


def test_a_new_file_that_an_import_means_is_seen(project: Path) -> None:
    (project / "app").mkdir()
    (project / "app" / "train.py").write_text(TRAIN, encoding="utf-8")
    before = lint("app/train.py")
    (project / "app" / "helper.py").write_text(KEEPS, encoding="utf-8")  # nearer than the one above
    after = lint("app/train.py")
    assert after == lint("app/train.py", "--no-cache")
    assert after[1] != before[1]


def test_a_new_file_in_a_folder_is_seen(project: Path) -> None:
    before = lint(".")
    (project / "more.py").write_text(TRAIN, encoding="utf-8")
    assert lint(".") == lint(".", "--no-cache") != before


def test_changed_model_rows_are_seen(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.gradlint]\nextend-models = ['m.toml']\n", encoding="utf-8")
    text = "import mylib, torch\nx = torch.ones(2, requires_grad=True)\nmylib.f(x).sum().backward()\n"
    (project / "train.py").write_text(text, encoding="utf-8")
    row = '"mylib.f" = {{ flow = "{}"{} }}\n'
    (project / "m.toml").write_text(row.format("carries", ""), encoding="utf-8")
    before = lint("train.py")
    (project / "m.toml").write_text(row.format("cuts", ', cause = "library"'), encoding="utf-8")
    after = lint("train.py")
    assert after == lint("train.py", "--no-cache")
    assert after[1] != before[1]


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 200])
def test_a_damaged_entry_is_noted_and_replaced(project: Path, damage: bytes) -> None:
    cold = lint("train.py")
    (entry,) = entries(project / HELD)
    entry.write_bytes(damage)
    status, out, err = lint("train.py")
    assert (status, out) == cold[:2]
    assert "the cache is not used: " in err
    assert "is damaged" in err
    assert lint("train.py") == cold


def test_an_entry_of_another_shape_is_noted(project: Path) -> None:
    cold = lint("train.py")
    (entry,) = entries(project / HELD)
    cache.store(project / HELD, "answer", entry.stem, b"\x81\xa1a\x01")
    assert lint("train.py")[:2] == cold[:2]


def test_a_folder_of_others_is_left_alone(project: Path) -> None:
    theirs = project / "theirs"
    theirs.mkdir()
    (theirs / "data.txt").write_text("mine", encoding="utf-8")
    status, out, err = lint("train.py", "--cache-dir", "theirs")
    assert (status, out) == lint("train.py", "--no-cache")[:2]
    assert err.count("theirs: the cache is not used: the folder holds other things") == 1
    cleaned = click.testing.CliRunner().invoke(main, ["clean", "--cache-dir", "theirs"])
    assert cleaned.exit_code == 2
    assert [p.name for p in theirs.iterdir()] == ["data.txt"]


@pytest.mark.parametrize("place", ["helper.py", "/proc/nowhere", "readonly/deep"])
def test_where_nothing_can_be_written_only_time_is_lost(project: Path, place: str) -> None:
    (project / "readonly").mkdir(mode=0o500)
    if place == "readonly/deep" and os.access(project / "readonly", os.W_OK):
        pytest.skip("this user may write everywhere")
    status, out, err = lint("train.py", "--cache-dir", place)
    assert (status, out) == lint("train.py", "--no-cache")[:2]
    assert "the cache is not used: " in err
    assert (project / "helper.py").read_text(encoding="utf-8") == CUTS


def test_concurrent_runs_agree(project: Path) -> None:
    command = [sys.executable, "-m", "gradlint", "train.py"]
    environment = {**os.environ, "PYTHONPATH": str(Path(static.__file__).parents[2])}

    def run(_: int) -> tuple[int, bytes, bytes]:
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
        return done.returncode, done.stdout, done.stderr

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(run, range(4)))) == 1
    assert not list((project / HELD).glob("*.part"))


def test_only_the_newest_entries_are_kept(tmp_path: Path) -> None:
    held, kept = tmp_path / "held", cache.KEPT["answer"]
    for n in range(kept + 5):
        cache.store(held, "answer", f"{n:03}", b"x")
        os.utime(held / f"{n:03}.answer", ns=(n * 10**9, n * 10**9))
    cache.store(held, "answer", "last", b"x")
    left = [e.stem for e in entries(held)]
    assert len(left) == kept
    assert {"last", "068"} <= set(left)
    assert cache.load(held, "answer", "000") is None


def test_the_folder_marks_itself_and_is_cleaned(project: Path) -> None:
    lint("train.py")
    assert (
        (project / HELD / "CACHEDIR.TAG")
        .read_text(encoding="utf-8")
        .startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )
    assert (project / HELD / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert click.testing.CliRunner().invoke(main, ["clean"]).exit_code == 0
    assert not (project / HELD).exists()


def test_standard_input_is_not_kept(project: Path) -> None:
    click.testing.CliRunner().invoke(main, ["check", "-", "--stdin-filename", "train.py"], input=TRAIN)
    assert not (project / HELD).exists()
