"""What the tracer does with every function of torch that the program calls: call it, then write down what became of its inputs.

The facts come from the tensors: whether the output requires grad, in which grad mode it was made, whether it is a new object. The
result, its type and every error are passed on untouched. No tensor operation that could show in the results happens here.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._C import DisableTorchFunction
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from gradlint.runtime.knowledge import Knowledge, Known
from gradlint.runtime.nodes import (
    ARRAY,
    DISABLED,
    FROZEN,
    GRAD,
    GRADIENT,
    INEXACT,
    LEAF,
    NUMBER,
    PARAMETER,
    REMADE,
    ZERO,
    Nodes,
    grad_enabled,
    inexact,
    is_leaf,
    unobserved,
    watch_function,
)  # fmt: skip
from gradlint.runtime.places import DIRECT, Places

if TYPE_CHECKING:
    from gradlint.runtime.demands import Demands

_SCALARS = frozenset((int, float, bool, type(None)))
_MADE = GRAD | INEXACT
_reference, _enabled, _frame = weakref.ref, torch.is_grad_enabled, sys._getframe
_KINDS = {"array": ARRAY, "number": NUMBER}
_SMALL = 256  #: Python shares small integers: they cannot be followed
_SHORT = 16  #: names and keys are shared too; what was written from numbers is longer


class Switch:
    """A moment at which gradients were switched off: its site, whose code did it, and the function it decorates."""

    __slots__ = ("called", "code", "label", "site")

    def __init__(self, site: int, label: str, code: Any = None, called: str = "") -> None:
        self.site = site
        self.label = label
        self.code = code  #: of the function that the mode decorates
        self.called = called  #: the function outside the user's code that switched


class Tape(TorchFunctionMode):
    """The mode of one recording; one object serves all threads."""

    def __init__(self, places: Places, knowledge: Knowledge, nodes: Nodes, demands: Demands) -> None:
        super().__init__()
        self.places = places
        self.knowledge = knowledge
        self.nodes = nodes
        self.demands = demands
        self._direct = places.direct
        self.off = False
        self.suspended = False  #: off for the time of an optimizer's step
        self.left = False  #: torch no longer knows the mode
        self.stop_after = 0  #: the recording ends with the symptoms of that many backwards; 0: never
        self.switches: list[Switch] = [Switch(-1, "")]
        self.exports: list[int] | None = None  #: what left torch during a call that an excursion watches
        self._switched = threading.local()
        self._numbers: dict[tuple[int, str], int] = {}

    @property
    def off(self) -> bool:
        """Whether everything is passed through."""
        return self._off

    @off.setter
    def off(self, off: bool) -> None:
        self._off = off
        self._plain = {} if off else self.knowledge.plain

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        known = self._plain.get(func)
        if known is None or kwargs:
            return self._call(func, args, kwargs or {})
        result = func(*args)
        # The commonest case by the shortest way: a new tensor that requires grad, made of known tensors and numbers while gradients
        # are on. It is written out here, with nothing called that need not be, because it runs at every operation.
        parents: tuple[int, ...] = ()
        if type(result) is Tensor and result.requires_grad and _enabled():
            nodes = self.nodes
            at = nodes.at
            for arg in args:
                entry = at.get(id(arg))
                if entry is not None and entry[0]() is arg and arg is not result:
                    parents = tuple(dict.fromkeys(parents + entry[1])) if parents else entry[1]
                elif type(arg) not in _SCALARS:
                    parents = ()
                    break
        frame = _frame(1)
        if not parents:
            self.operation(known, args, {}, result, frame)
            return result
        site = self._direct[id(frame.f_code)].get(frame.f_lasti)
        if site is None:
            site = self.places.here(frame)
        node = nodes.moment
        nodes.moment = node + 1
        nodes.rows[node] = (parents, site, known, _MADE, 0, 0)
        at[id(result)] = (_reference(result), (node,), True)
        if node >= nodes.sweep_at:
            nodes.compact()
        return result

    def _call(self, func: Callable[..., Any], args: Any, given: dict[str, Any]) -> Any:
        """A function that is not plain, or not called so."""
        known = self.knowledge.of(func)
        if self.off or known.action == "skip":
            return func(*args, **given)
        frame = _frame(2)
        match known.action:
            case "operation":
                result = func(*args, **given)
                self.operation(known, args, given, result, frame)
            case "create":
                result = func(*args, **given)
                self.created(known, result, frame)
            case "leave":
                result = self._leave(known, func, args, given, frame)
            case "grad-mode":
                result = func(*args, **given)
                self.switched(frame, enabled=bool(args[0]), label="torch.set_grad_enabled(False)")
            case "grad":
                result = func(*args, **given)
                self.demands.grad_read(args[0], result, frame)
            case "set-grad":
                result = func(*args, **given)
                if args[1] is None:
                    self.demands.cleared(args[0], frame)
            case "requires-grad":
                result = self._requires_grad(known, func, args, given, frame)
            case "register-hook":
                result = self.demands.register_hook(func, args, given, frame)
            case "retain-grad":
                result = self.demands.retain_grad(func, args, given, frame)
            case _:
                result = func(*args, **given)
                self._set_data(known, args, frame)
        return result

    @contextmanager
    def pushed(self) -> Iterator[None]:
        """Be in force although torch has taken the mode away: in hooks that the engine calls, in new threads."""
        with self:
            yield

    # --- operations --------------------------------------------------------------------------------------------------

    @unobserved
    def operation(self, known: Known, args: Sequence[Any], kwargs: dict[str, Any], result: Any, frame: Any) -> None:
        """Write down what an operation made of its arguments."""
        nodes = self.nodes
        parents = nodes.parents(args)
        if kwargs:
            more = nodes.parents(kwargs.values())
            parents = parents + more if more else parents
        if known.name == "torch.Tensor.__setitem__":
            result = args[0]
        if not parents:
            if isinstance(result, Tensor) and not any(isinstance(a, Tensor) for a in args):
                self.created(known, result, frame)
            return
        site = self.places.here(frame)
        if isinstance(result, Tensor):
            self._result(known, parents, site, result, 0, args, kwargs)
        elif isinstance(result, (tuple, list)):
            for index, part in enumerate(result):
                if isinstance(part, Tensor):
                    self._result(known, parents, site, part, index, args, kwargs)

    def _result(self, known: Known, parents: Sequence[int], site: int, out: Tensor, index: int, args: Sequence[Any],
                kwargs: dict[str, Any]) -> None:  # fmt: skip
        nodes = self.nodes
        same = any(out is a for a in (*args, *kwargs.values()))
        requires = out.requires_grad
        if same and not _written(known, args, kwargs):
            return  # `x.contiguous()` may be x itself
        if same and requires and is_leaf(out):
            self._written_leaf(known, parents, site, out)
            return
        if same and not requires:
            self._written_alias(out, parents)
        flags = 0
        switch = 0
        if requires:
            flags = GRAD | INEXACT
            if known.row.flow == "zeroes" or (known.divides and kwargs.get("rounding_mode")):
                flags |= ZERO
            if not same and is_leaf(out):  # a view made while gradients are off
                flags |= LEAF | REMADE
        elif inexact(out):
            flags = INEXACT
        if not grad_enabled():
            flags |= DISABLED
            switch = self._in_force(site)
        node = nodes.add(parents, site, known, flags, switch, index)
        nodes.put(out, node)
        if not requires and any(nodes.node(p).flags & GRAD for p in parents):
            nodes.flip(node, args)
        if same and out._is_view() and out._base is not None:
            self._written_base(out._base, node, known, site)

    def _written_leaf(self, known: Known, parents: Sequence[int], site: int, out: Tensor) -> None:
        """A leaf that is written under no_grad stays a leaf; what a graph has made ends in it: `load_state_dict(fast)`."""
        nodes = self.nodes
        own = nodes.of(out)
        sources = [p for p in parents if p != own and nodes.flags(p) & (GRAD | GRADIENT) == GRAD]
        if sources:
            flags = nodes.flags(own) | LEAF | DISABLED
            made = nodes.add(sources, site, known, flags, self._in_force(site))
            nodes.put(out, made)
            self._averaged(own, parents, made)

    def _written_alias(self, out: Tensor, parents: Sequence[int]) -> None:
        """`slow.data.mul_(m).add_(fast.data)`: what is written through a detached alias is the parameter's."""
        own = self.nodes.find(out)
        while own is not None and not self.nodes.flags(own) & PARAMETER:
            node = self.nodes.node(own)
            own = node.parents[0] if node.parents and _goes_on(node.known) else None
        if own is not None:
            self._averaged(own, parents, own)

    def _averaged(self, parameter: int, parents: Sequence[int], made: int) -> None:
        """A parameter gets new numbers, made from other parameters, once a backward was done: the program trains it by hand."""
        by_hand, flags = self.demands.by_hand, self.nodes.flags
        if parameter not in by_hand and self.demands.backwards:
            others = (a for a in self.nodes.ancestors(parents) if a != parameter)
            if not any(flags(a) & PARAMETER for a in others):
                return
            by_hand.add(parameter)
        if parameter in by_hand:
            by_hand.add(made)

    def _written_base(self, base: Tensor, node: int, known: Known, site: int) -> None:
        """A write through a view changes the base too."""
        before = self.nodes.find(base)
        flags = (GRAD if base.requires_grad else 0) | INEXACT
        self.nodes.put(base, self.nodes.add(([] if before is None else [before]) + [node], site, known, flags))

    @unobserved
    def created(self, known: Known, result: Any, frame: Any) -> None:
        """A fresh tensor: a leaf, known by where it was made."""
        if isinstance(result, Tensor) and self.nodes.find(result) is None:
            self.nodes.leaf(result, self.places.here(frame), known=known)

    def _leave(self, known: Known, func: Callable[..., Any], args: Any, kwargs: Any, frame: Any) -> Any:
        """Data leaves torch; a tensor that requires grad may refuse."""
        try:
            result = func(*args, **kwargs)
        except RuntimeError as error:
            if "requires grad" in str(error) and isinstance(args[0], Tensor):
                self.demands.refused(args[0], error, frame)
            raise
        if known.returns and not shared(result):
            self._left(known, args, result, frame)
        return result

    @unobserved
    def _left(self, known: Known, args: Sequence[Any], result: Any, frame: Any) -> None:
        parents = self.nodes.parents(args)
        if parents:
            node = self.nodes.add(parents, self.places.here(frame), known, _KINDS[known.returns])
            self.nodes.put(result, node)
            self.nodes.flip(node, args)
            if self.exports is not None:
                self.exports.append(node)

    @unobserved
    def imported(self, known: Known, sources: Sequence[Any], result: Any, frame: Any) -> None:
        """A tensor was made of an array or a buffer."""
        parents = self.nodes.parents(sources)
        if parents and isinstance(result, Tensor):
            flags = INEXACT * inexact(result)
            self.nodes.put(result, self.nodes.add(parents, self.places.here(frame), known, flags))
        else:
            self.created(known, result, frame)

    @unobserved
    def applied(self, function: Any, args: Sequence[Any], result: Any, frame: Any) -> None:
        """An `autograd.Function` of the user's was applied."""
        known = self.knowledge.named(f"{function.__name__}.apply")
        parents = self.nodes.parents(args)
        site = self.places.here(frame)
        for index, out in enumerate(result if isinstance(result, tuple) else (result,)):
            if not isinstance(out, Tensor):
                continue
            inner = self.nodes.find(out)
            if parents and out.requires_grad:
                self._result(known, parents, site, out, index, (), {})
                watch_function(self.nodes, args, out)
            elif parents and inner is None:
                self._result(known, parents, site, out, index, (), {})

    @unobserved
    def wrapped(self, name: str, sources: Sequence[Any], result: Tensor, frame: Any) -> None:
        """A constructor made a new tensor of an existing one: a leaf if it requires grad, else a copy without a graph."""
        if result.requires_grad:
            self.remade(name, sources, result, frame)
        else:
            self.operation(self.knowledge.named(name), sources, {}, result, frame)

    @unobserved
    def remade(self, name: str, sources: Sequence[Any], result: Tensor, frame: Any) -> None:
        """A constructor made a leaf, perhaps of an existing value; a copied model is a model of its own."""
        parents = [] if frame.f_code.co_name == "__deepcopy__" else self.nodes.parents(sources)
        self.nodes.leaf(result, self.places.here(frame), known=self.knowledge.named(name), parents=parents)

    # --- leaves ------------------------------------------------------------------------------------------------------

    def _requires_grad(self, known: Known, func: Callable[..., Any], args: Any, kwargs: Any, frame: Any) -> Any:
        tensor = args[0]
        with DisableTorchFunction():
            before = tensor.requires_grad
        result = func(*args, **kwargs)
        with DisableTorchFunction():
            after = tensor.requires_grad
        if after != before:
            self.changed(known, tensor, frame)
        return result

    @unobserved
    def changed(self, known: Known, tensor: Tensor, frame: Any) -> None:
        """A leaf was frozen or thawed, or a value without a graph was made a leaf."""
        nodes = self.nodes
        site = self.places.here(frame)
        before = nodes.find(tensor)
        past = before is not None and nodes.tainted(tensor) and nodes.flags(before) & (FROZEN | GRAD) == 0
        parents = (before,) if past and before is not None else ()
        nodes.leaf(tensor, site, known=known, parents=parents, more=0 if tensor.requires_grad else FROZEN)

    @unobserved
    def _set_data(self, known: Known, args: Sequence[Any], frame: Any) -> None:
        """`x.data = y`: the numbers of y, the graph of x."""
        target = args[0]
        if not target.requires_grad:
            parents = self.nodes.parents(args[1:])
            if parents:
                node = self.nodes.add(parents, self.places.here(frame), known, INEXACT * inexact(target))
                self.nodes.put(target, node)

    # --- grad modes --------------------------------------------------------------------------------------------------

    def switched(self, frame: Any, *, enabled: bool, label: str = "torch.set_grad_enabled(False)") -> None:
        """Gradients were switched in this thread, by `frame`; remember where they went off, until that is undone."""
        state = self._switched
        stack: list[int] = state.__dict__.setdefault("stack", [])
        while frame.f_back is not None and frame.f_back.f_code.co_filename == frame.f_code.co_filename:
            frame = frame.f_back  # `no_grad` uses `set_grad_enabled`
        if frame.f_code.co_name == "__exit__":
            state.number = stack.pop() if stack else 0
            return
        if frame.f_code.co_name == "__enter__":
            stack.append(getattr(state, "number", 0))
        owner = type(frame.f_locals.get("self")).__name__
        label = f"torch.{owner}" if owner in ("no_grad", "inference_mode") else label
        state.number = 0 if enabled else self._switch(frame.f_back, label)

    def inference(self, mode: Any, name: str, frame: Any) -> None:
        """`inference_mode` was entered or left; it does not go through the mode."""
        state = self._switched
        stack: list[int] = state.__dict__.setdefault("stack", [])
        if name == "__exit__":
            state.number = stack.pop() if stack else 0
            return
        stack.append(getattr(state, "number", 0))
        if getattr(mode, "mode", True):
            state.number = self._switch(frame, "torch.inference_mode")

    @property
    def stopped(self) -> bool:
        """Whether the recording ends before the program does: what "never" happened is not known then."""
        return bool(self.stop_after) and self.demands.backwards >= self.stop_after

    def window_over(self) -> None:
        """The symptoms of the last backward have been seen; end the recording if that was asked for."""
        if self.stopped:
            self.off = True
            if _get_current_function_mode() is self:  # type: ignore[no-untyped-call]
                self.__exit__(None, None, None)
                self.left = True

    def _switch(self, frame: Any, label: str) -> int:
        """The number of a switch that a frame made."""
        site = self.places.here(frame)
        code = _decorated(frame)
        called = ""
        if code is None and self.places.through(site) != DIRECT:
            called = _called(frame, self.places)
        return self._number(Switch(site, label, code, called))

    def _number(self, switch: Switch) -> int:
        key = (switch.site, f"{switch.label}{id(switch.code)}")
        if key not in self._numbers:
            self._numbers[key] = len(self.switches)
            self.switches.append(switch)
        return self._numbers[key]

    def _in_force(self, site: int) -> int:
        """The switch that gradients are off by; without one that was seen, the operation's own place."""
        number: int = getattr(self._switched, "number", 0)
        return number or self._number(Switch(site, "a mode from outside the trace"))


