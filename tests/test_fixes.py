"""Fixes: on every fixture and every bad program of the pages, under real autograd; and how they are applied."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlint import fixes
from gradlint.catalog import Catalog
from gradlint.edits import applied, clash, moved
from gradlint.finding import Edit, Position, Range
from tests.repairs import PAGE, Figures, Mended, everything, findings, mend, shown
from tests.test_cli import invoke

PROGRAMS = dict(everything())
#: a repair takes seconds: every third program is tried each time, the others by the slow tests (and for `docs/fixes.md`)
each = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if i % 3 else []) for i, name in enumerate(PROGRAMS)]
)

#: repairs after which the program's proof still does not see the gradient, and why that is right
UNCONFIRMED = {
    "events/flag_method.py": "the layer is frozen now, as it was meant: its gradient is None",
    "reach/triplet_kws": "the last batch has no active triplet: the gradient is there, and zero",
}


@cache
def mended(name: str) -> Mended:
    """A program's repair, tried once for all tests."""
    import tempfile

    return mend(name, PROGRAMS[name], Path(tempfile.mkdtemp()))


@each
def test_a_repaired_program_has_its_gradient_and_stays_as_it_is(name: str) -> None:
    """One test, since both ask the same repair, which takes seconds."""
    result = mended(name)
    before = [(f.rule, f.message) for f in result.found]
    fixed = [(f.rule, f.message) for f in result.repaired.fixed]
    after = [(f.rule, f.message) for f in result.repaired.outcome.report.findings]
    assert Counter(after) <= Counter(before) - Counter(fixed)
    if result.repaired.fixed:
        assert result.confirmed or name in UNCONFIRMED, result.seen
    assert (dict(result.again.texts), result.again.fixed) == ({}, ())


def test_every_fix_of_a_page_is_made_and_every_repair_is_on_a_page() -> None:
    rules = Catalog.load().rules
    assert fixes.repaired_rules() == sorted(slug for slug, rule in rules.items() if rule.fix)
    declared = {(slug, note.message) for slug, rule in rules.items() for note in rule.fix.values()}
    offered = {(f.rule, f.fix.message) for program in PROGRAMS.values() for f in findings(program) if f.fix is not None}
    assert offered == declared


def test_every_page_says_why_a_finding_may_be_left_alone() -> None:
    assert [slug for slug, rule in Catalog.load().rules.items() if not rule.left] == []


@pytest.mark.slow
def test_the_figures_of_the_page_are_those_of_the_programs() -> None:
    made = Figures()
    rules = Catalog.load().rules
    for name in PROGRAMS:
        made.add(mended(name), rules)
    assert shown(PAGE.read_text(encoding="utf-8")) == made.table(rules), "python -m tests.repairs --write"
    assert {line.partition(":")[0] for line in made.wrong} == set(UNCONFIRMED)


def test_the_figures_of_the_page_add_up() -> None:
    rules = Catalog.load().rules
    *rows, total = (re.split(r" *\| *", line)[1:6] for line in shown(PAGE.read_text(encoding="utf-8")).splitlines()[2:])
    assert [sum(int(row[column]) for row in rows) for column in (1, 2, 3)] == [int(n) for n in total[1:4]]
    names = [row[0] for row in rows]
    assert names == sorted(set(names) & set(rules))
    for slug, found, fixed, _, left in rows:
        assert left == (rules[slug].left if int(fixed) < int(found) else ""), slug


def test_only_what_cannot_change_a_running_program_is_safe() -> None:
    rules = Catalog.load().rules.values()
    safe = {(rule.slug, name) for rule in rules for name, note in rule.fix.items() if note.applicability == "safe"}
    assert safe == {("non-leaf-grad", "retain"), ("unused-suppression", "remove")}


# --- edits -----------------------------------------------------------------------------------------------------------

LETTERS = st.text("ab\n", max_size=12)


@given(LETTERS, st.integers(0, 12), st.integers(0, 12), LETTERS, st.integers(0, 12))
def test_what_lies_outside_an_edit_is_found_where_it_moved(text: str, a: int, b: int, content: str, at: int) -> None:
    start, end = sorted((min(a, len(text)), min(b, len(text))))
    edit = Edit("x", Range(_position(text, start), _position(text, end)), content)
    new = applied(text, [edit])
    assert new == text[:start] + content + text[end:]
    if at < start or end <= at < len(text):
        place = moved(_position(text, at), [edit])
        assert new[_offset(new, place)] == text[at]


def _position(text: str, offset: int) -> Position:
    return Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _offset(text: str, place: Position) -> int:
    return sum(len(line) + 1 for line in text.split("\n")[: place.line - 1]) + place.column - 1


def test_edits_clash_where_they_touch_the_same_text() -> None:
    def edit(start: int, end: int, content: str = "") -> Edit:
        return Edit("x", Range(Position(1, start), Position(1, end)), content)

    assert clash([edit(1, 4), edit(3, 5)])
    assert clash([edit(2, 2, "a"), edit(2, 2, "b")])
    assert not clash([edit(1, 4), edit(4, 6), edit(4, 6)])


# --- the command line ------------------------------------------------------------------------------------------------

