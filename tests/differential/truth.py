"""What autograd does at each demand of a program: runs it with recording in place of the demands, so that none ends the run.

A gradient can be exactly zero although nothing is lost: `x.reshape(9).view(3, 3) - x` cancels, a saturated tanh is flat. It
counts as *cancelled*, which no analysis of the text has to find, if the graph leads from the root to the input past every
operation whose derivative is zero. A slice that was written hides what it overwrites: that way does not count.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import torch

CONNECTED, SEVERED, CANCELLED = "connected", "severed", "cancelled"
#: operations with a derivative of zero, and those whose graph does not tell what they overwrite (torch 2.13)
_BLIND = ("Round", "Sign", "Floor", "Ceil", "Trunc", "Bernoulli", "Sgn", "Zero", "Fill", "CopySlices", "Angle")
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
        self.note(self.judged(outputs, single, found))
        given = found or [None] * len(single)
        return tuple(torch.zeros_like(t) if g is None else g for g, t in zip(given, single, strict=True))

    def ran(self, root: torch.Tensor, **flags: Any) -> None:
        if not root.requires_grad:
            self.note(SEVERED)
            return
        leaves = _leaves(root)
        found = self.grad(root, leaves, retain_graph=True, allow_unused=True)
        self.note(
            CONNECTED if any(self.arrived(found)) else CANCELLED if any(_leads(root, t) for t in leaves) else SEVERED
        )

    def judged(self, outputs: Any, inputs: Sequence[torch.Tensor], found: Sequence[torch.Tensor | None]) -> str:
        """All gradients arrive; or those that do not are cancelled; or one is lost."""
        arrived = self.arrived(found)
        if arrived and all(arrived):
            return CONNECTED
        roots = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        missing = [t for t, there in zip(inputs, arrived, strict=False) if not there]
        return CANCELLED if arrived and all(any(_leads(r, t) for r in roots) for t in missing) else SEVERED


def _leads(root: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether the graph leads from the root to a tensor past what has no derivative."""
    if not (root.requires_grad and wanted.requires_grad):
        return False
    end = torch.autograd.graph.get_gradient_edge(wanted)
    start = torch.autograd.graph.get_gradient_edge(root)
    seen: set[Any] = set()
    todo = [(start.node, start.output_nr)]
    while todo:
        node, number = todo.pop()
        if (node, number) == (end.node, end.output_nr):
            return True
        if node in seen or node.name().startswith(_BLIND):
            continue
        seen.add(node)
        todo += [(following, nr) for following, nr in node.next_functions if following is not None]
    return False


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
