"""The page about the configuration: its settings load, its table is that of the schema, and what it shows is printed."""

from __future__ import annotations

import sys
from pathlib import Path

import click.testing
import pytest

from gradlint import config
from gradlint.catalog import Catalog, read_models
from gradlint.cli import main
from tests.readme_output import ROOT
from tests.test_docs import fenced

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = ROOT / "docs" / "configuration.md"
RULES = Catalog.load().rules
TYPES = {"string": "string", "array": "list", "object": "table"}


@pytest.mark.parametrize("block", fenced(PAGE, "toml"))
def test_what_it_shows_is_valid(block: str, tmp_path: Path) -> None:
    file = tmp_path / "app/gradlint.toml"
    file.parent.mkdir()
    file.write_text(block, encoding="utf-8")
    table = tomllib.loads(block)
    if any("." in key for key in table):
        assert read_models([file])
        return
    if "extend" in table:
        (file.parent / table["extend"]).parent.mkdir()
        (file.parent / table["extend"]).write_text("fail-on = 'info'\n", encoding="utf-8")
    loaded = config.load([file])
    assert (loaded.problems, loaded.unknown_rules(RULES)) == ((), [])
    assert {setting.keys[0] for setting in loaded.settings()} - {"fail-on"} == set(table) - {"fail-on"}


def test_the_table_of_keys_is_that_of_the_schema() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    properties = config.schema(RULES)["properties"]
    kinds = {key: TYPES[told.get("type", "string")] for key, told in properties.items()}
    assert rows == [f"| `{key}` | {kinds[key]} | {told['description']} |" for key, told in properties.items()]


def test_what_it_says_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gradlint.toml").write_text(fenced(PAGE, "toml")[0], encoding="utf-8")
    (shown,) = fenced(PAGE, "text")
    printed = click.testing.CliRunner().invoke(main, ["config"]).stdout
    assert printed.startswith(shown), printed


def test_the_comment_silences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = (block for block in fenced(PAGE, "python") if "gradlint: ignore" in block)
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    assert click.testing.CliRunner().invoke(main, ["train.py"]).stdout.startswith("no findings (1 suppressed). ")
    (tmp_path / "train.py").write_text(program.replace("  # gradlint: ignore[dead-loss-term]", "  #"), encoding="utf-8")
    assert "warning[dead-loss-term]" in click.testing.CliRunner().invoke(main, ["train.py"]).stdout
