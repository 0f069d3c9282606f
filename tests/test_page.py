"""The page and the drawings: what they say, and what a real browser makes of them in light, dark, narrow and on paper."""

from __future__ import annotations

import html as markup
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click.testing
import msgspec
import pytest

from gradlint import api, config
from gradlint.cli import main
from gradlint.finding import Edit, Finding, Fix, Place, Runtime
from gradlint.report import View, html, load
from gradlint.report import json as machine
from gradlint.report._way import drawn
from tests.made import CAM, at, detach, report

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SEEN = {
    "input": {"shape": [1, 512, 7, 7], "requires_grad": True, "grad_fn": "ReluBackward0"},
    "output": {"requires_grad": False, "grad_fn": None},
    "demand": {"kind": "autograd.grad", "raised": "RuntimeError: does not require grad", "gradient": "none"},
}
CONFIRMED = msgspec.structs.replace(
    detach(),
    confidence="likely",
    also=(Place("cam.py", at(CAM, "import torch"), "loss.backward()"),),
    fix=Fix("unsafe", "store the live tensor", (Edit("cam.py", at(CAM, ".detach()"), ""),)),
    runtime=Runtime("confirmed", None, SEEN),
)


def page(*findings: Finding) -> str:
    return load("html").render(report(findings), View(lambda _: CAM.split("\n")))


def words(text: str) -> str:
    """The words of a page, without its tags."""
    return " ".join(markup.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL)).split())


def test_a_page_tells_everything_of_a_finding() -> None:
    told = words(page(CONFIRMED))
    for expected in (
        "error score cannot reach features['conv']: .detach() cuts the gradient", "cam.py:7:24", "1 error, 0 warnings",
        "capture output of model[0], hooked", "demand", "help store `output`", "also cut off loss.backward() at cam.py:1:1",
        "fix store the live tensor (unsafe) cam.py:7:30 − .detach()", "when it ran confirmed",
        "requires_grad yes, grad_fn ReluBackward0, shape [1, 512, 7, 7]",
        "gradient none, raised RuntimeError: does not require grad", "5 demands for a gradient: 3 connected 1 severed 1 undecided",
    ):  # fmt: skip
        assert expected in told
    assert "No findings." in words(page())


def source_of(text: str) -> dict[int, str]:
    """The lines of source that a page shows, without badges."""
    rows = re.findall(r'<span class="line">(\d+)</span><code>(.*?)</code>', text, re.DOTALL)
    plain = ((number, re.sub(r'<a class="badge.*?</a>|<[^>]+>', "", row)) for number, row in rows)
    return {int(number): markup.unescape(row) for number, row in plain}


def test_the_source_of_a_page_is_the_source() -> None:
    shown = source_of(page(detach()))
    lines = CAM.split("\n")
    assert {6, 7, 13} <= shown.keys()
    assert shown == {number: lines[number - 1] for number in shown}


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page(CONFIRMED)
    assert "default-src 'none'" in text
    assert re.findall(r"<(script|link|img|iframe)", text) == []
    assert re.findall(r"url\(|@import|src=", text) == []
    assert {url for url in re.findall(r'href="([^"]+)"', text) if not url.startswith("#")} <= {"https://github.com/"}


@pytest.mark.parametrize(
    ("contract", "roles", "states"),
    [
        ("severed", ("capture", "cut", "step", "demand"), ["live", "dead", "dead"]),
        ("severed", ("capture", "step", "cut", "demand"), ["live", "live", "dead"]),
        ("zeroed", ("capture", "cut", "demand"), ["live", "zero"]),
        ("off-path", ("capture", "demand"), ["missing"]),
        ("no-graph", ("cause", "demand"), ["dead"]),
        ("non-leaf", ("capture", "cause", "demand"), ["live", "dead"]),
    ],
)
def test_the_gradient_is_live_up_to_the_cut(contract: Any, roles: tuple[Any, ...], states: list[str]) -> None:
    path = tuple(msgspec.structs.replace(detach().path[0], role=role) for role in roles)
    way = drawn(msgspec.structs.replace(detach(), contract=contract, path=path), 400)
    assert [rail.state for rail in way.rails] == states
    assert [station.role for station in way.stations] == list(roles)
    assert sum(bool(rail.words) for rail in way.rails) == 1, "what a lost way means is said once"


def test_what_was_seen_stands_at_the_cut_and_at_the_demand() -> None:
    stations = drawn(CONFIRMED, 760).stations
    assert stations[1].notes[0] == "input: requires_grad yes, grad_fn ReluBackward0, shape [1, 512, 7, 7]"
    assert stations[1].notes[1] == "output: requires_grad no, grad_fn none"
    assert stations[-1].notes[0].startswith("ran: gradient none, raised RuntimeError")
    assert not stations[0].notes


