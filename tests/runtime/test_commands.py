"""`trace`, `check --confirm` and `why --run`, as processes: streams, exit statuses and the messages when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CUT = """\
import sys
import torch

print("the script's own words", sys.argv[1:])
x = torch.ones(2, requires_grad=True)
y = x * 2
loss = y.detach().sum()
loss.backward()
"""
RIGHT = CUT.replace("y.detach()", "y")


def gradlint(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run of the command."""
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-m", "gradlint", *args], capture_output=True, text=True, env=env)


@pytest.fixture
def cut(tmp_path: Path) -> str:
    return _script(tmp_path, CUT)


def _script(folder: Path, text: str) -> str:
    file = folder / "script.py"
    file.write_text(text)
    return str(file)


def test_trace(cut: str) -> None:
    out = gradlint("trace", cut, "--flag", "value")
    assert out.returncode == 1
    assert out.stdout.startswith("the script's own words ['--flag', 'value']\n")
    assert "error[detach]: loss does not depend" in out.stdout
    assert "executing" in out.stderr
    assert "script.py:7:8: detach" in out.stderr.splitlines()[-1]  # the note on the script's own traceback
    assert "gradlint/" not in out.stderr.replace("gradlint: ", "").replace(cut, "")


def test_machines_get_clean_json(cut: str) -> None:
    out = gradlint("trace", "--output-format", "json", cut)
    report = json.loads(out.stdout)
    (finding,) = report["findings"]
    assert (finding["rule"], finding["found_by"], finding["runtime"]["status"]) == ("detach", "trace", "confirmed")
    assert finding["runtime"]["evidence"]["input"] == {"shape": [2], "requires_grad": True, "grad_fn": "MulBackward0"}
    assert "the script's own words" in out.stderr


def test_confirm_takes_arguments_after_the_dashes(cut: str) -> None:
    out = gradlint("check", cut, "--output-format", "json", "--confirm", cut, "--", "--flag")
    report = json.loads(out.stdout)
    assert [(f["found_by"], f["runtime"]["status"]) for f in report["findings"]] == [("static", "confirmed")]
    assert "['--flag']" in out.stderr
    assert out.returncode == 1


def test_why_runs_the_script(cut: str) -> None:
    out = gradlint("why", "--run", cut)
    assert "does not require grad" in out.stdout
    assert "Suspects on the lines of the traceback (1)" in out.stdout
    assert "confirmed" in out.stdout


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        (RIGHT, 0, ""),
        ("import torch\ntorch.ones(2)\n", 2, "asked for no gradient"),
        pytest.param(f"{RIGHT}sys.exit(3)\n", 2, "ended with exit status 3", marks=pytest.mark.slow),
        (f"{RIGHT}raise ValueError('no data')\n", 2, "ended with ValueError: no data"),
        (f"{RIGHT}sys.exit('no data')\n", 2, "no data\n"),
        pytest.param("import torch\nx = (\n", 2, "SyntaxError", marks=pytest.mark.slow),
        pytest.param(f"{RIGHT}import os\nos._exit(0)\n", 2, "before the trace was written", marks=pytest.mark.slow),
        pytest.param(f"{RIGHT}import time\ntime.sleep(300)\n", 2, "stopped after 40 seconds", marks=pytest.mark.slow),
    ],
    ids=["right", "no backward", "exit", "exception", "message", "syntax", "killed", "timeout"],
)
def test_what_goes_wrong_is_told(tmp_path: Path, text: str, status: int, message: str) -> None:
    out = gradlint("trace", "--timeout", "40", _script(tmp_path, text))
    assert out.returncode == status, out.stderr
    assert message in out.stderr


def test_a_script_that_is_not_there(tmp_path: Path) -> None:
    out = gradlint("trace", str(tmp_path / "none.py"))
    assert out.returncode == 2
    assert "no such script" in out.stderr


def test_a_module_is_run_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "__main__.py").write_text("from .work import sys\n")
    (tmp_path / "pkg" / "work.py").write_text(CUT)
    monkeypatch.chdir(tmp_path)
    out = gradlint("trace", "-m", "pkg", "--flag")
    assert out.returncode == 1
    assert out.stdout.startswith("the script's own words ['--flag']\n")
    assert "error[detach]: loss does not depend" in out.stdout
    for name in ("none", "pkg.none", "pkg.work.none"):
        assert "no such module to run" in gradlint("trace", "-m", name).stderr


def test_without_torch(cut: str, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "torch.py").write_text("raise ImportError('No module named torch')\n")
    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    out = gradlint("trace", cut, PYTHONPATH=path)
    assert out.returncode == 2
    assert "tracing needs torch" in out.stderr
    assert "torch-gradlint[trace]" in out.stderr


def test_a_caught_error_is_no_finding(tmp_path: Path) -> None:
    text = f"{CUT.rsplit('loss.backward', 1)[0]}try:\n    loss.backward()\nexcept RuntimeError:\n    pass\nx.sum().backward()\n"
    out = gradlint("trace", _script(tmp_path, text))
    assert out.returncode == 0, out.stdout
