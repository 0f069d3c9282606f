"""However the traced code ends, torch is left as it was found; and what it computes is what it computes without a trace."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import gradlint
from gradlint.session import Trace

optimizers: ModuleType = import_module("torch.optim.optimizer")


def state() -> dict[str, object]:
    """Everything that a recording changes."""
    return {
        "from_numpy": torch.from_numpy,
        "from_dlpack": torch.from_dlpack,  # type: ignore[attr-defined]
        "frombuffer": torch.frombuffer,
        "engine": torch.autograd._engine_run_backward,  # type: ignore[attr-defined]
        "apply": torch.autograd.Function.__dict__["apply"],
        "parameter": nn.Parameter.__dict__["__new__"],
        "variable": "__new__" in torch.autograd.Variable.__dict__,
        "thread": threading.Thread._bootstrap_inner,  # type: ignore[attr-defined]
        "what threads show": threading.excepthook,
        "warnings": warnings._showwarnmsg,  # type: ignore[attr-defined]
        "inference": torch.inference_mode.__dict__["__enter__"],
        "hooks": [nn.Module.__dict__[n] for n in ("register_forward_hook", "register_full_backward_hook")],
        "optimizer": torch.optim.Optimizer.__init__,
        "global hooks": len(optimizers._global_optimizer_pre_hooks),
        "modes": torch.overrides._get_current_function_mode_stack(),  # type: ignore[no-untyped-call]
        "grad": torch.is_grad_enabled(),
        "collector": gc.get_threshold(),
        "compile": torch.compile,
        "overridden": torch.overrides.has_torch_function,
        "jit": torch.jit.trace,
        "register_parameter": nn.Module.__dict__["register_parameter"],
    }


def right() -> None:
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()  # type: ignore[no-untyped-call]


def raises() -> None:
    torch.ones(2).sum().backward()  # type: ignore[no-untyped-call]


def interrupts() -> None:
    raise KeyboardInterrupt


def hook_fails() -> None:
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: 1 / 0)  # type: ignore[no-untyped-call]
    x.sum().backward()  # type: ignore[no-untyped-call]


def in_a_thread() -> None:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append((torch.ones(2, requires_grad=True) * 2).requires_grad))
    thread.start()
    thread.join()
    assert seen == [True]


def nested() -> None:
    with gradlint.trace():
        right()


def nested_failing() -> None:
    with gradlint.trace():
        raises()


def step_fails() -> None:
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    optimizer.step(lambda: 1 / 0)


@pytest.mark.parametrize(
    "code", [right, raises, interrupts, hook_fails, in_a_thread, nested, nested_failing, step_fails]
)
def test_torch_is_as_it_was(code: Callable[[], None]) -> None:
    before = state()
    try:
        with gradlint.trace():
            assert state() != before
            code()
    except (RuntimeError, KeyboardInterrupt, ZeroDivisionError):
        pass
    assert state() == before


def test_errors_pass_unchanged_but_for_a_note() -> None:
    def failing() -> Any:
        torch.ones(2, requires_grad=True).detach().sum().backward()  # type: ignore[no-untyped-call]

    with pytest.raises(RuntimeError) as plain:
        failing()
    with pytest.raises(RuntimeError) as told, gradlint.trace():
        failing()
    assert (type(told.value), str(told.value)) == (type(plain.value), str(plain.value))
    if sys.version_info >= (3, 11):
        (note,) = told.value.__notes__
        assert "detach" in note
        assert __file__.rpartition("/")[2] in note


def test_an_inner_trace_sees_its_own_and_the_outer_one_all() -> None:
    with gradlint.trace() as outer:
        right()
        with gradlint.trace() as inner:
            right()
        right()
    assert isinstance(outer, Trace)
    assert (len(inner.run.tape.demands), len(outer.run.tape.demands)) == (1, 3)


def test_what_a_hook_in_another_thread_does_is_seen() -> None:
    x = torch.ones(2, requires_grad=True)

    def work() -> None:
        (x.detach() * 2).sum().requires_grad_()

    with gradlint.trace() as t:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert any(edge.cause == "detach" for edge in t.run.tape.edges)


def test_gradients_are_bitwise_the_same() -> None:
    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.LSTM(144, 5))
        out, _ = net(torch.randn(3, 1, 8, 8))
        out.pow(2).sum().backward()
        return [p.grad for p in net.parameters() if p.grad is not None]

    plain = gradients()
    with gradlint.trace():
        traced = gradients()
    assert all(torch.equal(a, b) for a, b in zip(plain, traced, strict=True))


def test_no_tensor_is_kept_alive_and_memory_is_bounded() -> None:
    import weakref

    from gradlint.runtime import nodes

    with gradlint.trace() as t:
        x = torch.randn(4, requires_grad=True)
        gone = []
        for _ in range(1_000):
            y = x
            for _ in range(200):
                y = y * 1.0
            gone.append(weakref.ref(y))
            y.sum().backward()  # type: ignore[no-untyped-call]
        del y
    assert not any(ref() for ref in gone)
    assert len(t._recording.nodes.rows) < 3 * nodes._FIRST_SWEEP
    assert t.run.backwards == 1_000
    assert len(t.run.tape.demands) < 10


INTERRUPTED = """
import torch

x = torch.ones(2, requires_grad=True)
(x * 2).round().sum().backward()
raise KeyboardInterrupt
"""


def test_an_interrupted_script_still_tells_what_it_saw(tmp_path: Any) -> None:
    script = tmp_path / "slow.py"
    script.write_text(INTERRUPTED)
    out = subprocess.run([sys.executable, "-m", "gradlint", "trace", str(script)], capture_output=True, text=True)
    assert "zero-gradient" in out.stdout
    assert "was interrupted" in out.stderr
    assert out.returncode == 2
