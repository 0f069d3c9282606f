"""What a test that turned out true tells about the text in a variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

PROGRAM = """import torch
from torch import nn

net = nn.Linear(3, 1)


def evaluate(phase):
    {test}
        x = torch.ones(2, 3)
        loss = net(x).detach().sum()
        if phase == "train":
            loss.backward()
"""


@pytest.mark.parametrize(
    ("test", "rules"),
    [
        ("if True:\n        assert phase in ['val', 'test']", []),
        ("if phase in ('val', 'test'):", []),
        ("if phase == 'val':", []),
        ("if phase == 'train':", ["detach"]),
        ("if phase in ('train', 'val'):", ["detach"]),
        ("if phase != 'val':", ["detach"]),
        ("if phase in (other(), 'val'):", ["detach"]),
    ],
)
def test_what_equals_a_text_is_that_text(tmp_path: Path, test: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(test=test))
    assert [f.rule for f in check([file]).findings] == rules
