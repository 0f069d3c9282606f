"""`demands` in the settings: functions of which something is differentiated where gradlint does not see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gradlint import api
from gradlint.config import Config, Loaded, load
from gradlint.finding import Finding

TRAINER = """
import torch
from torch import nn


class Trainer:
    def __init__(self):
        self.net = nn.Linear(4, 2)

    def step(self, batch):
        out = self.net(batch)
        return {wrapped}
"""
CUT = "out.detach().pow(2).mean()"
LIVE = "out.pow(2).mean()"


def outcome(folder: Path, text: str, *declared: str, file: str = "pkg/trainer.py") -> api.Outcome:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return api.run(api.Task((str(path),), Loaded(Config(demands=declared), folder)))


def found(folder: Path, text: str, *declared: str) -> list[Finding]:
    return list(outcome(folder, text, *declared).report.findings)


def stepped(text: str) -> Any:
    """What `Trainer.step` gives under PyTorch."""
    names: dict[str, Any] = {}
    exec(compile(text, "trainer.py", "exec"), names)
    return names["Trainer"]().step(torch.ones(2, 4))


@pytest.mark.parametrize(
    ("wrapped", "loss"),
    [
        (CUT, lambda made: made),
        (f"{{'loss': {CUT}, 'out': out}}", lambda made: made["loss"]),
        (f"({CUT}, out)", lambda made: made[0]),
    ],
)
def test_what_is_returned_is_differentiated(tmp_path: Path, wrapped: str, loss: Any) -> None:
    text = TRAINER.format(wrapped=wrapped)
    assert loss(stepped(text)).requires_grad is False
    (finding,) = found(tmp_path, text, "pkg.trainer.Trainer.step:return")
    assert (finding.rule, finding.severity) == ("detach", "error")
    assert finding.path[-1].label == "what Trainer.step returns is differentiated"
    assert found(tmp_path, text) == [], "nobody asks for a gradient"
    live = text.replace(".detach()", "")
    assert loss(stepped(live)).requires_grad is True
    told = outcome(tmp_path, live, "pkg.trainer.Trainer.step:return")
    assert (told.report.findings, told.report.summary.demands.connected) == ((), 1)


@pytest.mark.parametrize(
    ("declared", "meant"),
    [
        ("Trainer.step:return", True),
        ("trainer.Trainer.step:return", True),
        ("pkg.trainer.Trainer.step:return", True),
        ("pkg.Trainer.step:return", True),  # as the package exports it
        ("kg.Trainer.step:return", False),
        ("other.Trainer.step:return", False),
        ("Trainer.steps:return", False),
        ("step:return", True),
        ("pkg.trainer.Trainer.step:batch", False),
    ],
)
def test_which_functions_are_meant(tmp_path: Path, declared: str, meant: bool) -> None:
    assert bool(found(tmp_path, TRAINER.format(wrapped=CUT), declared)) is meant


OVERRIDES = """
import torch
from torch import nn
from elsewhere import Base


class Own(Base):
    def step(self, batch):
        return self.net(batch).sum()


class Mine(Own):
    def __init__(self):
        self.net = nn.Linear(4, 2)

    def step(self, batch):
        return torch.tensor(self.net(batch).mean().item())
"""


@pytest.mark.parametrize("declared", ["elsewhere.Base.step:return", "Own.step:return", "Mine.step:return"])
def test_a_method_overrides_what_is_declared_of_a_base(tmp_path: Path, declared: str) -> None:
    assert [f.rule for f in found(tmp_path, OVERRIDES, declared)] == ["python-number"]


ARGUMENT = """
import torch
from torch import nn


def optimise(model, cost, scale=1.0):
    engine.run(cost * scale)


net = nn.Linear(3, 2)
optimise(net, cost=net(torch.ones(1, 3)).{op})
"""


@pytest.mark.parametrize(
    ("op", "rules"), [("argmax()", ["non-differentiable"]), ("sum()", []), ("round().sum()", ["zero-gradient"])]
)
def test_an_argument_is_differentiated(tmp_path: Path, op: str, rules: list[str]) -> None:
    text = ARGUMENT.format(op=op)
    seen: list[torch.Tensor] = []
    engine = type("Engine", (), {"run": seen.append})
    exec(compile(text, "main.py", "exec"), {"engine": engine})
    gradient = torch.autograd.grad(seen[0], _leaves(seen[0]), allow_unused=True) if seen[0].requires_grad else ()
    assert any(g is not None and bool(g.any()) for g in gradient) is (not rules)
    assert [f.rule for f in found(tmp_path, text, "optimise:cost")] == rules
    assert found(tmp_path, text) == []


def _leaves(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The leaves that a gradient of the tensor may reach."""
    todo, leaves = [tensor.grad_fn], []
    while todo:
        node = todo.pop()
        if node is not None and hasattr(node, "variable"):
            leaves.append(node.variable)
        todo += [following for following, _ in node.next_functions] if node is not None else []
    return leaves


def test_a_declaration_makes_kept_answers_others(tmp_path: Path) -> None:
    path = tmp_path / "trainer.py"
    path.write_text(TRAINER.format(wrapped=CUT), encoding="utf-8")
    counts = [
        len(
            api.run(
                api.Task((str(path),), Loaded(Config(demands=declared), tmp_path), cache=tmp_path / "kept")
            ).report.findings
        )
        for declared in ((), ("Trainer.step:return",), (), ("Trainer.step:return",))
    ]
    assert counts == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("pkg.Trainer.step:return", ""),
        ("Trainer.step:batch", ""),
        ("lightning.Trainer.step:return", "no module or class is called 'lightning'"),
        ("pkg.Trainer.stp:return", "no function is called 'stp'; did you mean 'step'?"),
        ("pkg.Trainer.step:batsh", "step() has no parameter 'batsh'; did you mean 'batch'?"),
        ("pkg.Trianer.step:return", "no module or class is called 'Trianer'"),
    ],
)
def test_an_entry_that_means_nothing_is_told_where_the_whole_project_was_looked_at(
    entry: str, told: str, tmp_path: Path
) -> None:
    outcome(tmp_path, TRAINER.format(wrapped=CUT))
    settings = tmp_path / "gradlint.toml"
    settings.write_text(f'demands = ["{entry}"]\n', encoding="utf-8")
    whole = api.run(api.Task((str(tmp_path),), load([tmp_path])))
    assert list(whole.notes) == ([f"{settings}:1: key 'demands': '{entry}' means nothing here: {told}"] if told else [])
    part = api.run(api.Task((str(tmp_path / "pkg" / "trainer.py"),), load([tmp_path])))
    assert part.notes == ()
