"""Settings: where they are found, and what becomes of mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import config
from gradlint.config import Config, Loaded
from gradlint.config.lines import line_of

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
    assert [path for _, path in loaded.models()] == [tmp_path / "models/own.toml"]
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
        ("basel = 'x'", "unknown key 'basel'; did you mean 'baseline'?"),
        ("nonsense = 'x'", "unknown key 'nonsense'"),
        (
            "fail-on = 'warn'",
            """key 'fail-on': expected "error", "info" or "warning", not the string "warn"; did you mean""",
        ),
        ("fail-on = true", """key 'fail-on': expected "error", "info" or "warning", not the boolean true"""),
        (
            "select = 'detach'",
            """key 'select': expected a list of strings, not the string "detach": write ["detach"]""",
        ),
        ("select = ['detach', 3]", "key 'select': item 2: expected a string, not the number 3"),
        ("exclude = { a = 1 }", "key 'exclude': expected a list of strings, not a table"),
        ("baseline = ['known.json']", """key 'baseline': expected a string, not a list: write "known.json\""""),
        ("extend = 1979-05-27", "key 'extend': expected a string, not a date"),
        (
            "demands = ['pkg.step']",
            """key 'demands': item 1: the string "pkg.step" is not of the form "pkg.Trainer.step""",
        ),
        ("severity = 'error'", "key 'severity': expected a table, not the string \"error\""),
        (
            "severity = { detach = 1 }",
            """key 'severity.detach': expected "error", "info" or "warning", not the number 1""",
        ),
        (
            "per-file-ignores = { 'a b' = 'x' }",
            """key 'per-file-ignores."a b"': expected a list of strings, not the string""",
        ),
        ("per-file-ignores = { '!' = [] }", """key 'per-file-ignores."!"': '!' is no pattern as .gitignore has them"""),
        ("exclude = ['[z-a]']", "key 'exclude': '[z-a]' is no pattern as .gitignore has them"),
    ],
)
def test_a_mistake_costs_its_key_only(tmp_path: Path, line: str, problem: str) -> None:
    written(tmp_path / "gradlint.toml", f"ignore = ['detach']\n\n{line}\n")
    loaded = config.load([tmp_path / "x.py"])
    assert loaded.config == Config(ignore=("detach",))
    (said,) = loaded.problems
    assert said.startswith(f"{(tmp_path / 'gradlint.toml').as_posix()}:3: {problem}")


def test_a_mistake_in_a_table_costs_its_entry_only(tmp_path: Path) -> None:
    text = "[tool.gradlint]\nfail-on = 1\n[tool.gradlint.severity]\ndetach = 'warning'\n# why\nno-graph = 'grave'\n"
    file = written(tmp_path / "pyproject.toml", text)
    loaded = config.load([tmp_path / "x.py"])
    assert loaded.config == Config(severity={"detach": "warning"})
    assert [told.split(": ")[:2] for told in loaded.problems] == [
        [f"{file.as_posix()}:2", "key 'fail-on'"],
        [f"{file.as_posix()}:6", "key 'severity.no-graph'"],
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("tool = 1\n", "'tool' must be a table"), ("[tool]\ngradlint = ['x']\n", "'tool.gradlint' must be a table")],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, problem: str) -> None:
    written(tmp_path / "pyproject.toml", text)
    (said,) = config.load([tmp_path / "x.py"]).problems
    assert said.endswith(problem)


# --- extend ----------------------------------------------------------------------------------------------------------


def test_extended_settings_are_replaced_key_by_key_and_tables_entry_by_entry(tmp_path: Path) -> None:
    written(
        tmp_path / "shared/base.toml",
        """
        select = ["detach"]
        extend-select = ["no-graph"]
        ignore = ["python-number"]
        exclude = ["old/"]
        fail-on = "info"
        extend-models = ["rows.toml"]
        severity = { detach = "warning", no-graph = "info" }
        per-file-ignores = { "a.py" = ["detach"], "b.py" = ["detach"] }
        """,
    )
    written(
        tmp_path / "app/pyproject.toml",
        """
        [tool.gradlint]
        extend = "../shared/base.toml"
        extend-select = ["hidden-cut"]
        ignore = ["dead-hook"]
        extend-models = ["own.toml"]
        severity = { detach = "error" }
        per-file-ignores = { "a.py" = ["no-graph"] }
        """,
    )
    loaded = config.load([tmp_path / "app/x.py"])
    assert loaded.problems == ()
    assert loaded.config == Config(
        extend="../shared/base.toml",
        select=("detach",),
        extend_select=("no-graph", "hidden-cut"),
        ignore=("dead-hook",),
        exclude=("old/",),
        fail_on="info",
        extend_models=("rows.toml", "own.toml"),
        severity={"detach": "error", "no-graph": "info"},
        per_file_ignores={"a.py": ("no-graph",), "b.py": ("detach",)},
    )
    assert loaded.base == tmp_path / "app"
    assert [path for _, path in loaded.models()] == [tmp_path / "shared/rows.toml", tmp_path / "app/own.toml"]
    (excluded,) = loaded.excludes()
    assert excluded.base == tmp_path / "shared"
    rules = ("detach", "no-graph")
    assert loaded.off(tmp_path / "app/a.py", rules) == {"no-graph"}
    assert loaded.off(tmp_path / "shared/b.py", rules) == {"detach"}
    assert loaded.off(tmp_path / "shared/sub/a.py", rules) == {"no-graph"}


