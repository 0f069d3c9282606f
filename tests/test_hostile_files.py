"""Files that mean harm or are broken, each in every format: a clear entry, no hang, and what can be found is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click.testing
import jsonschema
import pytest

from gradlint import api, config, repair
from gradlint.cli import main
from gradlint.report import View, formats, load, schema

CUT = "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.detach()\ny.sum().backward()\n"
LEAF = "import torch\nx = torch.ones(2, requires_grad=True)\n"
DEMAND = "x.detach().sum().backward()\n"
DEEP = "the code is nested too deeply to be analysed"
NUL = "this is not valid Python: source code cannot hold null bytes"


def linted(folder: Path, *names: str) -> api.Outcome:
    """The outcome for some files, or for the folder; every format can show it."""
    outcome = api.run(api.Task(names or (".",), config.Loaded(config.Config(), folder)))
    view = View(outcome.texts.lines, outcome.sites, outcome.rules, show_unknown=True, statistics=True,
                cells=outcome.texts.cells)  # fmt: skip
    for name in formats():
        assert load(name).render(outcome.report, view).encode("utf-8", "backslashreplace")
    jsonschema.validate(json.loads(load("json").render(outcome.report, view)), schema())
    return outcome


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is an empty one."""
    monkeypatch.chdir(tmp_path)


