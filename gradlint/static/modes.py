"""Grad modes: `no_grad`, `inference_mode`, `enable_grad`, `set_grad_enabled`, as block, decorator, call or stored object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.values import Frame, Function, Generator, Instance, Method, Mode, Native, Partial, Val, Wrapped
from gradlint.tape import Span

#: qualified name -> (gradients enabled, inference mode)
NAMES: dict[str, tuple[bool, bool]] = {
    "torch.no_grad": (False, False),
    "torch.autograd.no_grad": (False, False),
    "torch.autograd.grad_mode.no_grad": (False, False),
    "torch.inference_mode": (False, True),
    "torch.autograd.inference_mode": (False, True),
    "torch.autograd.grad_mode.inference_mode": (False, True),
    "torch.enable_grad": (True, False),
    "torch.autograd.enable_grad": (True, False),
    "torch.autograd.grad_mode.enable_grad": (True, False),
}
YIELDED = "$yielded"  #: the cell of a generator's frame that holds the mode it yields in
STACKS = ("contextlib.ExitStack", "contextlib.AsyncExitStack")
SWITCHED = "torch.set_grad_enabled"  #: the label of a mode that was on, or may have been
SWITCHES = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch.autograd.grad_mode.set_grad_enabled")


def from_name(m: Machine, name: str, span: Span) -> Mode | None:
    """The mode object a name stands for when it is used without a call (`@torch.no_grad`)."""
    found = NAMES.get(name)
    return Mode(found[0], span, label(name), found[1]) if found else None


def label(name: str) -> str:
    """How a mode is written in messages."""
    return f"torch.{name.rsplit('.', 1)[-1]}"


def make(m: Machine, name: str, args: Args) -> Val:
    """`torch.no_grad()`, `torch.no_grad(f)`, `torch.set_grad_enabled(flag)` (which switches at once)."""
    if name in SWITCHES:
        return _switch(m, args)
    enabled, inference = NAMES[name]
    given = args.get(0, "mode")
    mode = Mode(enabled, args.span, label(name), inference)
    if isinstance(given, (Function, Method, Partial, Wrapped)):
        return Wrapped("mode", given, mode)
    if inference and given is False:
        return Mode(m.mode.enabled, args.span, label(name))
    return mode


def _switch(m: Machine, args: Args) -> Val:
    flag = args.get(0, "mode")
    enabled = flag if isinstance(flag, bool) else True  # an unknown flag: silence
    mode = Mode(enabled, args.span, SWITCHED if enabled else f"{SWITCHED}(False)")
    before = m.mode
    m.set(m.state, "mode", _effective(before, mode))
    m.set(m.state, ("before", id(mode)), before)
    m.set(m.state, ("kept", id(mode)), mode)
    return mode


def _effective(before: Mode, entered_mode: Mode) -> Mode:
    """`enable_grad` inside `inference_mode` does not help."""
    return before if before.inference and entered_mode.enabled else entered_mode


@contextmanager
def entered(m: Machine, mode: Mode) -> Iterator[None]:
    """Run a block in a grad mode."""
    before = m.state.cells.get(("before", id(mode)), m.mode)
    m.set(m.state, "mode", _effective(m.mode, mode))
    try:
        yield
    finally:
        m.set(m.state, "mode", before)


@contextmanager
def through(m: Machine, before: Mode, entry: Span) -> Iterator[None]:
    """Run a block whose `with` item may have switched the mode by a context of the project: the mode knows it then."""
    switched = m.mode
    if switched is before:
        yield
        return
    known = copy(switched)
    known.entry = entry
    m.set(m.state, "mode", known)
    try:
        yield
    finally:
        if m.mode is known:
            m.set(m.state, "mode", switched)


def note_yield(m: Machine, frame: Frame) -> None:
    """A generator yields in the present mode; not logged, as `calls.run_generator` begins anew whenever it runs."""
    known = frame.cells.get(YIELDED, m.mode)
    frame.cells[YIELDED] = m.mode if known is m.mode else None


def left_by(m: Machine, value: Val) -> Mode | None:
    """The mode in which the body of a loop runs: that of the generator's `with` block around its `yield`, if there is one.

    A mode belongs to the thread, not to the function, so it lasts until the generator goes on (torch 2.13). A decorated
    generator is another matter: it switches back at every `yield`.
    """
    if not isinstance(value, Generator):
        return None
    mode = value.frame.cells.get(YIELDED)
    return mode if isinstance(mode, Mode) and mode is not m.mode else None


def decorate(m: Machine, mode: Mode, args: Args) -> Val:
    """`torch.no_grad()(f)`."""
    return Wrapped("mode", args.get(0), mode)


def is_stack(value: Val) -> bool:
    """Whether a context is an `ExitStack`, which leaves at its end what was entered by its `enter_context`."""
    return isinstance(value, Instance) and getattr(value.cls, "name", "") in STACKS


def method(m: Machine, native: Native | Mode, name: str) -> Val:
    """`mode.__enter__()` and `__exit__()` by hand."""
    mode = native if isinstance(native, Mode) else native.receiver
    if name == "__enter__":
        m.set(m.state, ("before", id(mode)), m.mode)
        m.set(m.state, ("kept", id(mode)), mode)
        m.set(m.state, "mode", _effective(m.mode, mode))
    elif name == "__exit__":
        m.set(m.state, "mode", m.state.cells.get(("before", id(mode)), m.mode))
    return None
