"""What a trace must not change: every case gives the same with and without one, to the last bit."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import gradlint


def under_vmap() -> Any:
    """Gradients that have no numbers of their own."""
    gradient = torch.func.grad(lambda w, x: (w * x).sin().sum())
    return [torch.func.vmap(gradient, (None, 0))(torch.ones(3), torch.arange(6.0).view(2, 3))]


def attention() -> Any:
    """In evaluation mode attention takes a shorter way, unless somebody overrides functions."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder, alone = nn.TransformerEncoder(layer, 2).eval(), nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x, padding = torch.randn(2, 4, 8), torch.tensor([[False] * 4, [False, False, True, True]])
    with torch.no_grad():
        return [encoder(x, src_key_padding_mask=padding), *alone(x, x, x)]


class Counted(nn.Module):
    """A module that counts its own passes by a hook."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)
        self.passes = 0
        self.inner.register_forward_hook(self.count)

    def count(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.passes += 1

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x)


def copied_hooks() -> Any:
    """A copy of a module has hooks of its own."""
    one = Counted()
    other = copy.deepcopy(one)
    other(torch.ones(1, 2)).sum().backward()
    return [one.passes, other.passes, [h == one.count for h in one.inner._forward_hooks.values()]]


def pickled_hooks() -> Any:
    """A module with hooks can be saved; nobody needs gradlint to load it."""
    one, file = Counted(), io.BytesIO()
    torch.save(one, file)
    assert b"gradlint" not in file.getvalue().replace(Counted.__module__.encode(), b"")
    file.seek(0)
    other = torch.load(file, weights_only=False)
    other(torch.ones(1, 2)).sum().backward()
    return [one.passes, other.passes]


class Noting(torch.Tensor):
    """A tensor that notes what is asked of it."""

    asked: list[str] = []  # noqa: RUF012 - the class notes

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.asked.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]


def own_tensors() -> Any:
    """A class of tensors of the user's own hears only of what the program asks."""
    Noting.asked.clear()
    x: Any = torch.ones(2).as_subclass(Noting).requires_grad_()
    h = x * 2
    h.register_hook(lambda g: g * 2)
    h.detach().numpy()
    with torch.no_grad():
        h + 1
    h.sum().backward()
    torch.autograd.grad((x * 3).sum(), x)
    return [*Noting.asked, x.grad.tolist()]


class Operations(TorchDispatchMode):
    """A mode that notes the operations."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def own_modes() -> Any:
    """A mode of the user's own sees the program's operations only."""
    x = torch.ones(2, requires_grad=True)
    with Operations() as seen:
        (x * 2).sum().backward()  # type: ignore[no-untyped-call]
        torch.autograd.grad((x * 3).sum(), x)
    return seen.names


def scripted() -> Any:
    """What is traced into a graph is the program."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    made: Any = torch.jit.trace(net, torch.ones(2, 3))  # type: ignore[no-untyped-call]
    x = torch.ones(2, 3, requires_grad=True)
    made(x).sum().backward()
    return [made.code, x.grad]


CASES = [under_vmap, attention, copied_hooks, pickled_hooks, own_tensors, own_modes, scripted]


@pytest.mark.parametrize("case", CASES)
def test_the_same_with_and_without(case: Callable[[], list[Any]]) -> None:
    plain = case()
    with gradlint.trace():
        traced = case()
    assert len(plain) == len(traced)
    for a, b in zip(plain, traced, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
