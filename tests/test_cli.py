"""The command line: what is printed where, and the exit status. The analyser is replaced: it finds CAM's detach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click.testing
import jsonschema
import msgspec
import pytest

import gradlint
from gradlint import engine, static
from gradlint.catalog import Catalog
from gradlint.cli import main
from gradlint.finding import FileError, Finding, Site
from gradlint.report import schema
from gradlint.static import Result, Source
from gradlint.tape import Tape
from tests.made import CAM, CUT, DEMAND, detach, site, span

BROKEN = "def f(:\n"


def invoke(*args: str, given: str | bytes | None = None) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, args, input=given, catch_exceptions=False)


def analysed(sources: Sequence[Source], catalog: Catalog, *, read: Callable[[Path], str | None], **_: Any) -> Result:
    """Stands for the static half: every file with CAM's demand has one, the broken one is an error."""
    good = [s for s in sources if BROKEN not in s.text]
    errors = [FileError(s.file, 1, 7, "syntax-error", "bad") for s in sources if BROKEN in s.text]
    demanding = [s for s in good if DEMAND in s.text]
    return Result(
        tapes=[Tape(demands=[]) for _ in demanding],
        errors=errors,
        analysed={s.file for s in good},
        context=set(),
        sites=[(span(s.file, s.text, DEMAND), DEMAND) for s in demanding],
        reached=set(),
        budget=[],
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with CAM in it, and the analyser replaced."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cam.py").write_text(CAM, encoding="utf-8")
    texts: dict[str, str] = {}

    def recorded(
        sources: Sequence[Source], catalog: Catalog, *, read: Callable[[Path], str | None], **_: Any
    ) -> Result:
        texts.update({s.file: s.text for s in sources})
        return analysed(sources, catalog, read=read)

    def merged(_: Iterable[Any]) -> tuple[list[Finding], list[Site]]:
        live = {file: text for file, text in texts.items() if DEMAND in text}
        findings = [detach(file, text) for file, text in live.items() if CUT in text]
        return findings, [site(f.file, texts[f.file]) for f in findings]

    monkeypatch.setattr(static, "analyse", recorded)
    monkeypatch.setattr(engine, "judge", lambda tape, catalog: [], raising=False)
    monkeypatch.setattr(engine, "merge", merged, raising=False)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_path_is_checked_with_and_without_the_word() -> None:
    bare, spelled = invoke("cam.py"), invoke("check", "cam.py")
    assert bare.exit_code == spelled.exit_code == 1
    assert bare.stdout == spelled.stdout
    assert bare.stdout.startswith("error[detach]: score cannot reach features['conv']")
    assert bare.stdout.endswith("1 error. 1 demand: 0 connected, 1 severed, 0 undecided. 1 file, 1 analysed.\n")


@pytest.mark.usefixtures("folder")
def test_json_keeps_the_promise() -> None:
    result = invoke(".", "--output-format", "json")
    data = json.loads(result.stdout)
    jsonschema.validate(data, schema())
    (finding,) = data["findings"]
    assert (finding["rule"], finding["file"], finding["symbol"]) == ("detach", "cam.py", "save")
    assert data["tool"] == {"name": "gradlint", "version": gradlint.__version__}
    assert data["summary"]["files"] == {"found": 1, "analysed": 1, "gated": 0, "context": 0}
    assert data["summary"]["demands"] == {"found": 1, "connected": 0, "severed": 1, "undecided": 0}
    assert len(finding["fingerprint"]) == 16


@pytest.mark.parametrize(
    ("args", "status"),
    [
        ((), 1),
        (("--exit-zero",), 0),
        (("--fail-on", "error"), 1),
        (("--ignore", "detach"), 0),
        (("--select", "python-number"), 0),
        (("--select", "python-number,detach"), 1),
        (("nowhere.py",), 2),
        (("nowhere.py", "--exit-zero"), 2),
        (("--select", "detatch"), 2),
        (("--output-format", "klingon"), 2),
        (("--fail-on", "fatal"), 2),
        (("--config", "nowhere.toml"), 2),
        (("--jobs", "2", "--no-cache"), 1),
        (("--exclude", "*.py"), 1),
        (("--exclude", "*.py", "--force-exclude"), 0),
    ],
)
@pytest.mark.usefixtures("folder")
def test_exit_status(args: Sequence[str], status: int) -> None:
    assert invoke("cam.py", *args).exit_code == status


def test_severities_of_the_settings_decide_the_status(folder: Path) -> None:
    (folder / "gradlint.toml").write_text("severity = { detach = 'warning' }\nfail-on = 'error'\n", encoding="utf-8")
    result = invoke("cam.py")
    assert result.exit_code == 0
    assert "warning[detach]" in result.stdout
    assert invoke("cam.py", "--fail-on", "warning").exit_code == 1


