"""A sample of the fixtures under the tracer: what the static half reports is confirmed, and right programs are clean.

All fixtures are run by the slow tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api, traced
from gradlint.config import Config, Loaded
from gradlint.finding import Finding
from gradlint.runtime import confirm
from gradlint.runtime.launch import Request
from tests.proof import main_file, proof_of
from tests.runtime.harness import found_in, traced_program
from tests.test_fixtures import ROOT, programs

#: proofs that autograd shows while the program runs
SHOWN = ("raises", "none", "zero", "constant")
#: what each half tells by something of its own; the two must agree there
DELICATE = (ROOT / "right" / "stopped_by_option.py",)
SAMPLE = sorted({*programs()[::9], *DELICATE})


def kind(path: Path) -> str:
    """How a program is proved."""
    return proof_of(main_file(path).read_text(encoding="utf-8"))[0]


def confirmed(path: Path) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """The static findings with what a run says of them, what the trace alone found, and all that it found."""
    task = api.Task((str(path),), Loaded(Config(extend_select=("ALL",)), Path.cwd()))
    analysis = api.analyse(task)
    static = api.reported(analysis).report.findings
    run = traced_program(path, traced.asked(Request(""), analysis))
    judged = confirm.confirm(static, run, traced.claims(run, analysis.catalog))
    found = found_in(run)
    return judged, confirm.missed(judged, found), found


@pytest.mark.parametrize("path", SAMPLE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_is_refuted_and_right_programs_are_clean(path: Path) -> None:
    judged, new, found = confirmed(path)
    assert [f for f in judged if f.runtime.status == "refuted"] == []
    assert [(f.rule, f.range) for f in new] == []
    if kind(path) == "nonzero":
        assert [f.rule for f in found] == []


@pytest.mark.slow
def test_nearly_every_finding_is_confirmed_and_the_halves_agree() -> None:
    traced_all = [(path, *confirmed(path)) for path in programs()]
    judged = [(p, f) for p, given, _, _ in traced_all if kind(p) in SHOWN for f in given if f.severity != "info"]
    open_ = [(p.name, f.rule, f.runtime.reason) for p, f in judged if f.runtime.status != "confirmed"]
    assert len(open_) <= 0.05 * len(judged), open_
    assert [(p.name, f.rule) for p, given, _, _ in traced_all for f in given if f.runtime.status == "refuted"] == []
    assert [(p.name, f.rule) for p, _, new, _ in traced_all for f in new] == []
    assert [(p.name, f.rule) for p, _, _, found in traced_all if kind(p) == "nonzero" for f in found] == []
