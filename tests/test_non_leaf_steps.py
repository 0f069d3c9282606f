"""What the way of a tensor that keeps no gradient shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

SALIENCY = """\
import torch
net = torch.nn.Linear(3, 1)
image = torch.rand(3, 4).requires_grad_()
{made}
net(x).sum().backward()
print(x.grad.abs())
"""


@pytest.mark.parametrize(
    ("made", "lines"),
    [("x = image.t()\nx = x * 2", [4, 5]), ("x = image.t()", [4]), ("x = image.t() + net.bias.sum()\nx = x * 2", [5])],
    ids=("two operations", "one operation", "two leaves"),
)
def test_the_operation_that_left_the_leaf_behind_is_a_cause(tmp_path: Path, made: str, lines: list[int]) -> None:
    file = tmp_path / "saliency.py"
    file.write_text(SALIENCY.format(made=made))
    (finding,) = [f for f in check([file]).findings if f.rule == "non-leaf-grad"]
    assert [s.range.start.line for s in finding.path if s.role == "cause"] == lines