def _decorated(frame: Any) -> Any:
    """The code of the function that a grad mode decorates, if this frame is torch's wrapper around it."""
    if frame is None or frame.f_code.co_name != "decorate_context":
        return None
    return getattr(frame.f_locals.get("func"), "__code__", None)


def _called(frame: Any, places: Places) -> str:
    """The name of the function outside the user's code that the user has called on the way to this frame."""
    name = ""
    while frame is not None and not places.is_user(frame.f_code.co_filename):
        name = f"{frame.f_globals.get('__name__', '')}.{getattr(frame.f_code, 'co_qualname', frame.f_code.co_name)}"
        frame = frame.f_back
    return name


def _written(known: Known, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether an operation that returned one of its arguments has changed it."""
    return known.inplace or "out" in kwargs or kwargs.get("inplace") is True or any(a is True for a in args)


def shared(result: Any) -> bool:
    """Whether Python may share this object: booleans, small integers, short texts, None."""
    if isinstance(result, (str, bytes)):
        return len(result) < _SHORT
    return result is None or isinstance(result, bool) or (isinstance(result, int) and -6 < result <= _SMALL)


def _goes_on(known: Known | None) -> bool:
    """Whether a node is a detached alias of its first parent, or the same after it was written."""
    return known is not None and (known.inplace or known.row.cause in ("detach", "data-attribute"))
