"""Runs on unknown arguments: what a guard, a flag or one of several ways leaves open claims nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import Task, run
from gradlint.config import Config, Loaded

#: coordinates that lack a graph get one; which ones come in is not known
GUARDED_TARGET = """
import torch

def poisson(coords, velocity):
    if coords.requires_grad is False:
        coords = coords.clone().detach().requires_grad_(True)
    u = velocity[:, 0:1]
    first = torch.autograd.grad(u, coords, torch.ones_like(u), create_graph=True)[0]
    flux = u * first[:, 0:1]
    return torch.autograd.grad(flux, coords, torch.ones_like(flux), create_graph=True)[0]
"""
#: the field may have its graph, and so may its first derivative: that depends on a flag
GUARDED_ROOT = """
import torch

def curvature(field, coords, keep=True):
    if not field.requires_grad:
        field = field.clone().detach().requires_grad_(True)
    first = torch.autograd.grad(field, coords, torch.ones_like(field), create_graph=keep)[0]
    part = first[:, 0:1]
    return torch.autograd.grad(part, coords, torch.ones_like(part), create_graph=keep)[0]
"""
#: `requires_grad_()` on what was computed from something unknown changes nothing if that requires grad
FLAGGED_AGAIN = """
import torch

def slope(u, coords):
    return torch.autograd.grad(u.sum(), coords, create_graph=True)[0]

class TestField:
    def test_given(self, sample):
        coords, other = sample
        coords.requires_grad_(True)
        field = (coords[:, 1] ** 2).requires_grad_(True)
        assert slope(field, coords).shape == field.shape

    def test_made(self):
        coords = torch.randn(30, 3, requires_grad=True)
        slope(coords[:, 1] ** 2, coords).sum().backward()
"""
#: layers that are handed in have parameters of their own
LAYERS_HANDED_IN = """
import torch
from torch import nn

def compared(layer, norm):
    pair = nn.Sequential(layer, norm)
    loss = nn.MSELoss()(pair(torch.rand(2, 3)), torch.rand(2, 4))
    loss.backward()
"""


@pytest.mark.parametrize("text", [GUARDED_TARGET, GUARDED_ROOT, FLAGGED_AGAIN, LAYERS_HANDED_IN])
def test_what_is_open_claims_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "part.py").write_text(text, encoding="utf-8")
    outcome = run(Task((str(tmp_path / "part.py"),), Loaded(Config(), tmp_path)))
    assert outcome.report.errors == ()
    assert [f"{f.rule} {f.range.start.line}" for f in outcome.report.findings] == []
