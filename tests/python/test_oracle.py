"""The Python half of the machine against CPython: snippets per construct, and generated programs."""

from __future__ import annotations

import pytest

from tests.python.generate import program
from tests.python.machine_run import differences
from tests.python.snippets import SNIPPETS


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet(name: str) -> None:
    assert differences(SNIPPETS[name]) == {}


@pytest.mark.parametrize("seed", range(150))
def test_generated(seed: int) -> None:
    text = program(seed)
    assert differences(text) == {}, text
