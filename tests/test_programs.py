"""Lowered programs that are put away while others are run: they come back as they were, and take little room."""

from __future__ import annotations

import gc
from pathlib import Path

import msgspec
import pytest

from gradlint.static import imports
from gradlint.static.imports import Project
from gradlint.static.source import Source

BODY = "".join(f"    x = x * {n} + 1  # a comment\n" for n in range(200))
TEXT = "".join(f"def f{n}(x):\n{BODY}    return x\n\n" for n in range(10))


def project(*names: str) -> Project:
    return Project([Source(name, Path("/p") / name, TEXT) for name in names], lambda _: None)


def test_a_program_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "READY", 0)
    made = project("a.py", "b.py")
    first = made.program(Path("/p/a.py"))
    told = msgspec.msgpack.encode(first, order="deterministic")
    del first
    made.program(Path("/p/b.py"))
    gc.collect()
    assert (
        msgspec.msgpack.encode(made.program(Path("/p/a.py")), order="deterministic") == told
    )  # sets come in any order
    assert made.program(Path("/p/none.py")) is None
    assert made.program(Path("/p/none.py")) is None


def test_what_is_put_away_takes_a_part_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "READY", 0)
    made = project("a.py", "b.py")
    for name in ("a.py", "b.py"):
        made.program(Path("/p") / name)
    (held,) = made._packed.values()
    assert len(held) < len(TEXT) / 4
