"""A backward that nobody sees: where something unknown got what is live, a gradient may be there; where nothing did, it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check

PROGRAM = """import torch
from torch import nn
from unknown_library import take


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.spare, self.body = nn.Conv2d(1, 2, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.body(x)


net, beside = Net(), torch.ones(2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(3):
    loss = net(torch.ones(2, 3)).pow(2).mean()
    optimizer.zero_grad()
    {between}
    print(net.{layer}.weight.grad.norm())
"""


@pytest.mark.parametrize("layer", ["body", "spare"])
@pytest.mark.parametrize(("between", "expected"), [("take(loss)", []), ("take(beside)", ["mistimed-grad"])])
def test_what_an_unknown_call_got(tmp_path: Path, layer: str, between: str, expected: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(between=between, layer=layer))
    assert [f.rule for f in check([file]).findings] == expected
