"""The report: its JSON is a promise, its text is for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import jsonschema
import msgspec
import pytest

from gradlint.finding import Edit, FileError, Finding, Fix, Place, Position, Range, Runtime, Site, Step
from gradlint.report import Report, View, formats, load, schema
from tests.made import CAM, DEMAND, at, detach, report, site, span, step

TEXTS = {"cam.py": CAM}
SCHEMA = json.loads(resources.files("gradlint.report").joinpath("report.schema.json").read_text(encoding="utf-8"))


def lines(file: str) -> list[str]:
    return TEXTS.get(file, "").split("\n")


def rendered(name: str, given: Report, **wishes: Any) -> str:
    return load(name).render(given, View(lines, **wishes))


EVERYTHING = report(
    [
        msgspec.structs.replace(
            detach(),
            confidence="likely",
            cell=3,
            also=(Place("cam.py", at(CAM, "import torch"), "loss.backward()"),),
            fix=Fix("unsafe", "store the live tensor", (Edit("cam.py", at(CAM, ".detach()"), ""),)),
            runtime=Runtime(
                "not-reached", "line-not-run", {"demand": {"kind": "autograd.grad", "gradient": "none"}, "input": None}
            ),
            fingerprint="0c5b",
            url="rules/detach.md",
        ),
        detach(),
    ],
    [FileError("broken.py", 3, 7, "syntax-error", "what is this?")],
)

#: REPORT.md's example, completed where it is shortened
EXAMPLE = {
    "schema_version": 1,
    "tool": {"name": "gradlint", "version": "0.1.0"},
    "findings": [
        {
            "rule": "detach",
            "contract": "severed",
            "severity": "error",
            "confidence": "proved",
            "found_by": "static",
            "message": "score cannot reach features['layer4']: .detach() cuts the gradient",
            "file": "cam.py",
            "cell": None,
            "range": {"start": {"line": 8, "column": 26}, "end": {"line": 8, "column": 41}},
            "symbol": "GradCam._save",
            "path": [
                {
                    "role": "capture",
                    "file": "cam.py",
                    "range": {"start": {"line": 7, "column": 30}, "end": {"line": 7, "column": 36}},
                    "label": "layer4 output, hooked",
                }
            ],
            "also": [],
            "help": "store `output`; detach a copy where the map is plotted",
            "fix": None,
            "runtime": {"status": "not-run"},
            "fingerprint": "0c5b",
            "url": "rules/detach.md",
        }
    ],
    "errors": [{"file": "broken.py", "line": 3, "column": 7, "kind": "syntax-error", "message": "..."}],
    "summary": {
        "files": {"found": 12, "analysed": 3, "gated": 9, "context": 2},
        "demands": {"found": 5, "connected": 3, "severed": 1, "undecided": 1},
        "findings": {"error": 1, "warning": 0, "info": 0},
        "suppressed": 0,
        "baselined": 0,
    },
}


def test_formats_are_the_modules_of_the_folder() -> None:
    assert formats() == ["concise", "full", "github", "gitlab", "html", "json", "junit", "rdjson", "sarif"]


def test_the_schema_in_the_package_is_generated_from_the_types() -> None:
    assert schema() == SCHEMA, "run `make update`"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("given", [Report(), EVERYTHING], ids=["empty", "everything"])
def test_output_keeps_the_promise(given: Report) -> None:
    jsonschema.validate(json.loads(rendered("json", given)), SCHEMA)


def test_the_example_of_the_promise_is_valid_and_has_our_keys() -> None:
    jsonschema.validate(EXAMPLE, SCHEMA)
    shown = json.loads(rendered("json", report([detach()], EVERYTHING.errors)))
    assert _keys(shown) == _keys(EXAMPLE)


def _keys(data: Any) -> Any:
    """The shape of a report: the keys at every level, of lists the first element."""
    match data:
        case dict():
            return {key: _keys(value) for key, value in data.items()}
        case [first, *_]:
            return [_keys(first)]
        case _:
            return None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("summary"),
        lambda data: data["findings"][0].pop("fingerprint"),
        lambda data: data["findings"][0].update(severity="fatal"),
        lambda data: data["findings"][0]["path"][0].update(role="victim"),
        lambda data: data["errors"][0].update(kind="bored"),
        lambda data: data.update(schema_version=2),
    ],
)
def test_the_schema_refuses_what_was_not_promised(spoil: Callable[[Any], Any]) -> None:
    data = json.loads(json.dumps(EXAMPLE))
    spoil(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_full() -> None:
    assert rendered("full", report([detach()])) == (
        """\
