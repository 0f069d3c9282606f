"""What the mode cannot see, patched: every patch knows how to undo itself, and all are undone in the order they were made.

Nothing is patched twice: a recording inside a recording shares it. New blind spots of the mode get a function here and a line in
`made`; the table of what the mode sees is in the project's notes, measured on torch 2.13.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import _get_current_function_mode_stack, _pop_mode_temporarily

from gradlint.runtime.frames import own, without_own
from gradlint.runtime.mode import Tape

_HOOKS = (
    "register_full_backward_hook", "register_full_backward_pre_hook", "register_backward_hook", "register_forward_hook",
    "register_forward_pre_hook",
)  # fmt: skip
#: what runs a program to make a graph of it: what it meets there are no values, and a mode would get into the graph
_GRAPH_MAKERS = ((torch.jit, "trace"), (torch.jit, "trace_module"), (torch._C, "_create_graph_by_tracing"))
_IMPORTS = (("torch", "from_numpy"), ("torch", "from_dlpack"), ("torch", "frombuffer"))


@contextmanager
def made(tape: Tape) -> Iterator[None]:
    """All patches in place for a while."""
    with ExitStack() as undo:
        for name, function in (
            *((n, functools.partial(_import, tape, getattr(torch, n), f"{m}.{n}")) for m, n in _IMPORTS),
        ):
            undo.callback(_set(torch, name, functools.wraps(getattr(torch, name))(function)))
        undo.callback(_set(torch.autograd, "_engine_run_backward", _engine(tape)))
        undo.callback(_set(torch.autograd.Function, "apply", _applied(tape)))
        undo.callback(_set(Parameter, "__new__", _parameter(tape)))
        undo.callback(_set(torch.autograd.Variable, "__new__", _variable(tape)))
        undo.callback(_set(threading.Thread, "_bootstrap_inner", _thread(tape)))
        undo.callback(_shown_by_threads(tape))
        undo.callback(_set(warnings, "_showwarnmsg", _shown_at_home(warnings._showwarnmsg)))  # type: ignore[attr-defined]
        for name in ("__enter__", "__exit__"):
            undo.callback(_set(torch.inference_mode, name, _inference(tape, name)))
        for name in _HOOKS:
            undo.callback(_set(Module, name, _module_hook(tape, name)))
        undo.callback(_set(Module, "register_parameter", _registered(tape)))
        for owner, name in _GRAPH_MAKERS:
            undo.callback(_set(owner, name, _unseen(tape, getattr(owner, name))))
        undo.callback(_set(torch.overrides, "has_torch_function", _overridden(tape)))
        undo.callback(_set(Optimizer, "__init__", _optimizer(tape)))
        _suspended_in_optimizers(tape, undo)
        _eager(undo)
        yield


def _set(owner: Any, name: str, value: object) -> Callable[[], None]:
    """Replace an attribute of a module or class; the result undoes it."""
    if name not in owner.__dict__:
        setattr(owner, name, value)
        return functools.partial(delattr, owner, name)
    before = owner.__dict__[name]
    setattr(owner, name, value)
    return functools.partial(setattr, owner, name, before)


def _import(tape: Tape, original: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    result = original(*args, **kwargs)
    if not tape.off:
        tape.imported(tape.knowledge.named(name), args, result, sys._getframe(1))
    return result


def _engine(tape: Tape) -> Callable[..., Any]:
    original = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

    def in_sight(roots: Any, *args: Any, **kwargs: Any) -> Any:
        with tape.pushed():  # hooks and recomputations that the engine calls
            return original(roots, *args, **kwargs)

    @functools.wraps(original)
    def run(roots: Any, *args: Any, **kwargs: Any) -> Any:
        return original(roots, *args, **kwargs) if tape.off else tape.demands.run(in_sight, roots, args, kwargs)

    return run


def _applied(tape: Tape) -> Any:
    original = torch.autograd.Function.__dict__["apply"].__func__

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(cls, *args, **kwargs)
        if not tape.off:
            tape.applied(cls, args, result, sys._getframe(1))
        return result

    return classmethod(functools.wraps(original)(apply))


def _parameter(tape: Tape) -> Any:
    original = Parameter.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(cls, *args, **kwargs)
        if not tape.off and isinstance(result, Tensor):
            tape.remade("torch.nn.Parameter", (*args, *kwargs.values()), result, sys._getframe(1))
        return result

    return staticmethod(functools.wraps(original)(new))


def _variable(tape: Tape) -> Any:
    original = torch.autograd.Variable.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(cls, *args, **kwargs)
        if not tape.off and isinstance(result, Tensor) and args and result is not args[0]:
            tape.wrapped("torch.autograd.Variable", args, result, sys._getframe(1))
        return result

    return staticmethod(functools.wraps(original)(new))


def _thread(tape: Tape) -> Any:
    original = threading.Thread._bootstrap_inner  # type: ignore[attr-defined] # `run` is for others to override

    @functools.wraps(original)
    def run(thread: threading.Thread) -> None:
        if tape.off:
            original(thread)
            return
        with tape.pushed():
            original(thread)

    return run


def _shown_by_threads(tape: Tape) -> Callable[[], None]:
    """See what comes out of a thread; the program may set a hook of its own, which stays."""
    original = threading.excepthook

    @functools.wraps(original)
    def show(args: Any) -> None:
        if args.exc_value is not None:
            tape.demands.left_a_thread(args.exc_value)
            trace = without_own(args.exc_value)
            args = threading.ExceptHookArgs((args.exc_type, args.exc_value, trace, args.thread))
        original(args)

    def undo() -> None:
        if threading.excepthook is show:
            threading.excepthook = original

    threading.excepthook = show
    return undo


def _shown_at_home(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Show a warning of torch's where it would be without the tracer, which calls torch on the program's behalf."""

    @functools.wraps(original)
    def show(message: Any) -> None:
        frame: FrameType | None = sys._getframe(1)
        if frame is not None and own(frame.f_code) and message.filename == frame.f_code.co_filename:
            while frame is not None and own(frame.f_code):
                frame = frame.f_back
            if frame is not None:
                message.filename, message.lineno = frame.f_code.co_filename, frame.f_lineno
        original(message)

    return show


