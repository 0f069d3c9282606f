"""Many projects in one call: each with its own settings and cache, the same whatever the others are and whoever runs them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import click.testing
import pytest

from gradlint import cache, discovery, projects
from gradlint.api import Task, Watch
from gradlint.cli import main
from gradlint.processes import available

CUT = "import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n"
ROUND = "import torch\nx = torch.ones(2, requires_grad=True)\nx.round().sum().backward()\n"
forked = pytest.mark.skipif(not available(), reason="processes cannot be forked here")


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three projects, one inside another; two have settings."""
    discovery.root.cache_clear()
    write(tmp_path / "one", "pyproject.toml", "[tool.gradlint]\nignore = ['zero-gradient']\nfail-on = 'error'\n")
    write(tmp_path / "two", "gradlint.toml", "severity = { detach = 'info' }\nexclude = ['left_out']\n")
    write(tmp_path / "two" / "left_out", "cam.py", CUT)
    (tmp_path / "two" / "inner" / ".git").mkdir(parents=True)
    write(tmp_path / "two" / "inner" / "src", "cam.py", CUT)
    for name in ("one", "two"):
        write(tmp_path / name, "cam.py", CUT)
        write(tmp_path / name, "round.py", ROUND)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def report(*args: str) -> Any:
    done = click.testing.CliRunner().invoke(main, [*args, "--output-format", "json"], catch_exceptions=False)
    return json.loads(done.stdout)


def placed(report: Any) -> list[tuple[str, str, str]]:
    return [(f["file"], f["rule"], f["severity"]) for f in report["findings"]]


def test_each_project_has_its_own_settings() -> None:
    assert placed(report(".")) == [
        ("one/cam.py", "detach", "error"),
        ("two/cam.py", "detach", "info"),
        ("two/inner/src/cam.py", "detach", "info"),
        ("two/round.py", "zero-gradient", "error"),
    ]


def test_settings_that_are_given_are_those_of_all() -> None:
    found = placed(report(".", "--config", "one/pyproject.toml"))
    assert {(rule, severity) for _, rule, severity in found} == {("detach", "error")}
    assert len(found) == 4


def test_a_project_is_the_same_among_others_and_alone() -> None:
    together = report("one", "two")
    alone = [report("one"), report("two/cam.py", "two/round.py"), report("two/inner")]
    assert together["findings"] == sorted((f for r in alone for f in r["findings"]), key=lambda f: f["file"])
    assert together["summary"]["files"]["found"] == sum(r["summary"]["files"]["found"] for r in alone) == 5
    assert together["summary"]["demands"]["severed"] == 5  # one of them by a rule that is off


def test_the_exit_status_is_that_of_the_strictest_project() -> None:
    write(Path("one"), "round.py", "")
    write(Path("one"), "cam.py", "import torch\nfrom torch import nn\nnn.Linear(2, 2).requires_grad = False\n")
    write(Path("two"), "round.py", "")
    run = click.testing.CliRunner().invoke
    assert [f["severity"] for f in report("one")["findings"]] == ["warning"]
    assert run(main, ["one", "two", "--no-cache"]).exit_code == 0  # a warning where only errors count, and infos
    assert run(main, ["one", "two", "--no-cache", "--fail-on", "warning"]).exit_code == 1
    assert run(main, ["one", "two", "--no-cache", "--fail-on", "info"]).exit_code == 1


def test_each_project_has_its_own_cache() -> None:
    report("one", "two")
    assert [name for name in ("one", "two", "two/inner", ".") if (Path(name) / cache.NAME).exists()] == [
        "one", "two", "two/inner",
    ]  # fmt: skip
    assert report("one", "two") == report("one", "two", "--no-cache")
    report("one", "two", "--cache-dir", "kept")
    assert Path("kept").exists()


def test_frames_of_all_projects_are_shown() -> None:
    shown = click.testing.CliRunner().invoke(main, ["one", "two", "--no-cache"]).stdout
    assert shown.count("x.detach().sum().backward()\n") == 3


@forked
def test_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = report(".", "--jobs", "1", "--no-cache")
    monkeypatch.setattr(projects, "LITTLE", 0)
    assert report(".", "--jobs", "2", "--no-cache") == alone
    assert report(".", "--jobs", "9", "--no-cache") == alone


@forked
def test_a_project_whose_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = report(".", "--no-cache")
    monkeypatch.setattr(projects, "LITTLE", 0)
    run = projects.part

    def deadly(task: Task, watch: Watch | None = None) -> projects.Part:
        if projects.name(task) == "two":
            os.kill(os.getpid(), signal.SIGKILL)
        return run(task, watch)

    monkeypatch.setattr(projects, "part", deadly)
    part = report(".", "--jobs", "2", "--no-cache")
    assert [(e["file"], e["kind"]) for e in part["errors"]] == [("two", "internal")]
    assert "signal 9" in part["errors"][0]["message"]
    left = [f for f in alone["findings"] if not f["file"].startswith("two/") or "inner" in f["file"]]
    assert part["findings"] == left
    assert len(left) == 2


def test_one_baseline_for_all_projects(corpus: Path) -> None:
    written = click.testing.CliRunner().invoke(main, ["baseline", "write"])
    assert written.stdout == "gradlint-baseline.json: 4 findings, 4 of them new; 0 taken out\n"
    known = ["check", "--baseline", "gradlint-baseline.json"]
    assert click.testing.CliRunner().invoke(main, [*known, "."]).stdout.startswith("no findings (4 in the baseline). ")
    write(corpus / "one", "cam.py", "")
    (corpus / "two" / "inner" / "src" / "cam.py").unlink()
    write(corpus / "two" / "inner" / "src", "else.py", "x = 1\n")
    result = click.testing.CliRunner().invoke(main, [*known, "."])
    assert "2 findings of the baseline are not there any more" in result.stderr
    assert "1 finding of the baseline is not" in click.testing.CliRunner().invoke(main, [*known, "one"]).stderr
    pruned = click.testing.CliRunner().invoke(
        main, ["baseline", "prune", "one", "--baseline", "gradlint-baseline.json"]
    )
    assert pruned.stdout == "gradlint-baseline.json: 1 taken out, 3 left\n"


def test_each_project_has_the_baseline_that_its_settings_name(corpus: Path) -> None:
    def run(*args: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, args)

    (corpus / "one" / "gradlint.toml").write_text('baseline = "known.json"\n', encoding="utf-8")
    written = run("baseline", "write")
    assert sorted(written.stdout.splitlines()) == [
        "gradlint-baseline.json: 3 findings, 3 of them new; 0 taken out",
        "one/known.json: 2 findings, 2 of them new; 0 taken out",
    ]
    assert written.stderr.count("note: to use it") == 1, "the other is named in the settings already"
    assert "(2 in the baseline)" in run(".").stdout
    assert run("one").stdout.startswith("no findings (2 in the baseline). ")
    status = run("baseline", "status")
    assert "one/known.json: 2 findings still there, 0 not there any more; 0 not in it" in status.stdout
