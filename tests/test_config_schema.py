"""The JSON Schema of the settings: it is current, and says of any settings what the loader says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradlint import config
from gradlint.catalog import Catalog
from tests.test_formats import ROOT

SCHEMA = ROOT / "gradlint/config/config.schema.json"
RULES = Catalog.load().rules

words = st.sampled_from(
    ["detach", "no-graph", "ALL", "detatch", "error", "warning", "info", "a.py", "pkg.step:return", "", "x:"]
)
scalars = st.one_of(words, st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False))
values = st.one_of(
    scalars,
    st.lists(words, max_size=3),
    st.lists(scalars, max_size=2),
    st.dictionaries(words, st.one_of(scalars, st.lists(words, max_size=2)), max_size=2),
)
keys = st.sampled_from(
    [
        *(name for name in json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"] if name != "extend"),
        "slect",
        "fail_on",
    ]
)


def toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())} }}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def refused(folder: Path, table: dict[str, Any]) -> list[str]:
    """What the loader has against some settings."""
    text = "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    (folder / "gradlint.toml").write_text(text, encoding="utf-8")
    loaded = config.load([folder])
    return [*loaded.problems, *loaded.unknown_rules(RULES)]


def test_it_is_current() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == config.schema(RULES), "run make update"
    jsonschema.Draft202012Validator.check_schema(config.schema(RULES))


def test_every_key_is_described() -> None:
    properties = config.schema(RULES)["properties"]
    assert [key for key, described in properties.items() if not described.get("description")] == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.dictionaries(keys, values, max_size=3))
def test_it_accepts_what_the_loader_accepts(tmp_path: Path, table: dict[str, Any]) -> None:
    valid = jsonschema.Draft202012Validator(config.schema(RULES)).is_valid(table)
    problems = refused(tmp_path, table)
    assert valid == (not problems), problems


GOOD = """\
#:schema {schema}
select = ["ALL"]
ignore = ["cam-weight-gradient"]
severity = {{ detach = "warning" }}
fail-on = "error"
baseline = "known.json"
demands = ["pkg.Trainer.step:return"]

[per-file-ignores]
"tests/**" = ["ALL"]
"""
BAD = [('fail-on = "error"', 'fail-on = "fatal"'), ('["ALL"]\nignore', '"ALL"\nignore'), ("select", "slect")]


@pytest.mark.parametrize("change", [("", ""), *BAD])
def test_check_jsonschema_reads_it(tmp_path: Path, change: tuple[str, str]) -> None:
    file = tmp_path / "gradlint.toml"
    file.write_text(GOOD.format(schema=SCHEMA.as_uri()).replace(*change), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) is (change == ("", "")), ran.stdout


TAPLO = shutil.which("taplo", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or ""


@pytest.mark.skipif(not TAPLO, reason="the editor's TOML server taplo is not installed")
@pytest.mark.parametrize("change", [("", ""), *BAD])
def test_taplo_reads_it_by_the_directive(tmp_path: Path, change: tuple[str, str]) -> None:
    file = tmp_path / "gradlint.toml"
    file.write_text(GOOD.format(schema=SCHEMA.as_uri()).replace(*change), encoding="utf-8")
    ran = subprocess.run([TAPLO, "lint", str(file)], capture_output=True, text=True, check=False)
    assert (ran.returncode == 0) is (change == ("", "")), ran.stderr