def test_every_mistake_is_told_and_everything_else_reported(folder: Path) -> None:
    (folder / "broken.py").write_text(BROKEN, encoding="utf-8")
    (folder / "latin.py").write_bytes(b"import torch\ns = '\xe9'\n")
    (folder / "empty.py").write_text("", encoding="utf-8")
    (folder / "docs").mkdir()
    (folder / "pyproject.toml").write_text("[tool.gradlint]\nslect = []\n", encoding="utf-8")
    result = invoke(".", "docs", "nowhere.py", "--select", "detach,detatch", "--output-format", "json")
    assert result.exit_code == 2
    data = json.loads(result.stdout)
    assert [f["rule"] for f in data["findings"]] == ["detach"]
    assert [(e["file"], e["line"], e["kind"]) for e in data["errors"]] == [
        ("broken.py", 1, "syntax-error"),
        ("latin.py", 2, "encoding"),
        ("nowhere.py", 1, "unreadable"),
    ]
    assert data["summary"]["files"] == {"found": 4, "analysed": 1, "gated": 1, "context": 0}
    assert "gradlint: note: no Python files in docs\n" in result.stderr
    assert "gradlint: error: pyproject.toml:2: unknown key 'slect'; did you mean 'select'?\n" in result.stderr
    assert "gradlint: error: --select: unknown rule 'detatch'; did you mean 'detach'?\n" in result.stderr


def test_broken_syntax_is_found_in_a_file_without_any_word_that_matters(folder: Path) -> None:
    (folder / "cam.py").write_text(BROKEN, encoding="utf-8")
    result = invoke(".")
    assert result.exit_code == 2
    assert "error[syntax-error]: bad\n --> cam.py:1:7\n" in result.stdout


def test_latin_1_and_byte_order_marks_are_read(folder: Path) -> None:
    (folder / "cam.py").write_bytes(f"# coding: latin-1\n# é\n{CAM}".encode("latin-1"))
    (folder / "bom.py").write_bytes(b"\xef\xbb\xbf" + CAM.encode())
    result = invoke(".", "--output-format", "concise")
    assert [line.split(" ")[0] for line in result.stdout.splitlines()[:2]] == ["bom.py:7:24:", "cam.py:9:24:"]


def test_standard_input(folder: Path) -> None:
    (folder / "gradlint.toml").write_text("per-file-ignores = { 'old/*' = ['detach'] }\n", encoding="utf-8")
    assert "--> <stdin>:7:24" in invoke("-", given=CAM).stdout
    result = invoke("-", "--stdin-filename", "src/new.py", given=CAM)
    assert (result.exit_code, "--> src/new.py:7:24" in result.stdout) == (1, True)
    assert invoke("--stdin-filename", "old/new.py", given=CAM).exit_code == 0
    assert invoke("-", given=b"s = '\xff'").exit_code == 2


def test_standard_input_stands_for_the_file_on_disk(folder: Path) -> None:
    result = invoke("-", "cam.py", "--stdin-filename", "cam.py", given=CAM.replace(".detach()", ""))
    assert result.exit_code == 0
    assert "1 file, 1 analysed." in result.stdout


def test_suppressed_findings_are_counted(folder: Path) -> None:
    (folder / "cam.py").write_text(CAM.replace(CUT, f"{CUT}  # gradlint: ignore[detach] plot"), encoding="utf-8")
    result = invoke("cam.py")
    assert result.exit_code == 0
    assert result.stdout.startswith("no findings (1 suppressed). ")


def test_a_comment_that_silences_nothing_is_a_finding_of_its_own(folder: Path) -> None:
    idle = "# gradlint: ignore[python-number, detatch] why"
    (folder / "cam.py").write_text(CAM.replace(CUT, f"{CUT}  {idle}"), encoding="utf-8")
    result = invoke("cam.py", "--output-format", "concise")
    assert result.exit_code == 1
    assert "cam.py:7:41: warning[unused-suppression] nothing to silence here: python-number\n" in result.stdout
    assert (
        "cam.py:7:41: warning[unused-suppression] there is no rule 'detatch'; did you mean 'detach'?\n" in result.stdout
    )
    assert "unused" not in invoke("cam.py", "--ignore", "unused-suppression").stdout
    assert "nothing to silence" not in invoke("cam.py", "--ignore", "python-number").stdout
    settings = folder / "gradlint.toml"
    settings.write_text("per-file-ignores = { 'cam.py' = ['python-number'] }\n", encoding="utf-8")
    assert "nothing to silence" not in invoke("cam.py").stdout
    settings.unlink()
    (folder / "cam.py").write_text(f"# gradlint: file-ignore[unused-suppression]\n{CAM}  {idle}", encoding="utf-8")
    assert "unused" not in invoke("cam.py").stdout