def test_shapes_tell_apart_what_colours_do() -> None:
    roles = ("capture", "step", "select", "cut", "cause", "unknown", "demand")
    path = tuple(msgspec.structs.replace(detach().path[0], role=role) for role in roles)
    svg = ET.fromstring(html.svg(report([msgspec.structs.replace(detach(), path=path)]), View(lambda _: [])))
    groups = {g.get("class"): g for g in svg.iter() if (g.get("class") or "").startswith("station ")}
    shapes = {
        name: tuple(
            (e.tag, re.sub(r"M[\d ]+", "", e.get("d") or "")) for e in g if e.get("class") in ("shape", "ring", "stop")
        )
        for name, g in groups.items()
        if name
    }
    assert len(shapes) == 7
    distinct = {shape for name, shape in shapes.items() if name != "station unknown"}
    assert len(distinct) == 6
    css = (Path(html.__file__).parent / "_templates" / "way.css").read_text(encoding="utf-8")
    assert ".station.unknown .shape { stroke-dasharray" in css
    assert len(set(re.findall(r"\.rail\.\w+ \.line \{ stroke: [^;]+; ([^}]+)\}", css))) == 4, (
        "each state has a stroke of its own"
    )


# --- gradlint graph --------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a report in it, and the source it is about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cam.py").write_text(CAM, encoding="utf-8")
    text = machine.render(report([CONFIRMED]), View(lambda _: []))
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    return tmp_path


def graph(*args: str, given: str | None = None) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ("graph", *args), input=given, catch_exceptions=False)


def test_graph_draws_a_page_and_a_picture(folder: Path) -> None:
    assert graph("report.json", "-o", "x.html").exit_code == 0
    text = (folder / "x.html").read_text(encoding="utf-8")
    assert source_of(text)[7] == '    features["conv"] = output.detach()'
    assert graph("-", "-o", "x.svg", given=(folder / "report.json").read_text(encoding="utf-8")).exit_code == 0
    assert "output of model[0], hooked" in "".join(ET.parse(folder / "x.svg").getroot().itertext())


def test_graph_shows_no_source_outside_the_root(folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "secret.py").write_text("PASSWORD = 'swordfish'\n" * 20, encoding="utf-8")
    text = (folder / "report.json").read_text(encoding="utf-8").replace("cam.py", "../secret.py")
    (folder / "inner" / "report.json").write_text(text, encoding="utf-8")
    ran = graph("inner/report.json", "-o", "x.html", "--root", "inner")
    assert ran.exit_code == 0
    assert "../secret.py: no source below inner" in ran.stderr
    assert "swordfish" not in (folder / "x.html").read_text(encoding="utf-8")
    (folder / "inner" / "link.py").symlink_to("../secret.py")
    (folder / "inner" / "report.json").write_text(text.replace("../secret.py", "link.py"), encoding="utf-8")
    graph("inner/report.json", "-o", "x.html", "--root", "inner")
    assert "swordfish" not in (folder / "x.html").read_text(encoding="utf-8")


def test_the_picture_in_the_readme_is_drawn_by_gradlint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ran = click.testing.CliRunner().invoke(main, ("fixtures/gradcam/readme_cam.py", "--output-format", "json"))
    assert graph("-", "-o", str(tmp_path / "way.svg"), given=ran.stdout).exit_code == 0
    drawn_now = (tmp_path / "way.svg").read_text(encoding="utf-8")
    assert drawn_now == (ROOT / "docs" / "readme_cam.svg").read_text(encoding="utf-8"), "run `make update`"
    assert "(docs/readme_cam.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("not json", "not a JSON report of gradlint"),
        ("[" * 100_000, "not a JSON report of gradlint"),
        ('{"schema_version": 2}', "schema_version"),
        ('{"findings": [{"rule": 3}]}', "$.findings[0].rule"),
    ],
)
def test_graph_says_what_is_wrong_with_a_report(folder: Path, content: str, told: str) -> None:
    (folder / "bad.json").write_text(content, encoding="utf-8")
    ran = graph("bad.json", "-o", "x.html")
    assert ran.exit_code == 2
    assert told in ran.stderr
    assert not (folder / "x.html").exists()


@pytest.mark.parametrize("args", [("report.json", "-o", "x.png"), ("nowhere.json", "-o", "x.html"), ("report.json",)])
@pytest.mark.usefixtures("folder")
def test_graph_refuses_what_it_cannot_do(args: tuple[str, ...]) -> None:
    assert graph(*args).exit_code == 2


def test_without_jinja2_the_user_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    html._environment.cache_clear()
    for args in (("graph", "report.json", "-o", "x.html"), ("check", "cam.py", "--output-format", "html")):
        ran = click.testing.CliRunner().invoke(main, args, catch_exceptions=False)
        assert ran.exit_code == 2
        assert "pip install 'torch-gradlint[html]'" in ran.stderr
    assert not (folder / "x.html").exists()