def _inference(tape: Tape, name: str) -> Any:
    original = torch.inference_mode.__dict__[name]

    @functools.wraps(original)
    def switch(mode: Any, *args: Any) -> Any:
        result = original(mode, *args)
        if not tape.off:
            tape.inference(mode, name, sys._getframe(1))
        return result

    return switch


def _module_hook(tape: Tape, name: str) -> Any:
    original = Module.__dict__[name]

    @functools.wraps(original)
    def register(module: Module, hook: Any, *args: Any, **kwargs: Any) -> Any:
        given = hook if tape.off else tape.demands.module_hook(name, hook, sys._getframe(1))
        return original(module, given, *args, **kwargs)

    return register


def _registered(tape: Tape) -> Any:
    original = Module.register_parameter

    @functools.wraps(original)
    def register(module: Module, name: str, param: Parameter | None) -> None:
        before = module.__dict__.get("_parameters", {}).get(name)
        original(module, name, param)
        if before is not None and param is not None and not tape.off:
            tape.demands.replaced(before, param)

    return register


def _unseen(tape: Tape, original: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        if tape.off:
            return original(*args, **kwargs)
        tape.off = True
        try:
            with _out_of_the_way(tape):
                return original(*args, **kwargs)
        finally:
            tape.off = False

    return run


@contextmanager
def _out_of_the_way(tape: Tape) -> Iterator[None]:
    """The mode off torch's stack for a while, if it is the only one there."""
    with _pop_mode_temporarily() if _get_current_function_mode_stack() == [tape] else nullcontext():  # type: ignore[no-untyped-call]
        yield


def _overridden(tape: Tape) -> Any:
    """Attention asks whether anybody overrides functions before it takes a shorter way, whose numbers differ: the tracer is nobody."""
    original = torch.overrides.has_torch_function

    @functools.wraps(original)
    def asked(relevant_args: Any) -> bool:
        with _out_of_the_way(tape):
            return original(relevant_args)

    return asked


def _optimizer(tape: Tape) -> Any:
    original = Optimizer.__init__

    @functools.wraps(original)
    def start(optimizer: Any, *args: Any, **kwargs: Any) -> None:
        original(optimizer, *args, **kwargs)
        if not tape.off:
            tape.demands.optimizer(optimizer, sys._getframe(1))

    return start


def _eager(undo: ExitStack) -> None:
    """Run compiled code as it was written: in a compiled region no tensor is its own, and the mode would be compiled too."""
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    original = torch.compile
    begun: list[object] = []

    def begin() -> None:
        if stance is not None and not begun:
            begun.append(undo.enter_context(stance("force_eager")))

    @functools.wraps(original)
    def compile_later(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        begin()
        return result

    if "torch._dynamo" in sys.modules:  # else nothing is compiled yet, and loading it takes seconds
        begin()
    undo.callback(_set(torch, "compile", compile_later))


def _suspended_in_optimizers(tape: Tape, undo: ExitStack) -> None:
    """Record nothing inside an optimizer's step, but look at its parameters before it."""

    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        if not tape.off:
            tape.off = True  # what is looked at here is no part of the program
            tape.demands.step(optimizer, sys._getframe(1))
            tape.off = False
            tape.window_over()
            if not (args[1:2] or kwargs.get("closure")):  # a closure computes the loss inside the step
                tape.suspended = not tape.off
                tape.off = True

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        if tape.suspended:
            tape.suspended = tape.off = False
        elif not tape.off:
            tape.demands.used(p for group in optimizer.param_groups for p in group["params"])  # a closure's gradients

    undo.callback(register_optimizer_step_pre_hook(before).remove)
    undo.callback(register_optimizer_step_post_hook(after).remove)
