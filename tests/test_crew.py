"""Several processes: the same report as one, and a process that is killed costs its file and nothing else."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gradlint import api, crew, judging, processes, projects
from gradlint.cli import main
from gradlint.config import Config, Loaded
from gradlint.processes import Died, Processes, apart, available
from gradlint.report import Report

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(not available(), reason="processes cannot be forked here")

LOSS = "import torch\n\ndef {name}_loss(x, y):\n    return x.detach().sum()\n"
SCRIPT = "if __name__ == '__main__':\n    x = torch.ones(2, requires_grad=True)\n    x.detach().sum().backward()\n"
#: `deeper` calls `inner` unless it is told not to: the process that runs m.py leaves `inner` out; but a.py has called `deeper`, so
#: that `deeper` is not run by itself, and `inner` is
TANGLE = {
    "a.py": "from m import deeper\n\ndef first_loss(x):\n    return deeper(x, False)\n",
    "m.py": """import torch

def deeper(x, deep):
    loss = x.detach().sum()
    if deep:
        return inner(x)
    loss.backward()
    return loss

def inner(x):
    w = torch.ones(2, requires_grad=True)
    loss = (w * x).round().sum()
    loss.backward()
    return loss
""",
}


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "LITTLE", 0)


def report(paths: list[str], jobs: int) -> Report:
    loaded = Loaded(Config(select=("ALL",)), Path.cwd())
    return api.run(api.Task(tuple(paths), loaded, jobs=jobs)).report


def test_fixtures_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    alone = report(["fixtures"], 1)
    assert len(alone.findings) > 100
    assert msgspec.json.encode(report(["fixtures"], 3)) == msgspec.json.encode(alone)


def test_files_that_call_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    again: list[Path] = []
    run_again = crew.Several._again

    def counted(self: crew.Several, path: Path, *more: Any) -> Any:
        again.append(path)
        return run_again(self, path, *more)

    monkeypatch.setattr(crew.Several, "_again", counted)
    for name, text in TANGLE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    alone = report(["."], 1)
    assert [f.rule for f in alone.findings] == ["detach", "zero-gradient"]
    assert msgspec.json.encode(report(["."], 2)) == msgspec.json.encode(alone)
    assert again == [tmp_path / "m.py"]


@pytest.mark.parametrize("unit", ["survey", "whole", "rest"])
def test_a_process_that_is_killed(unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.py").write_text(LOSS.format(name=name) + SCRIPT, encoding="utf-8")
    whole = report(["."], 2)
    assert not whole.errors
    monkeypatch.setattr(judging.Judges, unit, _deadly(getattr(judging.Judges, unit), tmp_path / "two.py"))
    part = report(["."], 2)
    assert [(e.file, e.kind) for e in part.errors] == [("two.py", "internal")]
    assert "signal 9" in part.errors[0].message
    others = [f for f in whole.findings if f.file != "two.py"]
    assert [f for f in part.findings if f.file != "two.py"] == others
    assert len(others) == 4


def _deadly(ask: Callable[..., Any], path: Path) -> Callable[..., Any]:
    def killed(self: object, given: Any, *more: Any, **named: Any) -> Any:
        if given in (path, [path]):
            os.kill(os.getpid(), signal.SIGKILL)
        return ask(self, given, *more, **named)

    return killed


def test_processes_answer_and_are_replaced() -> None:
    asked: list[str] = []

    def prepare() -> Callable[[str], str | int]:
        return lambda question: os.getpid() if question == "who" else question.upper()

    processes: Processes[str, str | int] = Processes(2, prepare)
    answers = dict(processes.answers(["a", "b", "c"], asked.append))
    assert answers == {"a": "A", "b": "B", "c": "C"}
    assert asked == ["a", "b", "c"]
    ((_, pid),) = processes.answers(["who"], asked.append)
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    later = dict(processes.answers(["d", "e"], asked.append))
    assert sum(isinstance(answer, Died) for answer in later.values()) <= 1
    assert dict(processes.answers(["f"], asked.append)) == {"f": "F"}
    processes.close()


def test_a_process_that_has_grown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GROWTH", 8)
    held: list[bytes] = []

    def prepare() -> Callable[[int], tuple[int, int]]:
        def answer(size: int) -> tuple[int, int]:
            held.append(os.urandom(size << 20))
            return os.getpid(), len(held)

        return answer

    crowd: Processes[int, tuple[int, int]] = Processes(1, prepare)
    answers = [answer for _, answer in crowd.answers([0, 0, 32, 0, 0], lambda _: None)]
    crowd.close()
    known = [answer for answer in answers if not isinstance(answer, Died)]
    assert [count for _, count in known] == [1, 2, 3, 1, 2]
    assert len({pid for pid, _ in known[:3]}) == len({pid for pid, _ in known[3:]}) == 1
    assert known[0][0] != known[-1][0]


def test_what_is_done_apart() -> None:
    here = os.getpid()
    assert apart(lambda: os.getpid() != here)
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 / 0)
    assert apart(lambda: os.kill(os.getpid(), signal.SIGKILL) if os.getpid() != here else "here") == "here"


def test_one_process_for_a_large_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    alone = report(["fixtures/gradcam"], 1)
    monkeypatch.setattr(crew, "LARGE", 0)
    monkeypatch.setattr(processes, "GROWTH", 1)
    assert msgspec.json.encode(report(["fixtures/gradcam"], 1)) == msgspec.json.encode(alone)


def test_processes_have_none_of_their_own() -> None:
    processes: Processes[None, bool] = Processes(1, lambda: lambda _: available())
    assert [answer for _, answer in processes.answers([None], lambda _: None)] == [False]
    processes.close()
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(available).result()
    assert available()


def test_large_projects_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text("[tool.gradlint]\n", encoding="utf-8")
        (tmp_path / name / "loss.py").write_text(LOSS.format(name=name) + SCRIPT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    alone = CliRunner().invoke(main, ["one", "two", "--jobs", "1", "--no-cache", "--output-format", "json"])
    monkeypatch.setattr(crew, "LARGE", 0)
    monkeypatch.setattr(projects, "LITTLE", 0)
    beside = CliRunner().invoke(main, ["one", "two", "--jobs", "2", "--no-cache", "--output-format", "json"])
    assert len(json.loads(alone.stdout)["findings"]) == 4
    assert json.loads(beside.stdout) == json.loads(alone.stdout)