# --- a real browser --------------------------------------------------------------------------------------------------

#: measures in the browser: what runs out of its drawing, what scrolls sideways, which words are hard to read
MEASURE = """
<script>
function luminance(color) {
  const parts = color.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}
function ground(element) {
  for (let e = element; e; e = e.parentElement) {
    const shape = e.tagName == 'g' && getComputedStyle(e.querySelector('.shape') || e).fill;
    if (element.classList.contains('number') && shape && shape != 'none' && e.classList.contains('station')) return shape;
    const color = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$|transparent/.test(color)) return color;
  }
  return 'rgb(255, 255, 255)';
}
const dark = luminance(getComputedStyle(document.body).backgroundColor) < 0.2;
const told = {over: [], weak: [], dark, sideways: document.documentElement.scrollWidth - innerWidth};
for (const svg of document.querySelectorAll('svg.way'))
  for (const text of svg.querySelectorAll('text')) {
    const box = text.getBBox();
    if (box.x + box.width > svg.viewBox.baseVal.width + 2) told.over.push(text.textContent);
  }
const read = 'p, dt, dd, h2, figcaption, .note b, .row code span, .row .line, .badge, svg.way text, footer, nav a, p a';
for (const e of document.querySelectorAll(read)) {
  if (!e.textContent.trim()) continue;
  const style = getComputedStyle(e);
  const a = luminance(e.namespaceURI.endsWith('svg') && style.fill != 'none' ? style.fill : style.color), b = luminance(ground(e));
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) told.weak.push(e.className.baseVal || e.className || e.tagName, e.textContent.slice(0, 40), contrast.toFixed(2));
}
document.title = JSON.stringify(told);
</script>
"""
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


def chromium(*args: str) -> str:
    """What a headless Chromium prints."""
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    )
    ran = subprocess.run([str(CHROMIUM), *flags, *args], capture_output=True, text=True, check=False, timeout=120)
    return ran.stdout


@pytest.fixture(scope="module")
def fixtures_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page on some fixtures, with what was seen at run time."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        outcome = api.run(
            api.Task(("fixtures/gradcam", "fixtures/reach/cam_distill_lwm"), config.Loaded(config.Config(), ROOT))
        )
        found = [
            msgspec.structs.replace(f, runtime=CONFIRMED.runtime, also=CONFIRMED.also) for f in outcome.report.findings
        ]
        shown = msgspec.structs.replace(outcome.report, findings=tuple(found))
        text = load("html").render(shown, View(outcome.texts.lines, rules=outcome.rules))
    finally:
        os.chdir(before)
    assert found
    file = tmp_path_factory.mktemp("page") / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


@needs_browser
@pytest.mark.parametrize(
    ("dark", "width", "flags"),
    [(False, 1400, ()), (True, 1400, ("--blink-settings=preferredColorScheme=0",)), (False, 480, ())],
    ids=["light", "dark", "narrow"],
)
def test_a_browser_shows_it_well(
    fixtures_page: Path, tmp_path: Path, dark: bool, width: int, flags: tuple[str, ...]
) -> None:
    text = fixtures_page.read_text(encoding="utf-8")
    open_to_scripts = re.sub(r"<meta http-equiv=[^>]+>", "", text).replace("</body>", f"{MEASURE}</body>")
    (tmp_path / "measured.html").write_text(open_to_scripts, encoding="utf-8")
    dom = chromium(f"--window-size={width},2000", *flags, "--dump-dom", f"file://{tmp_path}/measured.html")
    told = json.loads(markup.unescape(re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]))  # type: ignore[index]
    assert told == {"over": [], "weak": [], "sideways": told["sideways"], "dark": dark}
    assert told["sideways"] <= 0


@needs_browser
def test_a_browser_prints_it_and_takes_a_picture(fixtures_page: Path, tmp_path: Path) -> None:
    chromium(f"--print-to-pdf={tmp_path}/page.pdf", f"file://{fixtures_page}")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    chromium(f"--screenshot={tmp_path}/page.png", f"file://{fixtures_page}")
    assert (tmp_path / "page.png").stat().st_size > 10_000


@needs_browser
def test_a_browser_runs_nothing_of_a_page(tmp_path: Path) -> None:
    evil = (
        '</title></style></script><script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
    )
    finding = msgspec.structs.replace(detach(), message=evil, help=evil, symbol=evil, file=f"{evil}.py")
    text = load("html").render(report([finding]), View(lambda _: [evil] * 20))
    (tmp_path / "evil.html").write_text(text, encoding="utf-8")
    dom = chromium("--dump-dom", f"file://{tmp_path}/evil.html")
    assert "<title>gradlint: 1 finding</title>" in dom
    assert re.findall(r"<(?:script|img)\b", dom) == []
