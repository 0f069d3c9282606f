"""Following data through NumPy, images, Python numbers and lists: what rewritten functions call instead of what is written.

Each method does exactly what the source says and returns exactly that object; what it adds is a node where something that came from a
tensor went in. Objects are known by identity. Shared ones (None, booleans, short texts, small integers) cannot be followed and never are.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from torch import Tensor
from torch.nn import Module

from gradlint.runtime.mode import Tape, shared
from gradlint.runtime.nodes import ARRAY, GRAD, INEXACT, LEAF, NUMBER, REMADE, inexact

_MANY = 256  #: elements of a container that are looked at
_PLAIN = (list, tuple, dict, set)


class Excursion:
    """The helper of one recording, known to rewritten code as `__gradlint__`."""

    slice = slice

    def __init__(self) -> None:
        self.tape: Tape | None = None
        self.rewritten: set[tuple[str, int]] = set()  #: file and first line of rewritten functions
        self.seen: set[int] = set()  #: which questions about statements are answered
        self.looked: dict[int, bool] = {}  #: what functions returned: whether any of it requires grad
        self.yielded: list[int] | None = None  #: what was computed during a call that was given a generator
        self.kept: ModuleType | None = None  #: the script's module, which threads may still use

    # --- what the source says ----------------------------------------------------------------------------------------

    def ran(self, number: int) -> None:
        """A statement that somebody asked about is about to run."""
        self.seen.add(number)

    def look(self, number: int, value: Any) -> Any:
        """What a function returns that somebody asked about: does it require grad?"""
        for part in (
            value if isinstance(value, (tuple, list)) else value.values() if isinstance(value, dict) else (value,)
        ):
            if isinstance(part, Tensor):
                self.looked[number] = self.looked.get(number, False) or part.requires_grad
        return value

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`function(*args, **kwargs)`"""
        tape = self.tape
        if tape is None or tape.off:
            return function(*args, **kwargs)
        before, outer, outside = tape.nodes.moment, tape.exports, self.yielded
        exports: list[int] = []
        tape.exports = exports
        self.yielded = exports if any(hasattr(a, "__next__") for a in args) else None
        try:
            result = function(*args, **kwargs)
        finally:
            tape.exports, self.yielded = outer, outside
        if outer is not None:
            outer += exports
        self._called(tape, function, args, kwargs, result, before, exports)
        return result

    def binary(self, name: str, left: Any, right: Any) -> Any:
        """`left <op> right`"""
        return self._done(getattr(operator, name)(left, right), (left, right), name)

    def inplace(self, name: str, left: Any, right: Any) -> Any:
        """`left <op>= right`"""
        return self._done(getattr(operator, f"i{name.rstrip('_')}")(left, right), (left, right), name)

    def unary(self, name: str, value: Any) -> Any:
        """`<op> value`"""
        return self._done(getattr(operator, name)(value), (value,), name)

    def item(self, value: Any, index: Any) -> Any:
        """`value[index]`"""
        return self._done(value[index], (value,), "[...]")

    def attribute(self, value: Any, name: str) -> Any:
        """`value.name`"""
        result = getattr(value, name)
        return (
            result
            if isinstance(value, (Tensor, ModuleType, Module)) or callable(result)
            else self._done(result, (value,), f".{name}")
        )

    def each(self, values: Iterable[Any]) -> Iterable[Any]:
        """What a loop runs over."""
        tape = self.tape
        if tape is None or tape.off or isinstance(values, Tensor) or not tape.nodes.tainted(values):
            return values
        return self._elements(values)

    def _elements(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            yield self._done(value, (values,), "[...]")

    def store(self, value: Any, target: Any, index: Any) -> None:
        """`target[index] = value`"""
        target[index] = value
        if not isinstance(target, (Tensor, *_PLAIN)):
            self._mark(target, (value,))

    # --- what came of it ---------------------------------------------------------------------------------------------

    def _done(self, result: Any, inputs: Sequence[Any], name: str) -> Any:
        """A result of something outside torch gets a node if one of its inputs has one."""
        tape = self.tape
        if tape is None or tape.off or isinstance(result, Tensor):
            return result
        sources = self._sources(tape, inputs)
        if sources:
            self._adopt(tape, result, sources, f"python.{name}", tape.nodes.moment, sys._getframe(2))
            made = tape.nodes.find(result)
            if self.yielded is not None and made is not None:
                self.yielded.append(made)
        return result

    def _called(self, tape: Tape, function: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any, before: int,
                exports: Sequence[int]) -> None:  # fmt: skip
        owner = getattr(function, "__self__", None)
        receiver = None if isinstance(owner, (ModuleType, type, Module, Tensor)) else owner
        inputs = [receiver, *args, *kwargs.values()]
        sources = [*self._sources(tape, inputs), *exports]
        if not sources or self._own(tape, function):
            return
        frame = sys._getframe(2)
        if result is None and receiver is not None and not isinstance(receiver, _PLAIN):
            self._mark(receiver, inputs, exports)
        for sink in (a for a in args if hasattr(a, "write") and hasattr(a, "seek")):
            self._adopt(tape, sink, sources, _name(function), before, frame)
        self._adopt(tape, result, sources, _name(function), before, frame)

    def _own(self, tape: Tape, function: Any) -> bool:
        """Whether a function is followed from inside: the user's own, rewritten; or makes an object of the user's."""
        if isinstance(function, type):
            module = sys.modules.get(function.__module__)
            return tape.places.is_user(getattr(module, "__file__", None) or "<unknown>")
        if isinstance(function, Module):
            return True
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        return code is not None and (code.co_filename, code.co_firstlineno) in self.rewritten

    def _sources(self, tape: Tape, inputs: Iterable[Any], depth: int = 3) -> list[int]:
        """The nodes of what came from tensors among some objects that are none themselves."""
        found: list[int] = []
        nodes = tape.nodes
        for value in inputs:
            if isinstance(value, Tensor):
                continue
            node = nodes.find(value)
            if node is not None:
                found.append(node)
            elif isinstance(value, dict) and depth:
                found += self._sources(tape, list(value.values())[:_MANY], depth - 1)
            elif isinstance(value, (list, tuple)) and depth:
                found += self._sources(tape, value[:_MANY], depth - 1)
            elif getattr(value, "base", None) is not None and hasattr(value, "__array_interface__"):
                found += self._sources(tape, (value.base,), depth)
        return found

    def _adopt(self, tape: Tape, result: Any, sources: Sequence[int], name: str, before: int, frame: Any) -> None:
        """The result descends from the sources."""
        if isinstance(result, Tensor):
            self._adopt_tensor(tape, result, sources, name, before, frame)
        elif isinstance(result, (list, tuple, dict)):
            parts = list(result.values()) if isinstance(result, dict) else result
            for part in parts[:_MANY]:
                self._adopt(tape, part, sources, name, before, frame)
        if shared(result) or isinstance(result, (Tensor, ModuleType, type, Module, tuple)) or _function(result):
            return
        node = tape.nodes.find(result)
        if node is None or node < before:
            old = [] if node is None else [node]
            flags = ARRAY if hasattr(result, "shape") or hasattr(result, "getpixel") else NUMBER
            known = tape.knowledge.named(name)
            tape.nodes.put(result, tape.nodes.add([*old, *sources], tape.places.here(frame), known, flags))

    def _adopt_tensor(self, tape: Tape, result: Tensor, sources: Sequence[int], name: str, before: int, frame: Any) -> None:  # fmt: skip
        nodes = tape.nodes
        node = nodes.find(result)
        if node is None:
            remade = REMADE | LEAF if result.requires_grad else 0
            flags = GRAD * result.requires_grad | INEXACT * inexact(result) | remade
            nodes.put(result, nodes.add(sources, tape.places.here(frame), tape.knowledge.named(name), flags))
        elif node >= before and not nodes.node(node).parents:
            made = nodes.node(node)
            remade = REMADE if made.flags & GRAD and made.flags & LEAF else 0
            nodes.rows[node] = made._replace(parents=tuple(s for s in sources if s < node), flags=made.flags | remade)
            nodes.put(result, node)

    def _mark(self, target: Any, inputs: Sequence[Any], more: Sequence[int] = ()) -> None:
        """Something was written into an object."""
        tape = self.tape
        if tape is None or tape.off:
            return
        sources = [*self._sources(tape, inputs), *more]
        if sources and not shared(target):
            old = tape.nodes.find(target)
            flags = ARRAY if hasattr(target, "shape") else NUMBER
            parents = sources if old is None else [old, *sources]
            frame = sys._getframe(2)
            tape.nodes.put(
                target, tape.nodes.add(parents, tape.places.here(frame), tape.knowledge.named("python.store"), flags)
            )


def _name(function: Any) -> str:
    """The qualified name of a function outside torch, as the catalog writes it."""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", type(function).__name__)
    if owner is not None and not isinstance(owner, (ModuleType, type)):
        return f"{type(owner).__module__}.{type(owner).__name__}.{name}"
    return f"{getattr(function, '__module__', None) or 'builtins'}.{name}"


def _function(value: Any) -> bool:
    return callable(value) and not hasattr(value, "shape")
