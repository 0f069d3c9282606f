"""Compiled code runs eagerly under a trace: what is captured inside is a tensor of its own, and a cut inside has a place."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradlint

PLANTED = next(i for i, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith("# planted"))


class Net(nn.Module):
    """Keeps an activation; `cut` detaches it first."""

    def __init__(self, *, cut: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 1)
        self.cut = cut

    def forward(self, x: Any) -> Any:
        self.kept = torch.relu(self.first(x))
        if self.cut:
            self.kept = self.kept.detach()  # planted
        return self.second(self.kept).sum()


def test_an_activation_of_a_compiled_net_is_reached_and_nothing_is_found() -> None:
    net = Net()
    compiled: Any = torch.compile(net, backend="aot_eager")
    with gradlint.trace() as t:
        (gradient,) = torch.autograd.grad(compiled(torch.rand(2, 3)), net.kept)
    assert gradient.any()
    assert t.findings == ()


def test_a_cut_inside_a_compiled_net_is_named() -> None:
    image = torch.rand(2, 3, requires_grad=True)
    with gradlint.trace() as t, pytest.raises(RuntimeError):
        torch.autograd.grad(torch.compile(Net(cut=True), backend="aot_eager")(image), image)
    assert t.findings == ()  # the program expects the error
    with pytest.raises(RuntimeError), gradlint.trace() as t:
        torch.autograd.grad(torch.compile(Net(cut=True), backend="aot_eager")(image), image)
    assert [(f.rule, f.range.start.line, f.range.start.column) for f in t.findings] == [("detach", PLANTED, 25)]


def test_afterwards_torch_compiles_again() -> None:
    frames: Any = import_module("torch._dynamo.eval_frame")
    with gradlint.trace():
        torch.compile(Net(), backend="aot_eager")
        assert frames._stance.stance == "force_eager"
    assert frames._stance.stance == "default"
