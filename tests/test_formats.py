"""The formats for other tools, read by those tools: their schemas, their parsers, their rules of decoding."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import junitparser
import msgspec
import pytest
import xmlschema

from gradlint import api, config
from gradlint.finding import Edit, FileError, Finding, Fix, Place, Position, Range, Runtime
from gradlint.report import Report, View, load
from gradlint.report.sarif import MOST_PLACES, MOST_RELATED, MOST_RESULTS
from tests.made import CAM, DEMAND, at, detach, report, step
from tests.runner import commands

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = Path(__file__).parent / "schemas"
MACHINES = ("sarif", "github", "gitlab", "rdjson", "junit")


@cache
def on_fixtures() -> api.Outcome:
    """The report on the fixtures, with a broken file among them."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return api.run(api.Task(("fixtures", "nowhere.py"), config.Loaded(config.Config(), ROOT)))
    finally:
        os.chdir(before)


@cache
def shown(name: str) -> str:
    """The report on the fixtures in a format."""
    outcome = on_fixtures()
    return load(name).render(outcome.report, View(outcome.texts.lines, rules=outcome.rules))


def rendered(name: str, *findings: Finding, errors: tuple[FileError, ...] = (), text: str = CAM) -> str:
    return load(name).render(report(findings, errors), View(lambda _: text.split("\n")))


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """No service tells where the root of a repository is."""
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_the_fixtures_have_something_to_show() -> None:
    found = on_fixtures().report
    assert len(found.findings) > 50
    assert len(found.errors) == 1
    assert {"error", "warning", "info"} == {f.severity for f in found.findings}


# --- SARIF -----------------------------------------------------------------------------------------------------------


@cache
def _sarif_validator() -> Any:
    made = schema("sarif-schema-2.1.0.json")
    return jsonschema.Draft4Validator(made)


def sarif(text: str) -> Any:
    """A SARIF log, valid by the schema; its one run."""
    log = json.loads(text)
    _sarif_validator().validate(log)
    (run,) = log["runs"]
    return run


def test_sarif_is_valid_and_says_everything() -> None:
    run = sarif(shown("sarif"))
    outcome = on_fixtures()
    assert len(run["results"]) == len(outcome.report.findings)
    by_print = {f.fingerprint: f for f in outcome.report.findings}
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        finding = by_print[result["partialFingerprints"]["gradlint/v1"]]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        (flow,) = result["codeFlows"]
        (thread,) = flow["threadFlows"]
        assert [place["kinds"] for place in thread["locations"]] == [[s.role] for s in finding.path]
        for place, made in zip(thread["locations"], finding.path, strict=True):
            _stands_at(place["location"], made.file, made.range, outcome.texts.lines(made.file))
        _stands_at(result["locations"][0], finding.file, finding.range, outcome.texts.lines(finding.file))
        assert len(result["relatedLocations"]) == len(finding.path) + len(finding.also)
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("unreadable: no such")


def _stands_at(location: Any, file: str, there: Range, lines: list[str]) -> None:
    """A location of a log names this place, and its snippet is what stands there."""
    physical = location["physicalLocation"]
    assert unquote(physical["artifactLocation"]["uri"]) == file
    region = physical["region"]
    assert (region["startLine"], region["startColumn"]) == (there.start.line, there.start.column)
    if there.start.line == there.end.line and "snippet" in region:
        text = lines[there.start.line - 1][there.start.column - 1 : there.end.column - 1]
        assert region["snippet"]["text"] == text


def test_sarif_carries_the_pages_of_the_rules() -> None:
    rules = {rule["id"]: rule for rule in sarif(shown("sarif"))["tool"]["driver"]["rules"]}
    assert rules.keys() == on_fixtures().rules.keys()
    page = rules["detach"]["help"]["markdown"]
    assert page.startswith("# detach\n")
    assert "## Bad" in page
    assert "```toml" not in page
    assert rules["detach"]["helpUri"].startswith("https://")
    assert rules["cam-weight-gradient"]["defaultConfiguration"]["enabled"] is False


