"""What autograd does at each demand of a program: runs it with recording in place of the demands, so that none ends the run."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import torch

CONNECTED, SEVERED = "connected", "severed"
FILE = "generated.py"


class _Recorder:
    """Stands in for `autograd.grad` and `Tensor.backward` while a program runs."""

    def __init__(self) -> None:
        self.verdicts: dict[int, str] = {}
        self.grad = torch.autograd.grad
        self.backward = torch.Tensor.backward

    def arrived(self, found: Sequence[torch.Tensor | None]) -> list[bool]:
        """Whether each gradient is there and not zero; values that have overflowed make the program useless."""
        if any(g is not None and not bool(torch.isfinite(g).all()) for g in found):
            raise OverflowError
        return [g is not None and bool((g != 0).any()) for g in found]

    def note(self, verdict: str) -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_filename != FILE and frame.f_back is not None:
            frame = frame.f_back
        line = frame.f_lineno
        if self.verdicts.get(line) != SEVERED:
            self.verdicts[line] = verdict

    def asked(self, outputs: Any, inputs: Any, **flags: Any) -> Any:
        single = [inputs] if isinstance(inputs, torch.Tensor) else list(inputs)
        try:
            found = self.grad(outputs, single, **{**flags, "allow_unused": True})
        except RuntimeError:
            found = ()
        self.note(CONNECTED if found and all(self.arrived(found)) else SEVERED)
        given = found or [None] * len(single)
        return tuple(torch.zeros_like(t) if g is None else g for g, t in zip(given, single, strict=True))

    def ran(self, root: torch.Tensor, **flags: Any) -> None:
        if not root.requires_grad:
            self.note(SEVERED)
            return
        leaves = _leaves(root)
        found = self.grad(root, leaves, retain_graph=True, allow_unused=True)
        self.note(CONNECTED if any(self.arrived(found)) else SEVERED)


def _leaves(root: torch.Tensor) -> list[torch.Tensor]:
    """The leaves a root's graph ends at."""
    seen: set[Any] = set()
    todo = [root.grad_fn]
    found: list[torch.Tensor] = []
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable)
        todo += [following for following, _ in node.next_functions]
    return found or ([root] if root.is_leaf else [])


def verdicts(text: str) -> dict[int, str] | None:
    """Line -> verdict of the demands that ran; None if the program fails for another reason."""
    recorder = _Recorder()
    torch.manual_seed(0)
    torch.autograd.grad = recorder.asked  # type: ignore[assignment]
    torch.Tensor.backward = lambda self, *a, **k: recorder.ran(self, **k)  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(compile(text, FILE, "exec"), {"__name__": "__main__"})
    except Exception:
        return None
    finally:
        torch.autograd.grad = recorder.grad
        torch.Tensor.backward = recorder.backward  # type: ignore[method-assign]
        torch.set_grad_enabled(True)
    return recorder.verdicts
