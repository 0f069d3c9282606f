"""Statements that certainly fail are passed over: what they should have made is unknown, whatever the names held before."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check
from gradlint.config import Config

HEAD = "import torch\n\nweight = torch.ones(3, requires_grad=True)\nlosses = [torch.zeros(())]\nloss, scale = torch.zeros(()), None\n"
FAILING = {
    "a name": "loss = scale * weight.sum()\nloss.backward()\n",
    "one of two names": "loss, size = scale * weight.sum(), 3\nloss.backward()\n",
    "in place": "loss += scale * weight.sum()\nloss.backward()\n",
    "a loop": "for part in scale:\n    loss = loss + (part * weight).sum()\nloss.backward()\n",
    "a list": "losses.append(scale * weight.sum())\ntorch.stack(losses).sum().backward()\n",
    "an item": "losses[0] = scale * weight.sum()\nlosses[0].backward()\n",
}


@pytest.mark.parametrize("program", FAILING.values(), ids=FAILING)
def test_what_a_failing_statement_should_have_made_is_no_finding(program: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(HEAD + program)
    with pytest.raises(TypeError):
        exec(compile(HEAD + program, "main.py", "exec"), {})

    assert not check([tmp_path], Config()).findings


def test_what_does_not_fail_is_one(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(HEAD + "loss = 2 * loss\nloss.backward()\n")

    assert [f.rule for f in check([tmp_path], Config()).findings] == ["no-graph"]