UNSAFE = """import torch

x = torch.ones(2, requires_grad=True)
y = x.detach()  # a comment that stays
y.sum().backward()
print(y.numpy())
"""
SAFE = """import torch

x = torch.ones(2, requires_grad=True)
y = x * 2  # é
y.sum().backward()
print(y.grad + 1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("unsafe.py").write_text(UNSAFE, encoding="utf-8")
    Path("safe.py").write_text(SAFE, encoding="utf-8")
    return tmp_path


def test_only_safe_fixes_are_applied_unless_asked(folder: Path) -> None:
    result = invoke("--fix", ".")
    assert result.exit_code == 1
    assert "fixed 1 finding\n" in result.stderr
    assert (folder / "unsafe.py").read_text(encoding="utf-8") == UNSAFE
    assert (folder / "safe.py").read_text(encoding="utf-8") == SAFE.replace("# é\n", "# é\ny.retain_grad()\n")
    assert invoke("--fix", "--unsafe-fixes", ".").exit_code == 0
    mended = UNSAFE.replace("x.detach()", "x").replace("y.numpy()", "y.detach().numpy()")
    assert (folder / "unsafe.py").read_text(encoding="utf-8") == mended


def test_a_diff_changes_nothing_and_can_be_applied(folder: Path) -> None:
    result = invoke("--diff", "--unsafe-fixes", ".")
    assert result.exit_code == 1
    assert (folder / "unsafe.py").read_text(encoding="utf-8") == UNSAFE
    subprocess.run(["git", "apply", "-p0", "-"], input=result.stdout, text=True, check=True, cwd=folder)
    assert invoke(".").exit_code == 0
    assert (invoke("--diff", "--unsafe-fixes", ".").stdout, invoke("--diff", ".").exit_code) == ("", 0)


@pytest.mark.parametrize("piped", [False, True])
def test_what_is_wrong_is_told_where_no_report_is_printed(folder: Path, piped: bool) -> None:
    (folder / "gradlint.toml").write_text("slect = []\n", encoding="utf-8")
    given = ("--fix", "-", "--stdin-filename", "safe.py") if piped else ("--diff", ".")
    result = invoke(*given, given=SAFE)
    assert result.exit_code == 2
    assert "error: gradlint.toml:1: unknown key 'slect'; did you mean 'select'?" in result.stderr
    (folder / "broken.py").write_text("import torch\nx = (\n", encoding="utf-8")
    assert "error: broken.py:2:5: syntax-error: " in invoke("--diff", ".").stderr


@pytest.mark.parametrize(
    ("encoding", "ends"), [("utf-8", "\r\n"), ("utf-8-sig", "\n"), ("latin-1", "\n"), ("utf-8", "\r")]
)
def test_encoding_and_line_ends_stay(folder: Path, encoding: str, ends: str) -> None:
    text = f"# coding: {encoding}\n{SAFE}" if encoding == "latin-1" else SAFE
    Path("safe.py").write_bytes(text.replace("\n", ends).encode(encoding))
    assert invoke("--fix", "safe.py").exit_code == 0
    wanted = text.replace("# é\n", "# é\ny.retain_grad()\n")
    assert Path("safe.py").read_bytes() == wanted.replace("\n", ends).encode(encoding)


def test_mixed_line_ends_stay_where_nothing_changed(folder: Path) -> None:
    lines = SAFE.splitlines()
    Path("safe.py").write_bytes(("\r\n".join(lines[:3]) + "\n" + "\n".join(lines[3:])).encode())
    invoke("--fix", "safe.py")
    assert Path("safe.py").read_bytes().count(b"\r\n") == 3


def test_standard_input_comes_back_repaired(folder: Path) -> None:
    result = invoke("--fix", "--stdin-filename", "piped.py", "-", given=SAFE)
    assert result.stdout == SAFE.replace("# é\n", "# é\ny.retain_grad()\n")
    assert list(folder.glob("piped*")) == []


def test_a_fix_that_leaves_the_next_cut_is_taken_back(folder: Path) -> None:
    text = UNSAFE.replace("y.sum()", "y.argmax().float()")
    Path("unsafe.py").write_text(text, encoding="utf-8")
    result = invoke("--fix", "--unsafe-fixes", "unsafe.py")
    assert "detach is left alone: non-differentiable at line 5 would be next on the way" in result.stderr
    assert (folder / "unsafe.py").read_text(encoding="utf-8") == text


def test_files_for_context_are_not_touched(folder: Path) -> None:
    helper = "def shown(x):\n    return x.detach()\n"
    Path("helper.py").write_text(helper, encoding="utf-8")
    main = "import torch\nfrom helper import shown\n\nshown(torch.ones(2, requires_grad=True)).sum().backward()\n"
    Path("main.py").write_text(main, encoding="utf-8")
    assert invoke("--fix", "--unsafe-fixes", "main.py").exit_code == 1
    assert (folder / "helper.py").read_text(encoding="utf-8") == helper
    assert invoke("--fix", "--unsafe-fixes", "main.py", "helper.py").exit_code == 0


def test_the_report_carries_the_fix(folder: Path) -> None:
    (finding,) = json.loads(invoke("--output-format", "json", "unsafe.py").stdout)["findings"]
    assert finding["fix"]["applicability"] == "unsafe"
    assert [(e["file"], e["range"]["start"], e["content"]) for e in finding["fix"]["edits"]] == [
        ("unsafe.py", {"line": 4, "column": 6}, ""),
        ("unsafe.py", {"line": 6, "column": 8}, ".detach()"),
    ]
