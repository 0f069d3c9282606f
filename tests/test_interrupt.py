"""Long runs: the bar on a terminal, and Ctrl-C, which prints what was found so far."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from gradlint import api, config
from gradlint.cli._progress import Bar
from gradlint.report import schema

BEGIN = "import torch\nx = torch.ones(2, requires_grad=True)\n"
CUT = f"{BEGIN}x.detach().sum().backward()\n"
LONG = "\n".join((BEGIN, *["x = x * 2 + 1"] * 10_000, "x.sum().backward()\n"))


class Interrupter:
    """Presses Ctrl-C when the work comes to a file for the second time: it has been read and would be run."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.seen = 0

    def __call__(self, done: int, total: int, file: str) -> None:
        self.seen += file == self.file
        if self.seen == 2:
            raise KeyboardInterrupt


def test_what_was_found_before_an_interrupt_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text(CUT, encoding="utf-8")
    task = api.Task(("a.py", "b.py", "c.py"), config.Loaded(config.Config(), tmp_path))
    whole = api.run(task)
    assert [f.file for f in whole.report.findings] == ["a.py", "b.py", "c.py"]
    assert not whole.interrupted
    part = api.run(task, Interrupter("b.py"))
    assert [f.file for f in part.report.findings] == ["a.py"]
    assert [(e.file, e.kind) for e in part.report.errors] == [(f"{name}.py", "interrupted") for name in "abc"]
    assert part.interrupted


def test_ctrl_c_on_a_real_run(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CUT, encoding="utf-8")
    for n in range(10):
        (tmp_path / f"long{n}.py").write_text(LONG, encoding="utf-8")
    leader, terminal = pty.openpty()
    command = [sys.executable, "-m", "gradlint", ".", "--output-format", "json"]
    heard = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a shell's background jobs ignore it, and so would the run
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, text=True, preexec_fn=heard
    ) as run:
        os.close(terminal)
        try:
            bar = _read(leader, b"\xe2\x94\x81", seconds=30)  # the bar's line
            run.send_signal(signal.SIGINT)
            # a terminal that nobody reads would stop the bar, and the run with it
            told = bar + _read(leader, b"so far", seconds=60)
            out, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    os.close(leader)
    assert run.returncode == 130
    assert b".py" in bar
    assert b"gradlint: interrupted: the report holds what was found so far" in told
    report = json.loads(out)
    jsonschema.validate(report, schema())
    left = [e["file"] for e in report["errors"] if e["kind"] == "interrupted"]
    assert left
    assert report["summary"]["files"]["found"] == 11


def _read(terminal: int, until: bytes, seconds: float) -> bytes:
    """What is written to a terminal, up to some words."""
    text, end = b"", time.monotonic() + seconds
    while until not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
    return text


def test_no_bar_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with Bar(patience=0) as bar:
        bar(1, 3, "cam.py")
    assert quiet.getvalue() == ""


def test_no_bar_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with Bar(shown=True, patience=60) as bar:
        bar(1, 3, "cam.py")
    assert quiet.getvalue() == ""
