"""The report is the same whatever the order of the paths, the working directory or the hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "fixtures").rglob("*.py"))[:12]]
WAYS = {
    "forwards": (ROOT, PROGRAMS, "0"),
    "backwards": (ROOT, PROGRAMS[::-1], "1"),
    "other seed": (ROOT, PROGRAMS, "12345"),
    "other folder": (ROOT / "fixtures", [os.path.relpath(ROOT / p, ROOT / "fixtures") for p in PROGRAMS], "2"),
    "elsewhere": (ROOT / "rules", [str(ROOT / p) for p in PROGRAMS], "3"),
}


def report(way: str) -> Any:
    """The JSON report with every file from the root."""
    folder, paths, seed = WAYS[way]
    command = [sys.executable, "-m", "gradlint", *paths, "--output-format", "json", "--exit-zero", "--select", "ALL"]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return _spelled(json.loads(done.stdout), folder)


def _spelled(data: Any, folder: Path) -> Any:
    match data:
        case {"file": str(file), **rest}:
            return {"file": os.path.normpath(folder / file), **_spelled(rest, folder)}
        case dict():
            return {key: _spelled(value, folder) for key, value in data.items()}
        case list():
            return [_spelled(item, folder) for item in data]
        case _:
            return data


@pytest.fixture(scope="module")
def expected() -> Any:
    return report("forwards")


@pytest.mark.parametrize("way", list(WAYS)[1:])
def test_same_answer(way: str, expected: Any) -> None:
    assert expected["findings"], "nothing to compare"
    assert report(way) == expected
