"""Names and texts that mean harm, in every format: nothing breaks out, nothing hangs, everything is still told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlint import api, config
from gradlint.finding import Contract, Edit, FileError, Finding, Fix, Place, Position, Range, Runtime, Step
from gradlint.report import Report, View, formats, load, schema
from gradlint.report._plain import flat, printable
from tests.made import report
from tests.runner import commands

EVIL = (
    "\x1b[31mred\x1b]8;;http://evil\x07", "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]>&amp;<!--",
    "a\n::error::owned",
    "%0A::set-output name=x::y", "::add-mask::***", "  ::stop-commands::x", "##[add-matcher]x", "\u202egpj.exe\u2066",
    "a\rb\x00c\x7f\x85\u2028d", "\ufffe\uffff\U000e0041", "{{ 7 * 7 }}{% raw %}",
    "[click](javascript:alert(1))", "日本🎨👨\u200d👩\u200d👧",
)  # fmt: skip
PEOPLE = ("full", "concise")


def evil_finding(text: str) -> Finding:
    """A finding all of whose words are foreign."""
    there = Range(Position(1, 1), Position(1, 4))
    return Finding(
        rule="detach", contract="severed", severity="error", confidence="likely", message=text, file=f"{text}.py", range=there,
        path=(
            Step("capture", f"{text}.py", there, text), Step("cut", f"{text}.py", there, text),
            Step("demand", f"o{text}.py", there, text),
        ),
        help=text, symbol=text, also=(Place(f"{text}.py", there, text),),
        fix=Fix("unsafe", text, (Edit(f"{text}.py", there, text),)),
        runtime=Runtime("confirmed", text, {"demand": {"raised": text, text: [text]}, text: text}),
        fingerprint="00ff", url="rules/detach.md",
    )  # fmt: skip


def evil_report(text: str) -> Report:
    return report([evil_finding(text)], [FileError(f"{text}.py", 1, 1, "syntax-error", text)])


def rendered(name: str, text: str, **wishes: Any) -> str:
    lines = [*text.split("\n"), text]
    return load(name).render(evil_report(text), View(lambda _: lines, **wishes))


def harmless(text: str) -> bool:
    """Whether a terminal would obey nothing in a text."""
    return all(printable(line) == line for line in text.split("\n"))


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("name", PEOPLE)
def test_a_terminal_obeys_nothing(name: str, text: str) -> None:
    shown = rendered(name, text)
    assert harmless(shown)
    assert shown.count("\n") == rendered(name, "x" * len(text)).count("\n") or "\n" in text
    colored = rendered(name, text, color=True)
    assert harmless(colored.replace("\x1b[", ""))
    allowed = {"\x1b[0m", "\x1b[1m", "\x1b[34m", "\x1b[32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m"}
    assert {f"\x1b[{part.split('m')[0]}m" for part in colored.split("\x1b[")[1:]} <= allowed


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_the_runner_obeys_only_our_annotations(text: str) -> None:
    told = list(commands(rendered("github", text)))
    assert [name for name, _, _ in told] == ["error", "error"]
    assert {properties["file"] for _, properties, _ in told} == {printable(f"{text}.py")}
    assert all(harmless(message) for _, _, message in told)


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("name", PEOPLE)
def test_no_line_of_a_text_begins_with_a_command(name: str, text: str) -> None:
    assert [line for line in rendered(name, text).splitlines() if line.lstrip().startswith("::")] in (
        [],
        [_arrow(text)],
    )


def _arrow(text: str) -> str:
    """The line that names another file begins with three colons: no command."""
    return f" ::: o{flat(text)}.py:1:1"


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize("name", ["json", "sarif", "gitlab", "rdjson"])
def test_json_stays_json(name: str, text: str) -> None:
    data = json.loads(rendered(name, text))
    if name == "json":
        jsonschema.validate(data, schema())
        assert data["findings"][0]["message"] == text
        return
    words = ("description", "message", "text", "fullyQualifiedName")
    told = {value for key, value in _strings(data) if key in words}
    inserted = {text} if name == "sarif" else set()
    if name == "rdjson":  # a suggestion is source to be written, from the first edit to the last
        inserted = {suggestion["text"] for found in data["diagnostics"] for suggestion in found.get("suggestions", ())}
    assert all(harmless(value) for value in told - inserted)
    if name == "sarif":
        uri = data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii()
        assert unquote(uri) == f"{text}.py"


def _strings(data: Any, key: str = "") -> list[tuple[str, str]]:
    match data:
        case dict():  # the text of a snippet is the file's own
            items = ((name, value) for name, value in data.items() if name != "snippet")
            return [pair for name, value in items for pair in _strings(value, name)]
        case list():
            return [pair for value in data for pair in _strings(value, key)]
        case str():
            return [(key, data)]
        case _:
            return []


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_xml_stays_xml(text: str) -> None:
    root = ET.fromstring(rendered("junit", text))
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "error"}
    (failure,) = root.iter("failure")
    assert failure.get("message") == printable(text)
    assert all(harmless(value) for element in root.iter() for value in (*element.attrib.values(), element.text or ""))


class Tags(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_a_page_stays_a_page(text: str) -> None:
    tags, plain = Tags(rendered("html", text)), Tags(rendered("html", "x"))
    kinds = {tag for tag, _ in tags.seen}
    assert kinds <= {tag for tag, _ in plain.seen}
    assert kinds.isdisjoint(("script", "img", "iframe", "link", "object", "embed", "form"))
    for _, attributes in tags.seen:
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith(("#", "https://github.com/gradlint/"))
        assert "src" not in attributes
    assert printable(text) in "".join(tags.words)
    assert harmless("".join(tags.words))


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_a_drawing_stays_a_drawing(text: str) -> None:
    from gradlint.report import html

    lines = text.split("\n")
    svg = ET.fromstring(html.svg(evil_report(text), View(lambda _: lines)))
    allowed = {"svg", "style", "rect", "g", "text", "tspan", "path", "circle", "a"}
    assert {element.tag.rpartition("}")[2] for element in svg.iter()} <= allowed


# --- on a real disk --------------------------------------------------------------------------------------------------

SOURCE = "import torch\nx = torch.ones(2, requires_grad=True)\nloss = {evil!r}, x.detach()  # {comment}\nloss[1].sum().backward()\n"
NAMES = (
    "\x1b[31m.py",
    "<script>alert(1)<",
    "a\n::error::b.py",
    "%0A::set-output.py",
    "::warning::w.py",
    "\u202eyp.py",
    "##[group]x.py",
)


def gradlint(*args: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gradlint", *args]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, check=False, timeout=60, env={**os.environ, **(env or {})}
    )


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose names and sources mean harm, some of them no files at all."""
    folder = tmp_path_factory.mktemp("bad")
    for name in NAMES:
        evil = "\x1b[2J::error::</script>"
        (folder / f"{name.removesuffix('.py')}.py").write_text(SOURCE.format(evil=evil, comment=evil), encoding="utf-8")
    (folder / os.fsdecode(b"\xff\xfe.py")).write_text(SOURCE.format(evil="", comment=""), encoding="utf-8")
    (folder / "loop").symlink_to(".")
    (folder / "self.py").symlink_to("self.py")
    os.mkfifo(folder / "pipe.py")
    os.mkfifo(folder / ".gitignore")
    return folder


