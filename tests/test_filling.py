"""What waits until a buffer is full, or until a loop has counted far enough, is done in time: as certain as what waits for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

PROGRAM = """import torch
from torch import nn

net, critic = nn.Linear(3, 1), nn.Linear(1, 1)
first, second = torch.optim.SGD(net.parameters(), lr=0.1), torch.optim.SGD(critic.parameters(), lr=0.1)
seen, count, size = [], 0, int(input())


def train():
    loss = critic(net(torch.stack(seen[:size])).round()).mean() + net(torch.ones(3)).sum()
    first.zero_grad()
    second.zero_grad()
    loss.backward()
    first.step()


for item in open("items"):
    count += 1
    seen.append(torch.tensor([float(part) for part in item.split()]))
{guarded}
"""


def rules(tmp_path: Path, guarded: str) -> list[str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(guarded=guarded))
    return [f.rule for f in check([file]).findings]


@pytest.mark.parametrize(
    "guarded",
    [
        "    train()",
        "    if len(seen) >= size:\n        train()",
        "    if len(seen) > 32:\n        train()",
        "    if size <= len(seen):\n        train()",
        "    if len(seen) < size:\n        continue\n    train()",
        "    if count >= size:\n        train()",
        "    if count % size == 0:\n        train()",
        "    if count >= size and (count + 1) % 4 == 0:\n        train()",
        "    if not count % 4:\n        train()",
        "    if size >= count:\n        continue\n    train()",
    ],
)
def test_it_comes_true(tmp_path: Path, guarded: str) -> None:
    assert rules(tmp_path, guarded) == ["dead-loss-term"]


@pytest.mark.parametrize(
    "guarded",
    [
        "    if size % 2 == 0:\n        train()",
        "    if count >= size:\n        train()\n    else:\n        second.step()",
        "    if count >= size:\n        train()\n        break",
        "    if count >= float(seen[0]):\n        train()",
        "    if len(item) >= size:\n        train()",
        "    if len(seen) < size:\n        train()",
        "    if len(seen) >= size:\n        train()\n    else:\n        second.step()",
    ],
)
def test_it_may_never_come_true(tmp_path: Path, guarded: str) -> None:
    assert rules(tmp_path, guarded) == []


@pytest.mark.parametrize("other", ["count % 2 == 1", "(count + 1) % 2 == 0", "not (count + 1) % 2"])
def test_a_turn_has_one_number(tmp_path: Path, other: str) -> None:
    """Both would go through one graph; each turn goes through it once."""
    file = tmp_path / "program.py"
    text = """import torch

net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
first = torch.optim.SGD(net.parameters(), lr=0.1)
for count, item in enumerate(open("items")):
    found = net(torch.ones(2, 3)).pow(2)
    first.zero_grad()
    if count % 2 == 0:
        found.mean().backward()
    if {other}:
        found.sum().backward()
    first.step()
"""
    file.write_text(text.format(other=other))
    assert check([file]).findings == ()
    file.write_text(text.format(other="count % 2 == 0"))
    assert [f.rule for f in check([file]).findings] == ["freed-graph"]
