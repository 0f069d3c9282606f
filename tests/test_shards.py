"""A run in shares: merged, its report is that of one run to the byte; what is no set of shares is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import click.testing
import pytest

from gradlint.cli import main
from tests.test_crew import LOSS, SCRIPT, TANGLE

ROOT = Path(__file__).parent.parent
OPTIONS = ("--select", "ALL", "--no-cache", "--jobs", "1")


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, args, catch_exceptions=False)


def shares(folder: Path, count: int, *args: str) -> list[str]:
    files = [str(folder / f"{k}.json") for k in range(1, count + 1)]
    for k, file in enumerate(files, 1):
        done = run(*args, "--shard", f"{k}/{count}", "--output-file", file)
        assert done.exit_code == 0, done.output
    return files


def merged(*args: str) -> str:
    done = run("merge", *args, "--output-format", "json", "--exit-zero")
    assert done.exit_code == 0, done.output
    return done.stdout


def whole(*args: str) -> str:
    return run(*args, "--output-format", "json", "--exit-zero").stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in TANGLE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(LOSS.format(name=name) + SCRIPT, encoding="utf-8")
    return tmp_path


def test_fixtures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    expected = whole("fixtures", *OPTIONS)
    assert len(json.loads(expected)["findings"]) > 100
    assert merged(*shares(tmp_path, 3, "fixtures", *OPTIONS)[::-1]) == expected


@pytest.mark.parametrize("count", [1, 2, 7])
def test_files_that_call_each_other(count: int, project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    expected = whole(".")
    assert json.loads(expected)["findings"]
    assert merged(*shares(tmp_path_factory.mktemp("shares"), count, ".")) == expected


def test_several_projects(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("p", "q"):
        (project / name).mkdir()
        (project / name / "gradlint.toml").write_text("severity = { detach = 'info' }\n", encoding="utf-8")
        (project / name / "cam.py").write_text(LOSS.format(name=name) + SCRIPT, encoding="utf-8")
    expected = whole(".")
    assert {f["severity"] for f in json.loads(expected)["findings"]} == {"error", "warning", "info"}
    assert merged(*shares(tmp_path_factory.mktemp("shares"), 2, ".")) == expected


def test_the_exit_status_is_that_of_the_run(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = shares(tmp_path_factory.mktemp("shares"), 2, ".", "--select", "dead-loss-term", "--fail-on", "error")
    assert run("merge", *files).exit_code == run(".", "--select", "dead-loss-term", "--fail-on", "error").exit_code == 0
    files = shares(tmp_path_factory.mktemp("shares"), 2, ".")
    assert run("merge", *files).exit_code == run(".").exit_code == 1


def refused(*files: str) -> str:
    done = run("merge", *files)
    assert done.exit_code == 2
    return done.stderr


def test_a_share_that_is_missing_or_there_twice(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two, three = shares(tmp_path_factory.mktemp("shares"), 3, ".")
    assert "shard 2 of 3 is missing" in refused(one, three)
    assert "shard 1, 2 of 3 is missing" in refused(three)
    assert "2.json: shard 2 of 3 is there twice" in refused(one, two, two)


def test_what_is_no_share(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (one,) = shares(tmp_path_factory.mktemp("shares"), 1, ".")
    (project / "report.json").write_text(whole("."), encoding="utf-8")
    (project / "text.json").write_text("no JSON", encoding="utf-8")
    assert "report.json: not a shard of a gradlint run" in refused("report.json")
    assert "text.json: not a shard of a gradlint run" in refused("text.json")
    assert "nowhere.json: cannot be read" in refused("nowhere.json")
    text = Path(one).read_text(encoding="utf-8")
    (project / "old.json").write_text(text.replace('"version":"0.', '"version":"9.'), encoding="utf-8")
    assert "old.json: made by gradlint 9." in refused("old.json")
    damaged = json.loads(text)
    for survey in damaged["pieces"][0]["surveys"].values():
        survey["hints"] = "bm90IGRlZmxhdGVk"  # "not deflated"
    (project / "damaged.json").write_text(json.dumps(damaged), encoding="utf-8")
    assert "damaged.json: a damaged shard" in refused("damaged.json")


def test_shares_of_different_runs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    one, _ = shares(tmp_path_factory.mktemp("shares"), 2, ".")
    other = shares(tmp_path_factory.mktemp("other"), 2, ".", "--ignore", "detach")[1]
    assert "2.json: of a run with other options" in refused(one, other)
    more = shares(tmp_path_factory.mktemp("more"), 3, ".")[1]
    assert "2.json: of another number of shards" in refused(one, more)
    (project / "one.py").write_text("import torch\ntorch.ones(2).backward()\n", encoding="utf-8")
    changed = shares(tmp_path_factory.mktemp("changed"), 2, ".")[1]
    assert "2.json: of a run over other sources" in refused(one, changed)
    (project / "gradlint.toml").write_text("ignore = ['detach']\n", encoding="utf-8")
    configured = shares(tmp_path_factory.mktemp("configured"), 2, ".")
    assert "1.json: of a run with other settings" in refused(changed, configured[0])


def test_a_merge_in_another_checkout(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = shares(tmp_path_factory.mktemp("shares"), 2, ".")
    (project / "one.py").write_text("import torch\ntorch.ones(2).backward()\n", encoding="utf-8")
    assert "the files here are not those that the shards looked at" in refused(*files)


@pytest.mark.parametrize("share", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_shares_that_make_no_sense(share: str, project: Path) -> None:
    done = run(".", "--shard", share)
    assert done.exit_code == 2
    assert "expected K/N" in done.stderr


@pytest.mark.parametrize("more", ["--fix", "--diff", "--statistics", "--output-format=sarif"])
def test_what_needs_the_whole_report(more: str, project: Path) -> None:
    done = run(".", "--shard", "1/2", more)
    assert done.exit_code == 2
    assert f"give {more.partition('=')[0]} there" in done.stderr


def test_a_baseline(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    known = tmp_path_factory.mktemp("known") / "baseline.json"
    assert run("baseline", "write", "one.py", "--baseline", str(known)).exit_code == 0
    expected = whole(".", "--baseline", str(known))
    assert json.loads(expected)["summary"]["baselined"] == 2
    assert merged(*shares(tmp_path_factory.mktemp("shares"), 2, ".", "--baseline", str(known))) == expected