@pytest.mark.parametrize("name", formats())
def test_every_format_reports_the_bad_folder(name: str, bad_folder: Path) -> None:
    before = {path.name for path in bad_folder.iterdir()}
    ran = gradlint(".", "--no-cache", "--output-format", name, cwd=bad_folder, env={"GITHUB_ACTIONS": "true"})
    assert ran.returncode == 2, ran.stderr
    text = ran.stdout.decode("utf-8")
    assert {path.name for path in bad_folder.iterdir()} == before
    told = list(commands(text))
    assert [command for command, _, _ in told] == (["error"] * 10 if name == "github" else [])
    assert harmless(text)
    if name == "json":
        assert {f["rule"] for f in json.loads(text)["findings"]} == {"detach"}
        assert len(json.loads(text)["findings"]) == 8
        assert [e["file"] for e in json.loads(text)["errors"]] == ["pipe.py", "self.py"]


def test_what_is_no_file_is_told_and_nothing_hangs(bad_folder: Path) -> None:
    start = time.monotonic()
    ran = gradlint("pipe.py", "self.py", "/dev/zero", "::warning::w.py", "--output-format", "json", cwd=bad_folder)
    assert time.monotonic() - start < 10
    assert ran.returncode == 2
    data = json.loads(ran.stdout)
    assert [(e["file"], e["kind"], e["message"]) for e in data["errors"]] == [
        ("/dev/zero", "unreadable", "not a regular file"),
        ("pipe.py", "unreadable", "not a regular file"),
        ("self.py", "unreadable", "Too many levels of symbolic links"),
    ]
    assert len(data["findings"]) == 1