def test_output_file(folder: Path) -> None:
    result = invoke("cam.py", "--output-file", "out.txt", "--output-format", "concise")
    assert result.stdout == ""
    assert (folder / "out.txt").read_text(encoding="utf-8").startswith("cam.py:7:24: error[detach] ")
    assert invoke("cam.py", "--output-file", "nowhere/out.txt").exit_code == 2


def test_what_a_format_cannot_hold_goes_to_standard_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "merge", lambda verdicts: ([], []))
    full = invoke(".", "--show-unknown", "--statistics")
    assert f"cam.py:13:12: undecided: {DEMAND}: no run reached it\n" in full.stdout
    assert full.stdout.endswith("1 undecided (no run reached it: 1). 1 file, 1 analysed.\n")
    machine = invoke(".", "--show-unknown", "--output-format", "json")
    json.loads(machine.stdout)
    assert "no run reached it" in machine.stderr


@pytest.mark.parametrize(
    ("args", "environment", "colored"),
    [
        ((), {}, False),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
    ],
)
@pytest.mark.usefixtures("folder")
def test_color(
    args: Sequence[str], environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in invoke("cam.py", *args).stdout) is colored


def test_the_working_directory_changes_only_the_spelling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "z.py").write_text(CAM, encoding="utf-8")
    seen = []
    for here, paths in ((folder, ("cam.py", "a")), (folder / "a", ("../cam.py", "z.py")), (folder / "a", (".", ".."))):
        monkeypatch.chdir(here)
        findings = gradlint.check(paths).findings
        seen.append([(os.path.abspath(f.file), f.fingerprint, f.symbol, f.range) for f in findings])  # noqa: PTH100
    assert seen[0] == seen[1] == seen[2]
    assert len({fingerprint for _, fingerprint, _, _ in seen[0]}) == 2


def test_a_fingerprint_outlives_changes_elsewhere(folder: Path) -> None:
    (before,) = gradlint.check(["cam.py"]).findings
    (folder / "cam.py").write_text(f"COUNT = 3\n{CAM}", encoding="utf-8")
    (after,) = gradlint.check(["cam.py"]).findings
    assert after.range != before.range
    assert after.fingerprint == before.fingerprint
    (folder / "cam.py").rename(folder / "map.py")
    (renamed,) = gradlint.check(["map.py"]).findings
    assert renamed.fingerprint != before.fingerprint


def test_alike_findings_have_fingerprints_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "merge", lambda verdicts: ([detach(), detach()], []))
    one, two = gradlint.check(["cam.py"]).findings
    assert one.fingerprint != two.fingerprint


def test_a_finding_between_other_files_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [detach("other.py"), msgspec.structs.replace(detach("other.py"), path=detach("cam.py").path)]
    monkeypatch.setattr(engine, "merge", lambda verdicts: (found, []))
    assert [f.path[-1].file for f in gradlint.check(["cam.py"]).findings] == ["cam.py"]


def test_a_defect_of_the_engine_is_an_error_of_one_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cam.py").write_text(CAM, encoding="utf-8")

    def judge(tape: Tape, catalog: Catalog) -> list[Any]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(engine, "judge", judge)
    result = invoke("cam.py", "--output-format", "concise")
    assert result.exit_code == 2
    assert "cam.py:1:1: internal: gradlint could not judge a run: ZeroDivisionError: oops" in result.stdout


def test_a_defect_of_gradlint_is_no_finding(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def merge(verdicts: Iterable[Any]) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(engine, "merge", merge)
    result = invoke("cam.py")
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr
    assert "gradlint: internal error: oops" in result.stderr


def test_rule() -> None:
    assert "detach" in invoke("rule").stdout
    assert invoke("rule", "detach").stdout.startswith("# detach\n")
    assert "# python-number\n" in invoke("rule", "--all").stdout
    wrong = invoke("rule", "detatch")
    assert wrong.exit_code == 2
    assert "unknown rule 'detatch'; did you mean 'detach'?" in wrong.stderr


def test_the_module_runs() -> None:
    out = subprocess.run([sys.executable, "-m", "gradlint", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout == f"gradlint {gradlint.__version__}\n"


def test_a_slip_in_the_name_of_a_command_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = invoke("explian", "x.py:3")
    assert told.exit_code == 2
    assert "no command and no path 'explian'; did you mean 'gradlint explain'?" in told.stderr
    (tmp_path / "rules").mkdir()
    assert "did you mean" not in invoke("rules").stderr


def test_help_names_every_subcommand() -> None:
    text = invoke("--help").stdout
    assert "..." not in text.partition("Commands:")[2], "a short help is cut off"
    assert [word for word in ("check", "explain", "rule", "why") if f"\n  {word}" not in text] == []
