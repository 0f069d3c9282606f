"""The baseline: what is known stays known through edits, is counted and not reported; what is gone is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click.testing
import jsonschema
import msgspec
import pytest

from gradlint import api, baseline, projects
from gradlint.baseline import Entry, compare
from gradlint.cli import main
from gradlint.finding import FileError, Place, Position, Range, Step
from gradlint.fingerprint import excerpt, prints
from gradlint.report import schema
from tests.made import CAM, at, detach

PROGRAM = '''\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
data = torch.rand(8, 4)


def penalty(values, weight=0.1):
    """A term that is lost."""
    scale = weight * 2
    return scale * values.detach().pow(2).mean()


def train(steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        out = model(data)
        shown = torch.tensor([out.mean().item(), out["std" if steps > 9 else 0].mean().item()])
        loss = out.sum() + penalty(out, weight=0.5) + shown.sum()
        loss.backward()
        optimizer.step()


train(3)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with settings that name a baseline, which holds all findings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "gradlint.toml").write_text('baseline = "known.json"\n', encoding="utf-8")
    written = run("baseline", "write")
    assert (written.exit_code, written.stdout) == (0, "known.json: 2 findings, 2 of them new; 0 taken out\n")
    return tmp_path


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, args, catch_exceptions=False)


def counts() -> tuple[int, int, int]:
    """Of a run: reported, in the baseline; and the entries that it calls stale."""
    result = run(".", "--output-format", "json")
    data = json.loads(result.stdout)
    jsonschema.validate(data, schema())
    stale = result.stderr.partition(" of the baseline ")[0].removeprefix("gradlint: note: ").split(" ")[0]
    return len(data["findings"]), data["summary"]["baselined"], int(stale or 0)


def change(project: Path, old: str, new: str) -> None:
    text = (project / "train.py").read_text(encoding="utf-8")
    assert old in text
    (project / "train.py").write_text(text.replace(old, new), encoding="utf-8")


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("project")
def test_what_is_known_is_counted_and_not_reported() -> None:
    result = run(".")
    assert result.exit_code == 0
    assert result.stdout.startswith("no findings (2 in the baseline). ")
    assert counts() == (0, 2, 0)


def test_the_option_counts_more_than_the_settings(project: Path) -> None:
    (project / "empty.json").write_text(baseline.text([]), encoding="utf-8")
    assert run(".", "--baseline", "empty.json").exit_code == 1
    (project / "gradlint.toml").unlink()
    assert run(".").exit_code == 1
    assert run(".", "--baseline", "known.json").exit_code == 0


def test_a_new_finding_is_reported(project: Path) -> None:
    change(project, "train(3)\n", "train(3)\nmodel(data).detach().sum().backward()\n")
    assert counts() == (1, 2, 0)
    assert run(".").exit_code == 1


def test_a_finding_that_comes_a_second_time_is_new(project: Path) -> None:
    term = "penalty(out, weight=0.5)"
    change(project, term, f"{term} + {term}")
    assert counts()[1:] == (2, 0)
    change(
        project,
        "    return scale * values.detach().pow(2).mean()",
        "    other = values.detach().pow(2).mean()\n    return scale * values.detach().pow(2).mean() + other",
    )
    first = counts()
    assert first[0] >= 1
    assert first[1:] == (2, 0), "one of two that are alike is known"


def test_alike_findings_are_counted(project: Path) -> None:
    twice = "x = model(data)\nx.detach().sum().backward()\nx.detach().sum().backward()\n"
    (project / "twice.py").write_text(f"import torch\nfrom train import data, model\n{twice}", encoding="utf-8")
    run("baseline", "write")
    assert counts() == (0, 4, 0)
    (project / "twice.py").write_text(
        f"import torch\nfrom train import data, model\n{twice}x.detach().sum().backward()\n", encoding="utf-8"
    )
    assert counts() == (1, 4, 0)
    (project / "twice.py").write_text(
        "import torch\nfrom train import data, model\nx = model(data)\nx.detach().sum().backward()\n", encoding="utf-8"
    )
    assert counts() == (0, 3, 1)


def test_an_entry_that_is_there_twice_stands_for_two_findings(project: Path) -> None:
    data = json.loads((project / "known.json").read_text(encoding="utf-8"))
    data["entries"].append(data["entries"][0])
    (project / "known.json").write_text(json.dumps(data), encoding="utf-8")
    assert counts() == (0, 2, 1)


# --- edits -----------------------------------------------------------------------------------------------------------


def formatted(*args: str) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        command = [sys.executable, "-m", "ruff", "format", "--isolated", *args, str(project / "train.py")]
        subprocess.run(command, check=True, capture_output=True)

    return edit


def replaced(*pairs: tuple[str, str]) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        for old, new in pairs:
            change(project, old, new)

    return edit


def moved(project: Path) -> None:
    """The functions in another order."""
    text = (project / "train.py").read_text(encoding="utf-8")
    head, penalty, train = text.split("\n\n\n")[:3]
    (project / "train.py").write_text("\n\n\n".join((head, train, penalty, "train(3)\n")), encoding="utf-8")


def renamed(project: Path) -> None:
    (project / "scripts").mkdir()
    (project / "train.py").rename(project / "scripts/fit.py")


EDITS = {
    "lines above": replaced(("import torch\n", "# one\n\n# two\nimport os\nimport torch\n")),
    "ruff format": formatted("--line-length", "60"),
    "narrow": formatted("--line-length", "20"),
    "no commas kept": formatted("--config", "format.skip-magic-trailing-comma=true", "--line-length", "30"),
    "single quotes": formatted("--config", "format.quote-style='single'"),
    "brackets, a comma and comments as black writes them": replaced(
        ("values.detach().pow(2)", "(\n        values  # the map\n        .detach()\n    ).pow(2,)"),
        ("loss.backward()", "loss.backward(\n        )  # go"),
    ),
    "names elsewhere": replaced(("scale", "factor"), ("step ", "turn "), ("optimizer", "stepper"), ("0.1", "0.2")),
    "functions in another order": moved,
    "the file renamed": renamed,
    "indented": replaced(("train(3)\n", "if __name__ == '__main__':\n    train(3)\n")),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_it_outlives_edits(project: Path, edit: Callable[[Path], None]) -> None:
    before = (project / "train.py").read_bytes()
    edit(project)
    assert not (project / "train.py").exists() or (project / "train.py").read_bytes() != before
    assert counts() == (0, 2, 0)


def test_a_repaired_finding_is_stale(project: Path) -> None:
    change(project, ".detach()", "")
    assert counts() == (0, 1, 1)
    result = run(".")
    assert "1 finding of the baseline is not there any more: gradlint baseline prune takes it out" in result.stderr
    assert result.exit_code == 0


def test_another_cut_at_the_place_is_new(project: Path) -> None:
    change(project, "values.detach()", "torch.tensor(values.tolist())")
    assert counts() == (1, 1, 1)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("f(a, b)", "f(\n    a,\n    b,\n)"),
        ("f('a')", 'f("a")'),
        ("a.b().c()", "(\n    a.b()  # why\n    .c()\n)"),
        ("x = f(a)", "x = f(\n    a\n)"),
        ("f(0xFF, 1_000)", "f(0xff, 1000)"),
        ("a if b else c", "(a if b\n else c)"),
        ("with", "with"),
        ("f(a, # no end", "f(a,# no end"),
    ],
)
def test_the_text_that_counts_has_no_layout(one: str, two: str) -> None:
    texts = [excerpt(text.split("\n"), at_all(text)) for text in (one, two)]
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize(
    ("one", "two"), [("f(a)", "f(b)"), ("f('a')", "f('b')"), ("a.detach()", "a.data"), ("a + b", "a - b")]
)
def test_the_text_that_counts_tells_code_apart(one: str, two: str) -> None:
    assert excerpt([one], at_all(one)) != excerpt([two], at_all(two))


def at_all(text: str) -> Range:
    """The range of a whole text."""
    lines = text.split("\n")
    return Range(Position(1, 1), Position(len(lines), len(lines[-1]) + 1))


# --- commands --------------------------------------------------------------------------------------------------------


def test_status_and_prune(project: Path) -> None:
    assert (run("baseline", "status").exit_code, run("baseline", "prune").stdout) == (
        0,
        "known.json: 0 taken out, 2 left\n",
    )
    change(project, ".detach()", "")
    status = run("baseline", "status")
    assert status.exit_code == 1
    assert status.stdout.splitlines()[0].startswith("train.py: dead-loss-term in penalty: not there any more: ")
    assert status.stdout.splitlines()[1] == "known.json: 1 finding still there, 1 not there any more; 0 not in it"
    pruned = run("baseline", "prune")
    assert (pruned.exit_code, pruned.stdout) == (0, "known.json: 1 taken out, 1 left\n")
    assert run("baseline", "status").exit_code == 0


def test_what_was_not_looked_at_is_neither_stale_nor_lost(project: Path) -> None:
    (project / "other.py").write_text(
        "import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n", encoding="utf-8"
    )
    assert run("baseline", "write", "other.py").stdout == "known.json: 1 finding, 1 of them new; 0 taken out\n"
    assert counts() == (0, 3, 0)
    (project / "other.py").write_text("", encoding="utf-8")
    assert "1 finding of the baseline is not" not in run("train.py").stderr
    assert (
        run("baseline", "status", "train.py").stdout
        == "known.json: 2 findings still there, 0 not there any more, 1 not looked for; 0 not in it\n"
    )
    assert run("baseline", "prune", "train.py").stdout == "known.json: 0 taken out, 3 left\n"
    assert run("baseline", "prune").stdout == "known.json: 1 taken out, 2 left\n"


def test_a_rule_that_is_off_makes_nothing_stale(project: Path) -> None:
    result = run("baseline", "status", "--ignore", "dead-loss-term")
    assert result.exit_code == 0
    assert "0 findings still there, 0 not there any more, 2 not looked for" in result.stdout
    (project / "gradlint.toml").write_text(
        'baseline = "known.json"\nper-file-ignores = { "*.py" = ["ALL"] }\n', encoding="utf-8"
    )
    assert run("baseline", "status").exit_code == 0


def test_a_file_that_cannot_be_read_makes_nothing_stale(project: Path) -> None:
    change(project, "train(3)\n", "train(3\n")
    result = run("baseline", "prune")
    assert result.exit_code == 2
    assert "train.py:" in result.stderr
    assert result.stdout == "known.json: 0 taken out, 2 left\n"


def test_a_removed_file_is_stale(project: Path) -> None:
    (project / "train.py").rename(project / "train.txt")
    assert run("baseline", "status").exit_code == 1


def test_a_silenced_finding_is_stale(project: Path) -> None:
    change(project, "def penalty", "# gradlint: file-ignore[dead-loss-term]\ndef penalty")
    assert counts() == (0, 0, 2)


def test_without_settings_the_user_is_told_how_to_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    result = run("baseline", "write")
    assert (result.exit_code, (tmp_path / baseline.NAME).is_file()) == (0, True)
    assert f'add baseline = "{baseline.NAME}" to the settings, or pass --baseline {baseline.NAME}' in result.stderr
    assert run(".").exit_code == 1
    assert run(".", "--baseline", baseline.NAME).exit_code == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "known.json: no such file: gradlint baseline write makes it"),
        ("{", "known.json: not a baseline of gradlint: "),
        ("[]", "known.json: not a baseline of gradlint: "),
        ("\x00\xff", "known.json: not a baseline of gradlint: "),
        ('{"schema_version": 2, "entries": []}', "known.json: not a baseline of gradlint: "),
        (
            '{"schema_version": 1, "entries": [{"rule": "detach"}]}',
            "missing required field `fingerprint` - at `$.entries[0]`",
        ),
        ("<<<<<<< ours\n", "remove it, and make it anew with gradlint baseline write"),
    ],
)
def test_a_broken_baseline_is_told_and_all_is_reported(project: Path, content: str | None, told: str) -> None:
    file = project / "known.json"
    file.unlink() if content is None else file.write_text(content, encoding="latin-1")
    result = run(".")
    assert result.exit_code == 2
    assert "gradlint: error: gradlint.toml:1: key 'baseline': known.json: " in result.stderr
    assert told in result.stderr
    assert result.stdout.count("warning[dead-loss-term]") == 2
    for command in ("status", "prune", *(["write"] if content is not None else [])):
        refused = run("baseline", command)
        assert (refused.exit_code, refused.stdout) == (2, ""), command
        assert told in refused.stderr
    assert content is None or file.read_text(encoding="latin-1") == content, "nobody's file is overwritten"


def test_it_can_be_written_where_there_is_none_although_the_settings_name_it(project: Path) -> None:
    (project / "known.json").unlink()
    assert run("baseline", "write").exit_code == 0
    assert counts() == (0, 2, 0)


def test_the_file_does_not_depend_on_lines_or_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (project / "known.json").read_text(encoding="utf-8")
    change(project, "import torch\n", "import os\nimport torch\n")
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")
    assert run("baseline", "write", "..").exit_code == 0
    assert (project / "known.json").read_text(encoding="utf-8") == before


def test_an_interrupted_run_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (project / "known.json").read_bytes()
    change(project, ".detach()", "")

    def ended(tasks: list[api.Task], *_: object) -> api.Outcome:
        outcome = api.run(tasks[0])
        left = FileError("train.py", 1, 1, "interrupted", "interrupted before this file was analysed to the end")
        return msgspec.structs.replace(outcome, report=msgspec.structs.replace(outcome.report, errors=(left,)))

    monkeypatch.setattr(projects, "joined", ended)
    for command in ("write", "prune", "status"):
        result = run("baseline", command)
        assert (result.exit_code, result.stdout) == (130, "")
        assert "interrupted: known.json is as it was" in result.stderr
    assert (project / "known.json").read_bytes() == before


def test_why_answers_with_what_is_known(project: Path) -> None:
    message = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
    answer = click.testing.CliRunner().invoke(main, ["why", "train.py"], input=message)
    assert "dead-loss-term" in answer.stdout


def test_equal_names_in_two_projects_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text("", encoding="utf-8")
        (tmp_path / name / "main.py").write_text(PROGRAM, encoding="utf-8")
    assert run("baseline", "write").stdout.startswith(f"{baseline.NAME}: 4 findings, 4 of them new")
    for paths in ((".",), ("one",), ("two",), ("two", "one")):
        assert run(*paths, "--baseline", baseline.NAME).exit_code == 0
    (tmp_path / "one/main.py").write_text("", encoding="utf-8")
    stale = run("baseline", "status").stdout.splitlines()
    assert [line.split(":")[0] for line in stale[:-1]] == ["one/main.py"] * 2


# --- comparing -------------------------------------------------------------------------------------------------------


def test_each_entry_stands_for_one_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    findings = [detach(), detach(), detach()]
    found = list(zip(findings, prints(findings, lambda _: CAM.split("\n")), strict=True))
    entries = [Entry(own.digest, "detach", "cam.py", own.symbol, "") for _, own in found[:2]]
    new, compared = compare(entries, tmp_path, found, lambda _: True)
    assert (len(new), len(compared.known), compared.stale) == (1, 2, ())
    assert len({own.digest for _, own in found}) == 3


def test_a_further_demand_of_the_cut_may_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = detach()
    other = at(CAM, "import torch")
    path = (*before.path[:-1], Step("demand", "cam.py", other, "new"))
    demand = before.path[-1]
    after = msgspec.structs.replace(before, path=path, also=(Place("cam.py", demand.range, demand.label),))
    (own,) = prints([before], lambda _: CAM.split("\n"))
    found = list(zip([after], prints([after], lambda _: CAM.split("\n")), strict=True))
    entries = [Entry(own.digest, "detach", "cam.py", own.symbol, "")]
    assert compare(entries, tmp_path, found, lambda _: True)[0] == []
