"""What a distribution shows of its parameters: read, not called."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api

HEAD = """\
import torch
import torch.distributions as D
net = torch.nn.Linear(3, 4)
h = net(torch.rand(2, 3))
"""
#: what is differentiated, and whether that has a gradient
READ = [
    ("D.Normal(h, 1.0).mean", True),
    ("D.Normal(h, 1.0).loc + D.Normal(0.0, h.exp()).stddev", True),
    ("D.Categorical(logits=h).probs", True),
    ("D.Categorical(logits=h).logits", True),
    ("D.Beta(h.exp(), h.exp()).variance", True),
    ("D.Categorical(logits=h).mode.float()", False),
    ("D.Normal(h, 1.0).sample()", False),
]


@pytest.mark.parametrize(("read", "live"), READ)
def test_what_is_found_and_happens(tmp_path: Path, read: str, live: bool) -> None:
    program = f"{HEAD}(({read}) ** 2).sum().backward()\n"
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    report = api.check([file])
    assert [f.rule for f in report.findings] == ([] if live else ["non-differentiable"])
    assert report.summary.demands.undecided == 0
    if live:
        here: dict[str, object] = {}
        exec(program, here)
        assert bool(here["net"].weight.grad.any())  # type: ignore[attr-defined]
    else:
        with pytest.raises(RuntimeError, match="does not require grad"):
            exec(program, {})