error[detach]: score cannot reach features['conv']: .detach() cuts the gradient
  --> cam.py:7:24
   |
 6 | def save(module, inputs, output):
   |                          ------ (1) capture: output of model[0], hooked
 7 |     features["conv"] = output.detach()
   |                        ^^^^^^^^^^^^^^^ (2) cut: .detach()
   |     ---------------- (3) step: features['conv']
...
13 |     return torch.autograd.grad(score, features["conv"])[0]
   |            -------------------------------------------- (4) demand
   |
   = help: store `output`; detach a copy where the map is plotted

1 error. 5 demands: 3 connected, 1 severed, 1 undecided. 12 files, 3 analysed.
"""
    )


def test_full_shows_each_file_in_a_frame_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    train = "loss = model(x)\nloss.backward()\n"
    monkeypatch.setitem(TEXTS, "train.py", train)
    finding = detach()
    path = (*finding.path[:-1], step("demand", "train.py", train, "loss.backward()"))
    text = rendered("full", report([msgspec.structs.replace(finding, path=path)]))
    assert "\n  ::: train.py:2:1\n" not in text  # the gutter is as wide as the longest number of both files
    assert "\n --> cam.py:7:24\n" in text
    assert "\n ::: train.py:2:1\n" in text
    assert text.index("cam.py") < text.index("train.py")


def test_full_marks_a_place_that_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXTS, "frozen.py", "p.requires_grad = False\nloss.backward()\n")
    text = TEXTS["frozen.py"]
    demand = step("demand", "frozen.py", text, "loss.backward()")
    finding = Finding(
        "no-graph", "no-graph", "error", "proved", "nothing requires grad", "frozen.py", at(text, "p.requires_grad"),
        (demand,), help="",
    )  # fmt: skip
    shown = rendered("full", report([finding]))
    assert "1 | p.requires_grad = False\n  | ^^^^^^^^^^^^^^^\n" in shown
    assert "= help" not in shown


@pytest.mark.parametrize(
    ("source", "words", "under"),
    [
        ("\tx.detach()", "x.detach()", "    ^^^^^^^^^^"),
        ("s = '特徴'; x.detach()", "x.detach()", "            ^^^^^^^^^^"),
        ("s = 'e\u0301'; x.data", "x.data", "         ^^^^^^"),
    ],
    ids=["tab", "wide", "combining"],
)
def test_marks_stand_below_what_they_mark(source: str, words: str, under: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXTS, "odd.py", source)
    finding = msgspec.structs.replace(
        detach(), file="odd.py", range=at(source, words), path=(step("cut", "odd.py", source, words, "cut"),)
    )
    assert f"| {under} (1) cut: cut\n" in rendered("full", report([finding]))


def shown_at(source: str, *words: str, width: int = 160) -> str:
    """A finding whose cut and steps stand at some words of a source."""
    steps = [step("step" if i else "cut", "odd.py", source, word, f"step {i}") for i, word in enumerate(words)]
    finding = msgspec.structs.replace(detach(), file="odd.py", range=steps[0].range, path=tuple(steps), help="")
    view = View(lambda _: source.split("\n"), width=width)
    return load("full").render(report([finding]), view).split("\n\n")[0]


def test_of_a_long_line_the_stretch_around_the_mark_is_shown() -> None:
    source = f"s = '{'a' * 300}'; x.detach(); t = '{'b' * 300}'"
    assert shown_at(source, "x.detach()", width=64) == (
        f"""\
error[detach]: score cannot reach features['conv']: .detach() cuts the gradient
 --> odd.py:1:309
  |
