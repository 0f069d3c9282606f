"""Long tables of constants are not given to libcst; everything around them stays at its place, and nothing is believed of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gradlint.api import check
from gradlint.config import Config
from gradlint.static import program as p
from gradlint.static.data_tables import UNKNOWN, without_tables
from gradlint.static.lower import lower
from gradlint.static.sites import below

ROWS = [f'("é{i}", torch.float16, -{i}.5, {{"a": [None, True]}}),' for i in range(1000)]
TABLES = {
    "over lines": "[\n" + "\n    ".join(ROWS) + "\n]",
    "on one line": "[" + " ".join(ROWS) + "]",
    "no brackets": "\\\n".join(ROWS),
    "deeper": "load([{'rows': (\n" + "\n".join(ROWS) + "\n)}], key=f)",
}
AROUND = "é = 1; t = {}  # why\nlast = t\n"
RIGHT = """import torch

TABLE = {}
x = torch.ones(2, requires_grad=True)
y = x.detach()
for row in TABLE:
    y = x * 2
y.sum().backward()
"""


@pytest.mark.parametrize("name", TABLES)
def test_the_rest_stays_at_its_place(name: str) -> None:
    text = AROUND.replace("{}", TABLES[name])
    short = without_tables(text, ast.parse(text))
    assert short.count(UNKNOWN) == 1
    assert ROWS[0] not in short
    ours, whole = list(ast.walk(ast.parse(short))), ast.walk(ast.parse(text))
    assert {(type(n), ast.unparse(n)) for n in ours if isinstance(n, ast.Name)} - {(ast.Name, UNKNOWN)} <= {
        (type(n), ast.unparse(n)) for n in whole if isinstance(n, ast.Name)
    }
    last = lower(text, "f.py", "f").body[-1]
    assert last.place == (text.count("\n"), 1, text.count("\n"), 9)


@pytest.mark.parametrize(
    "table",
    [
        "[" + ", ".join(f"f({i})" for i in range(6000)) + "]",
        "{" + ", ".join(f"'{i}': C{i}" for i in range(4000)) + "}",
        "[1, 2]",
    ],
)
def test_what_is_computed_or_named_or_short_is_kept(table: str) -> None:
    text = AROUND.replace("{}", table)
    assert without_tables(text, ast.parse(text)) == text


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_nobody_takes_a_long_table_for_an_empty_one(rows: int, tmp_path: Path) -> None:
    text = RIGHT.format("[" + ",\n".join(ROWS[:rows]) + "]")
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    told = [finding.rule for finding in check([tmp_path / "a.py"], Config()).findings]
    assert told == (autograd(text) if rows < 1000 else [])


def autograd(text: str) -> list[str]:
    """What the program does when it is run."""
    try:
        exec(compile(text, "a.py", "exec"), {})
    except RuntimeError as error:
        return ["detach"] if "does not require grad" in str(error) else [str(error)]
    return []


def test_a_table_of_half_a_million_tokens_is_no_data_of_the_parser() -> None:
    table = "{" + ",\n".join(f"({i}, {i}, 'a'): (0, 1, 2, 3, torch.int8)" for i in range(40_000)) + "}"
    program = lower(f"import torch\nT = {table}\n\n\ndef f(x):\n    return T[x]\n", "f.py", "f")
    assert [f.name for f in below(program, p.FunctionDef)] == ["f"]