def test_half_characters_are_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_bytes(b'# coding: raw_unicode_escape\nimport torch\ns = "\\ud800"\nx.backward()\n')
    for name in ("json", "full"):
        ran = gradlint("odd.py", "--output-format", name, cwd=tmp_path)
        assert ran.returncode == 2
        assert b"Traceback" not in ran.stderr


def test_a_line_of_ten_megabytes_is_shown_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        f"import torch\nx = torch.ones(2, requires_grad=True); s = '{'特' * 3_500_000}'; x.detach().sum().backward()\n"
    )
    (tmp_path / "long.py").write_text(text, encoding="utf-8")
    start = time.monotonic()
    outcome = api.run(api.Task(("long.py",), config.Loaded(config.Config(), tmp_path)))
    view = View(outcome.texts.lines, rules=outcome.rules)
    assert len(outcome.report.findings) == 1
    shown = {name: load(name).render(outcome.report, view) for name in formats()}
    assert time.monotonic() - start < 30
    assert max(map(len, shown.values())) < 400_000
    assert [name for name in ("full", "html") if "x.detach()" not in shown[name]] == []


def test_a_file_that_changes_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradlint.report import html

    monkeypatch.chdir(tmp_path)
    far = Range(Position(900, 50), Position(901, 3))
    finding = msgspec.structs.replace(evil_finding("x"), range=far, path=(Step("cut", "x.py", far, "gone"),))
    view = View(lambda _: ["only one line"])
    for name in formats():
        assert load(name).render(report([finding]), view)
    assert "gone" in html.svg(report([finding]), view)


EVIL_CODE = 'import torch\nx = torch.ones(2, requires_grad=True)\nd = {"\x1b[2J\u202e": x.detach()}\nd["\x1b[2J\u202e"].sum().backward()\n'


@pytest.mark.parametrize(
    "args", [("explain", "evil.py:3"), ("explain", "evil.py:4"), ("explain", "evil.py:1"), ("why", "evil.py")]
)
def test_what_is_explained_is_harmless(args: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text(EVIL_CODE, encoding="utf-8")
    command = [sys.executable, "-m", "gradlint", *args]
    given = b"RuntimeError: element 0 of tensors does not require grad \x1b[2J\n"
    ran = subprocess.run(command, cwd=tmp_path, input=given, capture_output=True, check=True)
    assert ran.stdout
    assert harmless(ran.stdout.decode("utf-8"))


PLACES = st.builds(Position, st.integers(-3, 12) | st.just(2**40), st.integers(-3, 40) | st.just(2**40))
RANGES = st.builds(Range, PLACES, PLACES)
ROLES = st.sampled_from(["capture", "step", "cut", "select", "demand", "cause", "unknown"])
STEPS = st.builds(
    Step, ROLES, st.sampled_from(["a.py", "b.py"]), RANGES, st.text(max_size=70), st.none() | st.integers(0, 3)
)


@given(
    RANGES, st.lists(STEPS, max_size=5), st.sampled_from(get_args(Contract)), st.text(max_size=600), st.integers(1, 90)
)
@settings(max_examples=60, deadline=None)
def test_no_place_is_too_odd_to_be_shown(
    there: Range, path: list[Step], contract: Contract, text: str, screen: int
) -> None:
    from gradlint.report import html

    finding = Finding("detach", contract, "error", "proved", text, "a.py", there, tuple(path), text)
    lines = [*text.split("\n"), "x = y.detach()", "\t\t'特徴' + z", ""]
    view = View(lambda _: lines, width=screen)
    for name in formats():
        assert load(name).render(report([finding]), view)
    assert html.svg(report([finding]), view)