def test_sarif_carries_fixes_and_what_was_seen() -> None:
    finding = msgspec.structs.replace(
        detach(),
        also=(Place("cam.py", at(CAM, "import torch"), "loss.backward()"),),
        fix=Fix("unsafe", "store the live tensor", (Edit("cam.py", at(CAM, ".detach()"), ""),)),
        runtime=Runtime("confirmed", None, {"demand": {"gradient": "none"}}),
        symbol="save",
    )
    (result,) = sarif(rendered("sarif", finding))["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    region = change["replacements"][0]["deletedRegion"]
    assert CAM.split("\n")[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1] == ".detach()"
    assert change["replacements"][0]["insertedContent"] == {"text": ""}
    assert result["properties"]["runtime"] == {"status": "confirmed", "evidence": {"demand": {"gradient": "none"}}}
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "save"
    assert result["relatedLocations"][-1]["message"]["text"] == "also cut off: loss.backward()"


@pytest.mark.parametrize("most", [50, pytest.param(MOST_RESULTS, marks=pytest.mark.slow)])
def test_github_takes_a_log_however_much_was_found(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("sarif"), "MOST_RESULTS", most)
    long = step("step", "cam.py", CAM, DEMAND)
    first = msgspec.structs.replace(detach(), path=(*detach().path[:-1], *[long] * 3_000, detach().path[-1]))
    info = msgspec.structs.replace(detach(), severity="info")
    text = rendered("sarif", *[info] * most, first)
    run = json.loads(text)["runs"][0]
    assert len(run["results"]) == most
    assert run["results"][0]["level"] == "error", "the gravest come first, the last are left out"
    places = run["results"][0]["codeFlows"][0]["threadFlows"][0]["locations"]
    assert len(places) == MOST_PLACES
    assert [places[0]["kinds"], places[1]["kinds"], places[-1]["kinds"]] == [["capture"], ["cut"], ["demand"]]
    assert len(run["results"][0]["relatedLocations"]) == MOST_RELATED
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("1 results are left")
    assert len(gzip.compress(text.encode())) < 10_000_000, "GitHub's limit of an upload"


def test_a_label_with_brackets_is_no_link_of_sarif() -> None:
    finding = msgspec.structs.replace(detach(), message="self.layers[0](x) is cut", help="")
    (result,) = sarif(rendered("sarif", finding))["results"]
    assert result["message"]["text"] == "self.layers\\[0\\](x) is cut"


def _multitool() -> str | None:
    return os.environ.get("SARIF_MULTITOOL") or shutil.which("sarif-multitool") or shutil.which("Sarif.Multitool")


@pytest.mark.skipif(
    _multitool() is None,
    reason="no SARIF validator: npm install -g @microsoft/sarif-multitool, or its path in SARIF_MULTITOOL",
)
def test_the_sarif_validator_has_nothing_to_say(tmp_path: Path) -> None:
    (tmp_path / "report.sarif").write_text(shown("sarif"), encoding="utf-8")
    told = subprocess.run(
        [str(_multitool()), "validate", "report.sarif", "--rule-kind", "Sarif;Ghas", "--level", "Error;Warning"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )  # fmt: skip
    assert "Analysis completed successfully" in told.stdout
    assert [line for line in told.stdout.splitlines() if ": error " in line or ": warning " in line] == []


# --- the other formats -----------------------------------------------------------------------------------------------


def test_gitlab_takes_every_problem() -> None:
    problems = json.loads(shown("gitlab"))
    check = jsonschema.Draft7Validator(schema("gitlab-codeclimate.json"))
    for problem in problems:
        check.validate(problem)
        assert problem["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert problem["location"]["lines"]["begin"] >= 1
    found = on_fixtures().report
    assert len(problems) == len(found.findings) + len(found.errors)
    assert len({problem["fingerprint"] for problem in problems}) == len(problems), "GitLab shows equal ones once"


def test_reviewdog_takes_the_result_and_finds_the_words() -> None:
    result = json.loads(shown("rdjson"))
    jsonschema.Draft4Validator(schema("reviewdog-DiagnosticResult.json")).validate(result)
    outcome = on_fixtures()
    assert len(result["diagnostics"]) == len(outcome.report.findings) + len(outcome.report.errors)
    for diagnostic, finding in zip(result["diagnostics"][1:], outcome.report.findings, strict=True):
        assert diagnostic["code"]["value"] == finding.rule
        assert len(diagnostic["related_locations"]) == len(finding.path)


def test_columns_of_reviewdog_are_bytes() -> None:
    text = "s = '特徴'; x.detach()\n"
    finding = Finding(
        "detach", "severed", "error", "proved", "cut", "odd.py", at(text, "x.detach()"), (), "",
        fix=Fix("safe", "keep it", (Edit("odd.py", at(text, ".detach()"), ""),)),
    )  # fmt: skip
    result = json.loads(rendered("rdjson", finding, text=text))
    (diagnostic,) = result["diagnostics"]
    assert _bytes_of(text, diagnostic["location"]["range"]) == "x.detach()"
    (suggestion,) = diagnostic["suggestions"]
    assert (_bytes_of(text, suggestion["range"]), suggestion["text"]) == (".detach()", "")


def test_a_fix_is_one_suggestion_and_never_a_part_of_one() -> None:
    text = "é = x.detach()\nprint(é.numpy())\n"
    first, second = Edit("odd.py", at(text, ".detach()"), ""), Edit("odd.py", at(text, ".numpy()"), ".detach().numpy()")
    finding = Finding(
        "detach", "severed", "error", "proved", "cut", "odd.py", at(text, "x.detach()"), (), "",
        fix=Fix("unsafe", "keep it", (first, second)),
    )  # fmt: skip
    (diagnostic,) = json.loads(rendered("rdjson", finding, text=text))["diagnostics"]
    (suggestion,) = diagnostic["suggestions"]
    (start, end) = (suggestion["range"][name] for name in ("start", "end"))
    lines = text.encode().split(b"\n")
    head, tail = lines[start["line"] - 1][: start["column"] - 1], lines[end["line"] - 1][end["column"] - 1 :]
    assert (head + suggestion["text"].encode() + tail).decode() == "é = x\nprint(é.detach().numpy())"
    elsewhere = msgspec.structs.replace(second, file="other.py")
    in_cell = msgspec.structs.replace(first, cell=2)
    for edits in ((first, elsewhere), (in_cell,)):
        odd = msgspec.structs.replace(finding, fix=Fix("unsafe", "keep it", edits), cell=edits[0].cell)
        (diagnostic,) = json.loads(rendered("rdjson", odd, text=text))["diagnostics"]
        assert diagnostic["suggestions"] == []
    (result,) = sarif(rendered("sarif", odd, text=text))["results"]
    assert "fixes" not in result, "a place in a cell is no place in the file"


def _bytes_of(text: str, there: Any) -> str:
    line: bytes = text.split("\n")[there["start"]["line"] - 1].encode()
    start, end = int(there["start"]["column"]), int(there["end"]["column"])
    return line[start - 1 : end - 1].decode()


def test_junit_is_valid_and_read() -> None:
    text = shown("junit")
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(text)
    suites = junitparser.JUnitXml.fromstring(text.encode())
    found = on_fixtures().report
    failing = [f for f in found.findings if f.severity != "info"]
    assert (suites.tests, suites.failures, suites.errors) == (len(found.findings) + 1, len(failing), 1)
    cases = list(_cases(suites))
    assert len(cases) == suites.tests
    results = [r for case in cases for r in case.result]
    assert sum(isinstance(r, junitparser.Failure) for r in results) == len(failing)
    assert {f.message for f in failing} == {r.message for r in results if isinstance(r, junitparser.Failure)}


def _cases(suites: Any) -> Iterator[Any]:
    for suite in suites:
        yield from suite


def test_junit_of_nothing_is_a_test_that_passed() -> None:
    text = load("junit").render(Report(), View(lambda _: []))
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(text)
    suites = junitparser.JUnitXml.fromstring(text.encode())
    assert (suites.tests, suites.failures, suites.errors) == (1, 0, 0)


def test_what_the_program_refuted_is_no_failure_of_junit() -> None:
    refuted = msgspec.structs.replace(detach(), runtime=Runtime("refuted"))
    assert junitparser.JUnitXml.fromstring(rendered("junit", refuted).encode()).failures == 0


def test_github_gets_an_annotation_for_each_finding() -> None:
    found = on_fixtures().report
    told = list(commands(shown("github")))
    assert len(told) == len(shown("github").splitlines()) == len(found.findings) + 1
    names = {"error": "error", "warning": "warning", "info": "notice"}
    for (name, properties, message), finding in zip(told[1:], found.findings, strict=True):
        assert name == names[finding.severity]
        assert properties["file"] == finding.file
        assert properties["line"] == str(finding.range.start.line)
        assert properties["title"] == f"gradlint ({finding.rule})"
        assert message.split("\n")[0] == finding.message
        assert message.count("\n(") == len(finding.path)


def test_an_annotation_of_several_lines_has_no_columns() -> None:
    finding = msgspec.structs.replace(detach(), range=Range(Position(7, 24), Position(8, 2)))
    ((_, properties, _),) = commands(rendered("github", finding))
    assert (properties["line"], properties["endLine"]) == ("7", "8")
    assert "col" not in properties


@pytest.mark.parametrize(
    ("name", "variable"), [("github", "GITHUB_WORKSPACE"), ("sarif", "GITHUB_WORKSPACE"), ("gitlab", "CI_PROJECT_DIR")]
)
def test_paths_start_at_the_root_of_the_repository(
    name: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv(variable, str(tmp_path))
    assert "sub/cam.py" in rendered(name, detach())
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert "sub/cam.py" not in rendered(name, detach())


@pytest.mark.parametrize("name", MACHINES)
def test_the_same_report_is_written_the_same(name: str) -> None:
    outcome = on_fixtures()
    assert load(name).render(outcome.report, View(outcome.texts.lines, rules=outcome.rules)) == shown(name)
