"""`gradlint config`: every value that is in force, and the file and line or the option that it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest

from gradlint import config
from gradlint.catalog import Catalog
from gradlint.cli import main

RULES = Catalog.load().rules


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").write_text("ignore = ['dead-hook']\nseverity.detach = 'warning'\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'x'\n\n[tool.gradlint]\nextend = 'base.toml'\nextend-select = ['cam-weight-gradient']\n"
        "exclude = ['old/']\n\n[tool.gradlint.per-file-ignores]\n'tests/**' = ['no-graph']\n",
        encoding="utf-8",
    )
    return tmp_path


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["config", *args], catch_exceptions=False)


def data(*args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--output-format", "json", *args).stdout)
    return found


def rules(*args: str) -> dict[str, tuple[str, str]]:
    """Rule -> off or its severity, and why."""
    lines = [line[2:].split() for line in run(*args).stdout.splitlines() if line.startswith("# ")]
    return {name: (state, " ".join(why)) for name, state, *why in lines}


@pytest.mark.usefixtures("project")
def test_values_with_their_lines() -> None:
    result = run()
    assert result.exit_code == 0
    values, _, table = result.stdout.partition("\n\n")
    assert [" ".join(line.split()) for line in values.splitlines()] == [
        'extend = "base.toml" # pyproject.toml:5',
        'extend-select = ["cam-weight-gradient"] # pyproject.toml:6',
        'ignore = ["dead-hook"] # base.toml:1',
        'per-file-ignores."tests/**" = ["no-graph"] # pyproject.toml:10',
        'severity.detach = "warning" # base.toml:2',
        'fail-on = "warning" # default',
        'exclude = ["old/"] # pyproject.toml:7',
    ]
    assert table.count("\n") == len(RULES)


def test_what_it_prints_is_a_file_with_the_same_settings(project: Path) -> None:
    shown = run().stdout
    (project / "b").mkdir()
    (project / "b/gradlint.toml").write_text(shown.replace('"base.toml"', '"../base.toml"'), encoding="utf-8")
    one, two = config.load([project]), config.load([project / "b"])
    assert two.problems == ()
    assert two.config.severity == one.config.severity
    assert two.config.extend_select == one.config.extend_select
    assert two.config.per_file_ignores == one.config.per_file_ignores


@pytest.mark.usefixtures("project")
def test_rules_and_why_they_are_on_or_off() -> None:
    here = rules()
    assert here["detach"] == ("warning", "default")
    assert here["dead-hook"] == ("off", "base.toml:1")
    assert here["cam-weight-gradient"] == (RULES["cam-weight-gradient"].severity, "pyproject.toml:6")
    assert here["no-graph"] == ("error", "default")
    assert rules("tests/a.py")["no-graph"] == ("off", "pyproject.toml:10")
    assert rules("src/a.py")["no-graph"] == ("error", "default")


@pytest.mark.usefixtures("project")
def test_options_count_more() -> None:
    told = data("--select", "detach,dead-hook", "--ignore", "dead-hook", "--fail-on", "info", "--exclude", "x/")
    origins = [(v["key"], v["value"], v["from"]) for v in told["settings"] if v["from"].get("option")]
    assert origins == [
        ("select", ["detach", "dead-hook"], {"option": "--select"}),
        ("ignore", ["dead-hook"], {"option": "--ignore"}),
        ("fail-on", "info", {"option": "--fail-on"}),
        ("exclude", ["x/"], {"option": "--exclude"}),
    ]
    assert [v["key"] for v in told["settings"] if v["from"].get("file") == "base.toml"] == ["severity.detach"]
    assert [r["rule"] for r in told["rules"] if r["enabled"]] == ["detach"]


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--select", "detach"),
        ("--ignore", "detach"),
        ("--select", "ALL", "--ignore", "no-graph"),
        ("--ignore", "ALL"),
    ],
)
@pytest.mark.usefixtures("project")
def test_the_table_says_what_a_run_does(project: Path, args: tuple[str, ...]) -> None:
    loaded = config.load([project])
    given = dict(zip(args[::2], args[1::2], strict=True))
    select, ignore = ([given[name]] if name in given else [] for name in ("--select", "--ignore"))
    on = config.enabled(loaded.config, {slug: rule.enabled for slug, rule in RULES.items()}, select, ignore)
    assert {name for name, (state, _) in rules(*args).items() if state != "off"} == on


def test_mistakes_are_told_and_the_rest_is_shown(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.gradlint]\nslect = []\nignore = ['detach']\n", encoding="utf-8")
    result = run("--select", "detatch")
    assert result.exit_code == 2
    assert "pyproject.toml:2: unknown key 'slect'; did you mean 'select'?" in result.stderr
    assert "--select: unknown rule 'detatch'; did you mean 'detach'?" in result.stderr
    assert data()["problems"] == ["pyproject.toml:2: unknown key 'slect'; did you mean 'select'?"]
    assert 'ignore = ["detach"]' in run().stdout


def test_a_broken_model_file_costs_only_itself(project: Path) -> None:
    (project / "good.toml").write_text('"mylib.f" = { flow = "cuts", cause = "library" }\n', encoding="utf-8")
    (project / "bad.toml").write_text('"mylib.g" = { flow = "cutz" }\n', encoding="utf-8")
    (project / "base.toml").write_text("models = ['bad.toml', 'good.toml']\n", encoding="utf-8")
    result = run()
    assert result.exit_code == 2
    assert "error: base.toml:1: key 'models': " in result.stderr
    assert "bad.toml:1: row 'mylib.g'" in result.stderr
    shown = click.testing.CliRunner().invoke(main, ["models", "show", "mylib.f"])
    assert "the gradient ends here" in shown.stdout
    assert shown.exit_code == 2


def test_the_schema_is_printed() -> None:
    assert json.loads(run("--schema").stdout) == config.schema(RULES)