def one(folder: Path, data: str | bytes, name: str = "bad.py") -> api.Outcome:
    """The outcome for one file with this in it."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return linted(folder, name)


def errors(outcome: api.Outcome) -> list[tuple[int, int, str, str]]:
    return [(e.line, e.column, e.kind, e.message) for e in outcome.report.errors]


def rules(outcome: api.Outcome) -> list[str]:
    return [f.rule for f in outcome.report.findings]


# --- text ------------------------------------------------------------------------------------------------------------

READABLE: dict[str, str | bytes] = {
    "bom": b"\xef\xbb\xbf" + CUT.encode(),
    "crlf": CUT.replace("\n", "\r\n"),
    "cr": CUT.replace("\n", "\r"),
    "mixed ends": CUT.replace("y =", "\r\ny ="),
    "form feed": CUT.replace("y =", "\x0cy ="),
    "line separators in a comment": CUT.replace("x.detach()", "x.detach()  # a\u2028b\u2029c\x85d"),
    "line separators in a string": CUT.replace("y = x", "s = 'a\u2028b\x85c'; y = x"),
    "right to left names": CUT.replace("x", "\u05d0\u05d1"),
    "right to left marks": CUT.replace("x.detach()", "x.detach()  # \u202e } \u2066if admin\u2069 \u2066 begin"),
    "no last line end": CUT.rstrip("\n"),
    "half a character in a string": LEAF + "d = {'\\ud800': x.detach()}\nd['\\ud800'].sum().backward()\n",
    "infinite": LEAF + "n = 1e999\nz = -1e999j\nk = int(n)\n" + DEMAND,
    "an endless hexadecimal": LEAF + f"n = 0x{'f' * 100_000}\nprint(f'{{n}}', str(n))\nd = {{n: x.detach()}}\nd[n].sum().backward()\n",
    "an endless name": CUT.replace("x", "v" * 100_000),
    "tabs after spaces": LEAF + "if x is not None:\n        if x.any():\n    \t    y = x.detach()\n        y = x\n" + DEMAND,
    "a part with a step of a list that nobody knows": LEAF + "a = [i for i in unknown()]\na[::2] = [1, 2, 3]\n" + DEMAND,
    "a list in itself": LEAF + "a = []\na.append(a)\nunknown(a)\nprint(a, a == a)\n" + DEMAND,
    "a list of lists of lists": LEAF + "a = [x]\n" + "a = [a, a]\n" * 60 + "unknown(a)\nprint(a)\n" + DEMAND,
    "a tuple that doubles": LEAF + "a = (x,)\n" + "a = a + a\n" * 60 + DEMAND,
    "a list that doubles": LEAF + "a = [x]\n" + "a += a\n" * 60 + DEMAND,
    "a text that doubles": LEAF + "a = 'a'\n" + "a = a + a\n" * 60 + DEMAND,
    "a text formatted into itself": LEAF + "a = b = c = 'a'\n" + "a = f'{a}{a}'\nb = '%s%s' % (b, b)\nc = c.join([c, c])\n" * 60 + DEMAND,
    "a number that squares": LEAF + "a = 3\n" + "a = a * a\n" * 60 + DEMAND,
    "huge numbers": LEAF + "a = 10**10**9\nb = 1 << (1 << 40)\nc = range(10**30)\nprint(len(c), 1e9 in c, 'a' in c)\n" + DEMAND,
    "huge fields": LEAF + "a = '%999999999d' % 1\nb = '%*d' % (10**9, 1)\nc = [0] * 10**12\nd = 'a' * 10**11\n" + DEMAND,
    "an endless loop": LEAF + "n = 0\nwhile True:\n    n += 1\n    if unknown(n): break\n" + DEMAND,
    "an endless generator": LEAF + "def g():\n    while True:\n        yield x.detach()\nfor a in g():\n    a.sum().backward()\n",
    "a name longer than a path": LEAF + f"try:\n    import {'a' * 5_000}, b{'.b' * 3_000}\nexcept ImportError:\n    pass\n" + DEMAND,
}  # fmt: skip


@pytest.mark.parametrize("name", READABLE)
def test_what_python_reads_is_analysed(name: str, tmp_path: Path) -> None:
    outcome = one(tmp_path, READABLE[name])
    assert errors(outcome) == []
    assert rules(outcome) == ["detach"]


def test_the_place_is_where_an_editor_counts_it(tmp_path: Path) -> None:
    for name in ("form feed", "line separators in a comment", "line separators in a string", "bom", "crlf", "cr"):
        (finding,) = one(tmp_path, READABLE[name]).report.findings
        cut, demand = (next(step for step in finding.path if step.role == role) for role in ("cut", "demand"))
        assert (cut.range.start.line, demand.range.start.line) == (3, 4)
        assert demand.label == "y.sum().backward()"


BROKEN: dict[str, tuple[str | bytes, tuple[int, int, str, str]]] = {
    "not utf-8": (b"import torch\ns = '\xe9'\nx.backward()\n",
                  (2, 6, "encoding", "byte 0xe9 is not utf-8: declare the file's encoding, or save it as UTF-8")),
    "utf-16": (CUT.encode("utf-16"),
               (1, 1, "encoding", "byte 0xff is not utf-8: declare the file's encoding, or save it as UTF-8")),
    "an unknown encoding": ("# coding: klingon\n" + CUT, (1, 1, "encoding", "unknown encoding: klingon")),
    "null byte": (CUT + "\0\n", (5, 1, "syntax-error", NUL)),
    "null byte in a string": (LEAF + "s = 'a\0b'\n" + DEMAND, (3, 7, "syntax-error", NUL)),
    "unknown character name": (LEAF + "s = '\\N{no such}'\n" + DEMAND,
                               (3, 5, "syntax-error", "this is not valid Python: (unicode error)")),
    "more digits than Python reads": (LEAF + f"n = {'9' * 5_000}\n" + DEMAND,
                                      (3, 5, "syntax-error", "this is not valid Python: Exceeds the limit")),
    **{name: (f"{LEAF}a = 0\n{code}\n{DEMAND}", (1, 1, "budget", DEEP)) for name, code in {
        "chain of calls": f"b = x{'.exp()' * 600}",
        "chain of calls in brackets": "b = (x" + "\n.exp()" * 600 + ")",
        "parentheses": f"b = {'(' * 10_000}1{')' * 10_000}",
        "open parentheses": "b = " + "(" * 10_000,
        "brackets": f"b = {'[' * 5_000}{']' * 5_000}",
        "few brackets": f"b = {'[' * 700}{']' * 700}",
        "brackets on lines": "b = " + "[\n" * 1_500 + "]\n" * 1_500,
        "minus": f"b = {'-' * 19_000}1",
        "minus on lines": "b = (" + "-\n" * 5_000 + "1)",
        "not": f"b = {'not ' * 4_000}1",
        "attributes": f"b = a{'.b' * 9_000}",
        "calls": f"b = a{'()' * 9_000}",
        "items": f"b = a{'[0]' * 6_000}",
        "sums on lines": "b = (a" + "\n+ a" * 4_000 + ")",
        "powers": f"b = a{' ** a' * 4_000}",
        "conditions": f"b = {'1 if a else ' * 4_000}1",
        "lambdas": f"b = {'lambda: ' * 9_000}1",
        "backslashes": "b = a" + "\\\n.b" * 4_000,
    }.items()},
    "indentation": ("import torch\n" + "".join(f"{' ' * i}if x:\n" for i in range(150)) + " " * 150 + DEMAND,
                    (102, 1, "syntax-error", "this is not valid Python: too many levels of indentation")),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_analysed_has_an_entry(name: str, tmp_path: Path) -> None:
    data, (line, column, kind, message) = BROKEN[name]
    begun = time.process_time()
    outcome = one(tmp_path, data)
    assert time.process_time() - begun < 20
    ((at, in_line, of, told),) = errors(outcome)
    assert of == kind
    assert told.startswith(message)
    if kind != "budget":
        assert (at, in_line) == (line, column)


def test_a_broken_file_costs_only_itself(tmp_path: Path) -> None:
    for number, (data, _) in enumerate(BROKEN.values()):
        (tmp_path / f"bad{number}.py").write_bytes(data if isinstance(data, bytes) else data.encode())
    (tmp_path / "good.py").write_text(CUT, encoding="utf-8")
    outcome = linted(tmp_path)
    assert [f.file for f in outcome.report.findings] == ["good.py"]
    assert len(outcome.report.errors) == len(BROKEN)
    assert outcome.status("warning") == 2


@pytest.mark.parametrize("text", [f"{CUT}# {'b' * 10_000_000}\n", f"{LEAF}s = '{'特' * 3_400_000}'; {DEMAND}"])
def test_a_line_of_ten_megabytes(text: str, tmp_path: Path) -> None:
    assert rules(one(tmp_path, text)) == ["detach"]


# --- notebooks -------------------------------------------------------------------------------------------------------


def cell(source: Any, kind: str = "code") -> dict[str, Any]:
    return {"cell_type": kind, "source": source, "metadata": {}, "outputs": [], "execution_count": None}


def book(*cells: Any, **metadata: Any) -> str:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


NO_BOOKS: dict[str, tuple[str | bytes, str]] = {
    "text": ("not json", "this is not a notebook: not valid JSON: Expecting value"),
    "nothing": ("", "this is not a notebook: not valid JSON: Expecting value"),
    "a part": (book(cell(CUT))[:-20], "this is not a notebook: not valid JSON: "),
    "a list": ("[]", "this is not a notebook: its JSON is not an object"),
    "null": ("null", "this is not a notebook: its JSON is not an object"),
    "without cells": ("{}", "this is not a notebook: it has no list of `cells`"),
    "a number of cells": ('{"cells": 3}', "this is not a notebook: it has no list of `cells`"),
    "deep": ("[" * 100_000, "this is not a notebook: its JSON is nested too deeply"),
    "deep objects": ('{"a":' * 100_000, "this is not a notebook: its JSON is nested too deeply"),
    "a long number": ('{"cells": [], "nbformat": ' + "9" * 10_000 + "}", "this is not a notebook: Exceeds the limit"),
    "latin": (book(cell("s")).encode().replace(b'"s"', b'"\xe9"'), "byte 0xe9 is not utf-8: notebooks are saved as UTF-8"),
    "utf-16": (book(cell(CUT)).encode("utf-16"), "byte 0xff is not utf-8: notebooks are saved as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_BOOKS)
def test_what_is_no_notebook_has_an_entry(name: str, tmp_path: Path) -> None:
    data, message = NO_BOOKS[name]
    ((_, _, kind, told),) = errors(one(tmp_path, data, "a.ipynb"))
    assert kind == "notebook"
    assert told.startswith(message)


BOOKS = {
    "bom": "\ufeff" + book(cell(CUT)),
    "crlf": book(cell(CUT.replace("\n", "\r\n"))),
    "half a character": book(cell(f"s = '?'\n{CUT}")).replace("?", "\\ud800"),
    "odd cells": book(None, 3, [], {}, cell(3), cell([3, None]), cell(CUT)),
    "odd metadata": book(cell(CUT), kernelspec={"language": {"a": 1}}, language_info=[]),
    "numbers that are none": book(cell(CUT))[:-1] + ', "a": NaN, "b": -Infinity, "c": 1e999}',
    "magics": book(cell("%" * 5_000), cell("!" * 50_000), cell("?" * 5_000), cell("a = !ls\n" + "%timeit " * 3_000), cell(CUT)),
    "outputs that mean harm": book({**cell(CUT), "outputs": [{"text": "\x1b[2J::error::</script>"}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", BOOKS)
def test_an_odd_notebook_is_analysed(name: str, tmp_path: Path) -> None:
    outcome = one(tmp_path, BOOKS[name], "a.ipynb")
    assert errors(outcome) == []
    assert rules(outcome) == ["detach"]


def test_one_bad_cell_costs_only_itself(tmp_path: Path) -> None:
    deep = f"x = {'(' * 10_000}1{')' * 10_000}"
    outcome = one(
        tmp_path, book(cell("import torch"), cell(deep), cell("x = ("), cell("s = '\0'"), cell(CUT)), "a.ipynb"
    )
    assert rules(outcome) == ["detach"]
    assert [(e.cell, e.line, e.message.partition(":")[0]) for e in outcome.report.errors] == [
        (2, 1, DEEP), (3, 1, "this is not valid Python"), (4, 1, "this is not valid Python"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_hundred_thousand_cells(tmp_path: Path) -> None:
    cells = [cell(CUT) if number % 10_000 == 0 else cell(f"z = {number}") for number in range(100_000)]
    outcome = one(tmp_path, book(*cells), "a.ipynb")
    assert errors(outcome) == []
    assert [f.cell for f in outcome.report.findings] == [number + 1 for number in range(0, 100_000, 10_000)]


# --- settings --------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, tuple[bytes, str]] = {
    "deep": (b"select = " + b"[" * 20_000, "not valid TOML: nested too deeply"),
    "a long number": (b"select = " + b"9" * 20_000, "not valid TOML: Exceeds the limit"),
    "not utf-8": (b"select = 3 # \xff\n", "not valid TOML: 'utf-8' codec"),
    "null byte": (b"select = 3\0\n", "not valid TOML: "),
    "escapes": (b'"\\u001b[31m\\n::error::\\u202e" = 1\n', "unknown key"),
    "escapes in a rule": (b'select = ["\\u001b[2J\\n::error::</script>"]\n', "unknown rule"),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_broken_settings_are_told_and_the_rest_is_reported(name: str, tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(CUT, encoding="utf-8")
    data, message = SETTINGS[name]
    for file, table in (("gradlint.toml", b""), ("pyproject.toml", b"[tool.gradlint]\n")):
        (tmp_path / file).write_bytes(table + data)
        ran = click.testing.CliRunner().invoke(main, ["good.py", "--no-cache", "--exit-zero"], catch_exceptions=False)
        (tmp_path / file).unlink()
        assert ran.exit_code == 2
        assert f"{file}:" in ran.stderr
        assert message in ran.stderr
        assert "\x1b" not in ran.output + ran.stderr
        assert not [line for line in ran.stderr.splitlines() if line.startswith("::")]


def test_settings_may_begin_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(CUT, encoding="utf-8")
    (tmp_path / "gradlint.toml").write_bytes(b"\xef\xbb\xbfignore = ['detach']\n")
    ran = click.testing.CliRunner().invoke(main, ["good.py", "--no-cache"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.stderr


# --- the disk --------------------------------------------------------------------------------------------------------


def test_what_is_no_file_has_an_entry_and_links_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(CUT, encoding="utf-8")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "up").symlink_to("..")
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "a.py").symlink_to("b.py")
    (tmp_path / "b.py").symlink_to("a.py")
    (tmp_path / ".#good.py").symlink_to("user@host.1234")  # how an editor locks a file
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / "pipe.ipynb")
    for names in ((), ("good.py", "a.py", "b.py", "pipe.py", "pipe.ipynb", "folder.py", "here", "deeper")):
        outcome = linted(tmp_path, *names)
        assert [f.file for f in outcome.report.findings][:1] == ["good.py"]
        told = {
            (e.file, e.kind, e.message) for e in outcome.report.errors if not e.file.startswith(("here/", "deeper/"))
        }
        assert told == {
            ("a.py", "unreadable", "Too many levels of symbolic links"),
            ("b.py", "unreadable", "Too many levels of symbolic links"),
            ("pipe.ipynb", "unreadable", "not a regular file"),
            ("pipe.py", "unreadable", "not a regular file"),
        }
    assert {e.file for e in linted(tmp_path).report.errors} == {"a.py", "b.py", "pipe.ipynb", "pipe.py"}


def test_a_name_that_is_too_long_has_an_entry() -> None:
    ran = click.testing.CliRunner().invoke(main, ["a" * 5_000, "--output-format", "json"], catch_exceptions=False)
    assert ran.exit_code == 2
    (error,) = json.loads(ran.stdout)["errors"]
    assert (error["kind"], error["message"]) == ("unreadable", "File name too long")


def as_anybody(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run gradlint as somebody to whom permissions apply: root without its capabilities is one."""
    command = [sys.executable, "-m", "gradlint", *args]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may read everything, and there is no setpriv to take that away")
        command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_without_permission_there_is_an_entry(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(f"import shut.mod, listed.mod, secret\n{CUT}", encoding="utf-8")
    (tmp_path / "secret.py").write_text(CUT, encoding="utf-8")
    for name in ("shut", "listed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mod.py").write_text(CUT, encoding="utf-8")
    modes = {"shut": 0o000, "listed": 0o444, "secret.py": 0o000}
    for name, mode in modes.items():
        (tmp_path / name).chmod(mode)
    try:
        ran = as_anybody(".", "--no-cache", "--output-format", "json", cwd=tmp_path)
        named = as_anybody("shut/mod.py", "secret.py", "good.py", "--no-cache", "--output-format", "json", cwd=tmp_path)
    finally:
        for name in modes:
            (tmp_path / name).chmod(0o755)
    for done, files in ((ran, ["listed/mod.py", "secret.py", "shut"]), (named, ["secret.py", "shut/mod.py"])):
        assert done.returncode == 2, done.stderr
        report = json.loads(done.stdout)
        assert [(e["file"], e["kind"], e["message"]) for e in report["errors"]] == [
            (file, "unreadable", "Permission denied") for file in files
        ]
        assert [f["file"] for f in report["findings"]] == ["good.py"]


def test_files_that_come_and_go_while_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(CUT, encoding="utf-8")
    over = threading.Event()

    def shuffle() -> None:
        number = 0
        while not over.is_set():
            file = tmp_path / f"m{number % 40}.py"
            file.write_text("import torch\n" + CUT * (number % 7), encoding="utf-8")
            (tmp_path / f"m{(number + 13) % 40}.py").unlink(missing_ok=True)
            number += 1

    thread = threading.Thread(target=shuffle)
    thread.start()
    try:
        for _ in range(12):
            outcome = linted(tmp_path)
            assert "good.py" in {f.file for f in outcome.report.findings}
            assert {e.kind for e in outcome.report.errors} <= {"unreadable"}
    finally:
        over.set()
        thread.join()


def test_a_fix_does_not_overwrite_what_somebody_saved_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(
        "import torch\nfrom torch import nn\nx = torch.ones(1, 2, requires_grad=True)\nh = nn.Linear(2, 2)(x)\n"
        "h.sum().backward()\nprint(h.grad.norm())\n", encoding="utf-8",
    )  # fmt: skip
    repaired = repair.repair(api.Task(("a.py",), config.Loaded(config.Config(), tmp_path)), unsafe=True)
    assert repaired.fixed
    file.write_text("saved = 1\n", encoding="utf-8")
    assert repair.write(repaired) == ["a.py: not repaired: the file changed meanwhile"]
    assert file.read_text(encoding="utf-8") == "saved = 1\n"


def test_a_difference_has_the_lines_that_patch_counts(tmp_path: Path) -> None:
    text = (
        "import torch\nfrom torch import nn\n\x0c\nx = torch.ones(1, 2, requires_grad=True)  # a\u2028b\nh = nn.Linear(2, 2)(x)\n"
        "h.sum().backward()\nprint(h.grad.norm())\n"
    )
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "gradlint", "a.py", "--diff", "--unsafe-fixes", "--no-cache"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert b"retain_grad" in ran.stdout
    if shutil.which("patch") is None:
        pytest.skip("no patch")
    subprocess.run(["patch", "-p0", "--fuzz=0"], cwd=tmp_path, input=ran.stdout, check=True, capture_output=True)
    patched = (tmp_path / "a.py").read_text(encoding="utf-8")
    assert patched.replace("h.retain_grad()\n", "") == text
