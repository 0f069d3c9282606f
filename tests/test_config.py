"""Settings: where they are found, and what becomes of mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import config
from gradlint.config import Config

RULES = {"detach": True, "python-number": True, "cam-weight-gradient": False}


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_all_keys(tmp_path: Path) -> None:
    written(
        tmp_path / "pyproject.toml",
        """
        [tool.gradlint]
        select = ["detach"]
        extend-select = ["cam-weight-gradient"]
        ignore = ["python-number"]
        exclude = ["legacy/"]
        fail-on = "error"
        extend-models = ["models/own.toml"]
        severity = { detach = "warning" }
        per-file-ignores = { "tests/**" = ["detach"] }
        """,
    )
    loaded = config.load([tmp_path / "src"])
    assert loaded.problems == ()
    assert loaded.base == tmp_path
    assert loaded.models() == [tmp_path / "models/own.toml"]
    assert loaded.config == Config(
        select=("detach",),
        extend_select=("cam-weight-gradient",),
        ignore=("python-number",),
        exclude=("legacy/",),
        fail_on="error",
        extend_models=("models/own.toml",),
        severity={"detach": "warning"},
        per_file_ignores={"tests/**": ("detach",)},
    )


def test_the_nearest_file_with_settings_counts(tmp_path: Path) -> None:
    written(tmp_path / "pyproject.toml", "[tool.gradlint]\nfail-on = 'info'\n")
    written(tmp_path / "a/pyproject.toml", "[project]\nname = 'other'\n")
    written(tmp_path / "b/gradlint.toml", "fail-on = 'error'\n")
    written(tmp_path / "b/pyproject.toml", "[tool.gradlint]\nfail-on = 'info'\n")
    assert config.load([tmp_path / "a/x.py"]).config.fail_on == "info"
    assert config.load([tmp_path / "b/deep/x.py"]).config.fail_on == "error"
    assert config.load([tmp_path / "a/x.py", tmp_path / "b/x.py"]).config.fail_on == "info"
    assert config.load([tmp_path / "b/x.py", tmp_path / "a/x.py"]).base == tmp_path


def test_an_empty_table_stops_the_search(tmp_path: Path) -> None:
    written(tmp_path / "pyproject.toml", "[tool.gradlint]\nfail-on = 'info'\n")
    written(tmp_path / "a/pyproject.toml", "[tool.gradlint]\n")
    assert config.load([tmp_path / "a/x.py"]).config == Config()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("slect = ['detach']", "unknown key 'slect'; did you mean 'select'?"),
        ("fail_on = 'error'", "unknown key 'fail_on'; did you mean 'fail-on'?"),
        ("base = 'x'", "unknown key 'base'"),
        ("fail-on = 'fatal'", "key 'fail-on': Invalid enum value 'fatal'"),
        ("select = 'detach'", "key 'select': Expected `array | null`, got `str`"),
        ("severity = { detach = 1 }", "key 'severity': Expected `str`, got `int`"),
    ],
)
def test_a_mistake_costs_its_key_only(tmp_path: Path, line: str, problem: str) -> None:
    written(tmp_path / "gradlint.toml", f"ignore = ['detach']\n{line}\n")
    loaded = config.load([tmp_path / "x.py"])
    assert loaded.config.ignore == ("detach",)
    (said,) = loaded.problems
    assert said.startswith((tmp_path / "gradlint.toml").as_posix())
    assert problem in said


def test_a_broken_file_is_a_problem_if_it_means_gradlint(tmp_path: Path) -> None:
    written(tmp_path / "a/pyproject.toml", "[tool.gradlint\n")
    written(tmp_path / "b/pyproject.toml", "[tool.other\n")
    assert "not valid TOML" in config.load([tmp_path / "a/x.py"]).problems[0]
    assert config.load([tmp_path / "b/x.py"]).problems == ()


def test_a_given_file_must_hold_settings(tmp_path: Path) -> None:
    file = written(tmp_path / "pyproject.toml", "[project]\n")
    assert "has no table [tool.gradlint]" in config.load([], file).problems[0]


@pytest.mark.parametrize(
    ("given", "select", "ignore", "on"),
    [
        (Config(), (), (), {"detach", "python-number"}),
        (Config(select=("detach",)), (), (), {"detach"}),
        (Config(extend_select=("cam-weight-gradient",)), (), (), set(RULES)),
        (Config(ignore=("detach",)), (), (), {"python-number"}),
        (Config(), ("cam-weight-gradient",), (), {"cam-weight-gradient"}),
        (Config(ignore=("detach",)), ("detach",), (), {"detach"}),
        (Config(), (), ("detach",), {"python-number"}),
        (Config(select=("nonsense",)), (), (), set()),
        (Config(), ("nonsense",), (), set()),
        (Config(extend_select=("ALL",)), (), (), set(RULES)),
        (Config(), ("ALL",), ("detach",), {"python-number", "cam-weight-gradient"}),
    ],
)
def test_enabled(given: Config, select: tuple[str, ...], ignore: tuple[str, ...], on: set[str]) -> None:
    assert config.enabled(given, RULES, select, ignore) == on


def test_unknown_rules_are_named_with_their_key() -> None:
    given = Config(select=("detatch", "ALL"), severity={"nope": "info"}, per_file_ignores={"a.py": ("detach", "zzz")})
    assert config.unknown_rules(config.rule_names(given), RULES) == [
        "select: unknown rule 'detatch'; did you mean 'detach'?",
        "severity: unknown rule 'nope'",
        "per-file-ignores.'a.py': unknown rule 'zzz'",
    ]


def test_per_file_ignores_are_patterns_below_the_settings(tmp_path: Path) -> None:
    given = Config(per_file_ignores={"tests/**": ("detach",), "*_old.py": ("python-number",)})
    assert config.ignored_in(given, tmp_path, tmp_path / "tests/a/b_old.py") == {"detach", "python-number"}
    assert config.ignored_in(given, tmp_path, tmp_path / "src/a.py") == set()