1 | …aaaaaaaaaaaaa'; x.detach(); t = '{"b" * 25}…
  |                  ^^^^^^^^^^ (1) cut: step 0
  |"""
    )


def test_marks_far_apart_in_a_line_have_stretches_of_their_own() -> None:
    source = f"x.detach(); s = '{'a' * 300}'; y.backward()"
    assert shown_at(source, "x.detach()", "y.backward()", width=64).split("\n")[3:] == [
        f"1 | x.detach(); s = '{'a' * 42}…",
        "  | ^^^^^^^^^^ (1) cut: step 0",
        "1 | …aaaaaaaaaaaaa'; y.backward()",
        "  |                  ------------ (2) step: step 1",
        "  |",
    ]


def test_a_label_that_would_leave_the_screen_stands_before_its_mark() -> None:
    source = f"s = '{'a' * 30}'; x.detach()"
    label = "(1) cut: step 0"
    indent = " " * (source.index("x.detach()") - len(label) - 1)
    assert f"  | {indent}{label} ^^^^^^^^^^\n" in shown_at(source, "x.detach()", width=60)


def test_what_is_said_of_one_stretch_is_said_in_one_line() -> None:
    assert "  | ^^^^^^^^^^ (1) cut: step 0, (2) step: step 1\n" in shown_at("x.detach()", "x.detach()", "x.detach()")


def test_what_a_label_repeats_is_left_out() -> None:
    text = rendered("full", report([detach()]))
    assert text.count("torch.autograd.grad") == 1


CHAIN = "kept = (\n    model\n    .features(image)\n    .detach()\n)\ngrad(\n    loss,\n    kept,\n)\n"


def test_of_a_chain_the_last_call_is_marked_of_a_call_its_name() -> None:
    chain = Range(Position(2, 5), Position(4, 14))
    call = Range(Position(6, 1), Position(9, 2))
    path = (Step("cut", "odd.py", chain, ".detach()"), Step("demand", "odd.py", call, "grad(...)"))
    finding = msgspec.structs.replace(detach(), file="odd.py", range=chain, path=path, help="")
    text = load("full").render(report([finding]), View(lambda _: CHAIN.split("\n")))
    assert text.split("\n")[3:13] == [
        "2 |     model",
        "3 |     .features(image)",
        "4 |     .detach()",
        "  |     ^^^^^^^^^ (1) cut: .detach()",
        "5 | )",
        "6 | grad(",
        "  | ----- (2) demand: grad(...)",
        "7 |     loss,",
        "8 |     kept,",
        "9 | )",
    ]


def test_families_of_emoji_are_as_wide_as_every_terminal_shows_them() -> None:
    text = shown_at("'👨\u200d👩\u200d👧'; x.data", "x.data")
    assert "1 | '👨👩👧'; x.data\n" in text
    assert f"  | {' ' * len('12')}{' ' * 8}^^^^^^ (1) cut: step 0\n" in text


def test_full_says_what_else_is_known() -> None:
    text = rendered("full", EVERYTHING)
    assert "= also cut off: loss.backward() at cam.py:1:1\n" in text
    assert "= likely: " in text
    assert "= not-reached: line-not-run\n" in text
    assert "error[syntax-error]: what is this?\n --> broken.py:3:7\n" in text
    assert " 1 file not analysed. " in text


def test_color_changes_nothing_but_the_color() -> None:
    import re

    colored = rendered("full", EVERYTHING, color=True)
    assert "\x1b[1;31m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == rendered("full", EVERYTHING)


def test_concise() -> None:
    assert rendered("concise", EVERYTHING).splitlines()[:2] == [
        "broken.py:3:7: syntax-error: what is this?",
        "cam.py:cell 3:7:24: error[detach] score cannot reach features['conv']: .detach() cuts the gradient",
    ]


def test_undecided_demands_are_counted_with_their_reasons_and_listed_on_request() -> None:
    sites = (
        site(),
        Site(span("cam.py", CAM, "model(image)"), "a", "undecided", "no run reached it"),
        Site(span("cam.py", CAM, "image"), "b", "undecided", "no run reached it"),
        Site(span("cam.py", CAM, DEMAND), "c", "undecided", "unknown call"),
    )
    plain = rendered("concise", report(), sites=sites)
    assert "1 undecided (no run reached it: 2, unknown call: 1)." in plain
    assert "undecided: a" not in plain
    listed = rendered("full", report(), sites=sites, show_unknown=True, statistics=True)
    assert "cam.py:12:13: undecided: a: no run reached it\n" in listed
    assert "    2 undecided: no run reached it\n" in listed
    assert "    2 error[detach]\n" in rendered("full", report([detach(), detach()]), statistics=True)


def test_nothing_found_says_what_was_looked_at() -> None:
    assert rendered("full", Report()) == (
        "no findings. 0 demands: 0 connected, 0 severed, 0 undecided. 0 files, 0 analysed.\n"
    )