def test_a_chain_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    written(tmp_path / "a/b/one.toml", "extend = '../two.toml'\n")
    written(tmp_path / "a/two.toml", "extend = 'c/three.toml'\nfail-on = 'error'\n")
    written(tmp_path / "a/c/three.toml", "fail-on = 'info'\nbaseline = 'known.json'\n")
    loaded = config.load([], tmp_path / "a/b/one.toml")
    assert (loaded.problems, loaded.config.fail_on) == ((), "error")
    assert loaded.baseline() == tmp_path / "a/c/known.json"


def test_a_circle_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "gradlint.toml", "fail-on = 'info'\nextend = 'a.toml'\n")
    written(tmp_path / "a.toml", "extend = 'b.toml'\n")
    written(tmp_path / "b.toml", "\nextend = 'a.toml'\nignore = ['detach']\n")
    loaded = config.load([tmp_path / "x.py"])
    assert loaded.problems == ("b.toml:2: key 'extend': a circle: a.toml -> b.toml -> a.toml",)
    assert (loaded.config.fail_on, loaded.config.ignore) == ("info", ("detach",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "gradlint.toml:2: key 'extend': no such file: base.toml"),
        ("[", "base.toml: not valid TOML: "),
        ("slect = []", "base.toml:1: unknown key 'slect'; did you mean 'select'?"),
    ],
)
def test_what_is_wrong_with_an_extended_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "gradlint.toml", "ignore = ['detach']\nextend = 'base.toml'\n")
    if text is not None:
        written(tmp_path / "base.toml", text)
    loaded = config.load([tmp_path / "x.py"])
    assert [told[: len(problem)] for told in loaded.problems] == [problem]
    assert loaded.config.ignore == ("detach",)


def test_an_extended_pyproject_without_settings_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path / "gradlint.toml", "extend = 'pyproject.toml'\n")
    written(tmp_path / "pyproject.toml", "[project]\n")
    assert "has no table [tool.gradlint]" in config.load([tmp_path / "x.py"]).problems[0]


# --- lines -----------------------------------------------------------------------------------------------------------

DOCUMENT = """\
# a comment with [tool.gradlint] and select = 1
title = '''
select = 2
'''
[tool.gradlint]

# above
select = [  # why
    "a",

    "b",
]
severity = { detach = "error" }
per-file-ignores."a.b" = [] # = [
fail-on = '''
error'''

[tool.gradlint.'severity-not']
x = 1
[[tool.gradlint.many]]
y = 2
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 2),
        (("tool", "gradlint"), 5),
        (("tool", "gradlint", "select"), 8),
        (("tool", "gradlint", "severity"), 13),
        (("tool", "gradlint", "severity", "detach"), 13),
        (("tool", "gradlint", "per-file-ignores", "a.b"), 14),
        (("tool", "gradlint", "fail-on"), 15),
        (("tool", "gradlint", "severity-not", "x"), 19),
        (("tool", "gradlint", "many"), 20),
        (("tool", "gradlint", "nowhere"), 1),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_of_a_key(keys: tuple[str, ...], line: int, newline: str) -> None:
    assert line_of(DOCUMENT.replace("\n", newline), keys) == line


# --- files -----------------------------------------------------------------------------------------------------------


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


def test_unknown_rules_are_named_with_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = """\
        select = ['detatch', 'ALL']
        severity = { nope = 'info', ALL = 'info' }
        [per-file-ignores]
        'a.py' = ['detach', 'zzz', 'ALL']
        """
    written(tmp_path / "gradlint.toml", text)
    assert config.load([tmp_path]).unknown_rules(RULES) == [
        "gradlint.toml:1: key 'select': unknown rule 'detatch'; did you mean 'detach'?",
        """gradlint.toml:4: key 'per-file-ignores."a.py"': unknown rule 'zzz'""",
        "gradlint.toml:2: key 'severity.nope': unknown rule 'nope'",
        "gradlint.toml:2: key 'severity.ALL': unknown rule 'ALL'",
    ]


def test_per_file_ignores_are_patterns_below_the_settings(tmp_path: Path) -> None:
    given = Config(per_file_ignores={"tests/**": ("detach",), "*_old.py": ("python-number",), "made/": ("ALL",)})
    loaded = Loaded(given, tmp_path)
    assert loaded.off(tmp_path / "tests/a/b_old.py", RULES) == {"detach", "python-number"}
    assert loaded.off(tmp_path / "src/a.py", RULES) == set()
    assert loaded.off(tmp_path / "src/made/a.py", RULES) == set(RULES)
    assert loaded.off(tmp_path.parent / "x_old.py", RULES) == {"python-number"}
