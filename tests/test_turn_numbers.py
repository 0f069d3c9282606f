"""The number of a turn: 0 in the first, some number above it in the others; what is compared with it is decided where it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

PROGRAM = """import torch
from torch import nn

cell = nn.LSTM(3, 4)
optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
chunks = torch.randn(int(input()), 2, 3).split(5)
state = None
for {loop}:
    if {test}:
        state = tuple(part.detach() for part in state)
    found, state = cell({chunk}, state)
    optimizer.zero_grad()
    found.sum().backward()
    optimizer.step()
"""


def rules(tmp_path: Path, loop: str, test: str, chunk: str = "chunk") -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(loop=loop, test=test, chunk=chunk))
    return [f.rule for f in check([file]).findings]


@pytest.mark.parametrize("test", ["n", "n > 0", "n >= 1", "n != 0", "0 < n", "not n == 0", "1 <= n"])
def test_every_turn_but_the_first(tmp_path: Path, test: str) -> None:
    assert rules(tmp_path, "n, chunk in enumerate(chunks)", test) == []
    assert rules(tmp_path, "n in range(len(chunks))", test, "chunks[n]") == []
    assert rules(tmp_path, "n, chunk in enumerate(chunks, 0)", test) == []


@pytest.mark.parametrize(("first", "test"), [(1, "n > 1"), (1, "n != 1"), (5, "n >= 6")])
def test_another_first_number(tmp_path: Path, first: int, test: str) -> None:
    assert rules(tmp_path, f"n, chunk in enumerate(chunks, {first})", test) == []


@pytest.mark.parametrize("test", ["n < 0", "n == 0 and state is not None", "n > 0 and False"])
def test_no_turn(tmp_path: Path, test: str) -> None:
    assert rules(tmp_path, "n, chunk in enumerate(chunks)", test) == ["freed-graph"]


@pytest.mark.parametrize("test", ["n == 7", "n < 9", "n == int(input())"])
def test_some_turns(tmp_path: Path, test: str) -> None:
    """Nobody knows which: nothing is certain of what is carried over."""
    assert rules(tmp_path, "n, chunk in enumerate(chunks)", f"{test} and state is not None") == []


def test_one_of_two_states_is_handed_in(tmp_path: Path) -> None:
    assert rules(tmp_path, "chunk in chunks", "input()") == []
    assert rules(tmp_path, "chunk in chunks", "False") == ["freed-graph"]
