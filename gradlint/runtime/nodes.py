"""The graph of a run while it is written: a node for every value that a gradient, or its loss, could pass.

Nothing here keeps a tensor alive: a tensor is known by its `id` and a weak reference that must still be it. Numbers, lists and
arrays that came from tensors are known the same way, held by a bounded list where Python allows no weak reference. Memory is
bounded: what no living value and no kept demand descends from is dropped when the graph has doubled.
"""

from __future__ import annotations

import functools
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch._C import DisableTorchFunction
from torch.nn import Parameter
from torch.utils._python_dispatch import _disable_current_modes

from gradlint.runtime.knowledge import Known
from gradlint.runtime.places import Places

GRAD = 1  #: requires grad
LEAF = 2
PARAMETER = 4
ARRAY = 8
NUMBER = 16
INEXACT = 32  #: of a floating or complex type: it could require grad
UNSEEN = 64  #: has a history that was not recorded
DISABLED = 128  #: made while gradients were off
GRADIENT = 256  #: is a gradient
REMADE = 512  #: a leaf made again from an existing value
ZERO = 1024  #: the operation's gradient is zero everywhere
FROZEN = 2048
GRAPHLESS = 4096  #: a gradient that was taken without create_graph

_HELD = 50_000  #: objects without weak references that are remembered
_MOST = 1_000_000
_FIRST_SWEEP = 50_000


_Method = TypeVar("_Method", bound=Callable[..., Any])


def unobserved(method: _Method) -> _Method:
    """What a method asks of tensors is no part of the program: no mode and no tensor class of the user's hears of it."""

    @functools.wraps(method)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        with DisableTorchFunction():
            return method(*args, **kwargs)

    return quiet  # type: ignore[return-value]


class Node(NamedTuple):
    """One value at one moment."""

    parents: tuple[int, ...]
    site: int
    known: Known | None
    flags: int
    switch: int  #: which switch of the grad mode was in force; 0 if gradients were on
    output: int  #: which of several outputs


class Flip(NamedTuple):
    """What was seen where `requires_grad` went from true to false."""

    shape: tuple[int, ...]
    grad_fn: str | None


class Held:
    """A reference to an object that allows no weak one."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __call__(self) -> object:
        """The object, as a weak reference would give it."""
        return self.value


Reference = Callable[[], object]


class Nodes:
    """All nodes of a run, and which living object is at which node."""

    def __init__(self, places: Places) -> None:
        self.places = places
        #: the fields of `Node`; plain tuples, because one is made at every operation
        self.rows: dict[int, tuple[tuple[int, ...], int, Known | None, int, int, int]] = {}
        self.flips: dict[tuple[int, int], Flip] = {}  #: by the node's site and output
        self.kept: set[int] = set()  #: nodes of demands that were kept
        self.recent: deque[int] = deque(maxlen=4)  #: the last roots
        self.severed: dict[
            tuple[int, int], int
        ] = {}  #: (result, input) of custom functions whose backward gave nothing (GRAD) or zeros (ZERO)
        self.truncated = False
        #: which object is at which node, and whether that matters; the node as what a node made of this one alone has for parents
        self.at: dict[int, tuple[Reference, tuple[int], bool]] = {}
        self._leaves: dict[int, Reference] = {}  #: that require grad
        self._held: OrderedDict[int, None] = OrderedDict()
        self.moment = 0  #: the number of the next node: where the run is
        self.sweep_at = _FIRST_SWEEP
        self._sweep_objects = _FIRST_SWEEP

    # --- reading -----------------------------------------------------------------------------------------------------

    def find(self, value: object) -> int | None:
        """The node of an object, if it has one."""
        entry = self.at.get(id(value))
        return entry[1][0] if entry is not None and entry[0]() is value else None

    def tainted(self, value: object) -> bool:
        """Whether an object's node matters: it may require grad, or came from what may."""
        entry = self.at.get(id(value))
        return entry is not None and entry[2] and entry[0]() is value

    def of(self, tensor: Tensor) -> int:
        """The node of a tensor; one that was never seen becomes a leaf."""
        found = self.find(tensor)
        return self.first_seen(tensor) if found is None else found

    def node(self, number: int) -> Node:
        """A node by its number."""
        return Node._make(self.rows[number])

    def flags(self, node: int) -> int:
        """The flags of a node."""
        return self.rows[node][3]

    def leaves(self) -> list[Tensor]:
        """The living leaves that require grad, as far as the recording has met them."""
        known = (reference() for reference in list(self._leaves.values()))
        return [t for t in known if isinstance(t, Tensor) and t.requires_grad and is_leaf(t)]

    def parents(self, args: Iterable[Any], depth: int = 3) -> list[int]:
        """The nodes among arguments; empty if none of them matters."""
        found: list[int] = []
        return found if self._collect(args, found, depth) else []

    def _collect(self, args: Iterable[Any], found: list[int], depth: int) -> bool:
        matters = False
        at = self.at
        for arg in args:
            entry = at.get(id(arg))
            if entry is not None and entry[0]() is arg:
                found += entry[1]
                matters = matters or entry[2]
            elif isinstance(arg, Tensor):
                if arg.requires_grad:
                    found.append(self.first_seen(arg))
                    matters = True
            elif depth and isinstance(arg, (list, tuple)):
                matters = self._collect(arg[:256], found, depth - 1) or matters
            elif depth and isinstance(arg, dict):
                matters = self._collect(list(arg.values())[:256], found, depth - 1) or matters
            elif (base := getattr(arg, "base", None)) is not None and hasattr(arg, "__array_interface__"):
                matters = self._collect((base,), found, depth - 1 if depth else 0) or matters
        return matters

    # --- writing -----------------------------------------------------------------------------------------------------

    def add(self, parents: Iterable[int], site: int, known: Known | None, flags: int, switch: int = 0, index: int = 0) -> int:  # fmt: skip
        """A new node."""
        node = self.moment
        self.moment = node + 1
        self.rows[node] = (tuple(dict.fromkeys(parents)), site, known, flags, switch, index)
        if node >= self.sweep_at:
            self.compact()
        return node

    def put(self, value: object, node: int, *, matters: bool = True) -> None:
        """From now on the object is at that node."""
        key = id(value)
        try:
            reference: Reference = weakref.ref(value)
        except TypeError:
            reference = Held(value)
            self._held[key] = None
            self._held.move_to_end(key)
            if len(self._held) > _HELD:
                self.at.pop(self._held.popitem(last=False)[0], None)
        self.at[key] = (reference, (node,), matters)
        if len(self.at) > self._sweep_objects:
            self._forget()

    def first_seen(self, tensor: Tensor) -> int:
        """A leaf for a tensor that nothing recorded has made."""
        flags = GRAD * tensor.requires_grad | LEAF | INEXACT * inexact(tensor)
        if isinstance(tensor, Parameter):
            flags |= PARAMETER
        if tensor.requires_grad and not is_leaf(tensor):
            flags |= UNSEEN
        node = self.add((), -1, None, flags)
        self.put(tensor, node, matters=tensor.requires_grad)
        if flags & (GRAD | UNSEEN) == GRAD:
            self._leaves[id(tensor)] = weakref.ref(tensor)
        return node

    def leaf(
        self, tensor: Tensor, site: int, *, known: Known | None = None, parents: Iterable[int] = (), more: int = 0
    ) -> int:
        """A leaf made at a site, on request from existing values (then it is remade)."""
        given = tuple(parents)
        flags = GRAD * tensor.requires_grad | LEAF | INEXACT * inexact(tensor) | more
        if isinstance(tensor, Parameter):
            flags |= PARAMETER
        node = self.add(given, site, known, flags | (REMADE if given and tensor.requires_grad else 0))
        self.put(tensor, node, matters=tensor.requires_grad or bool(given) or bool(more & FROZEN))
        if tensor.requires_grad:
            self._leaves[id(tensor)] = weakref.ref(tensor)
        return node

    def flip(self, node: int, args: Iterable[Any]) -> None:
        """Remember what went into an operation whose output requires no grad although an input does."""
        made = self.node(node)
        key = (made.site, made.output)
        if key not in self.flips:
            live = next((a for a in args if isinstance(a, Tensor) and a.requires_grad), None)
            if live is not None:
                function = None if is_leaf(live) else live.grad_fn
                self.flips[key] = Flip(tuple(live.shape), function.name() if function else None)

    # --- memory ------------------------------------------------------------------------------------------------------

    def ancestors(self, starts: Iterable[int], *, live: bool = False) -> set[int]:
        """Everything that some nodes come from, themselves included; with `live` only by ways that a gradient takes."""
        found: set[int] = set()
        rows = self.rows
        todo = [n for n in starts if n in rows]
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [p for p in rows[node][0] if p in rows and not (live and not rows[node][3] & rows[p][3] & GRAD)]
        return found

    def _forget(self) -> None:
        """Drop objects that are gone."""
        self.at = {key: entry for key, entry in self.at.items() if entry[0]() is not None}
        self._leaves = {key: reference for key, reference in self._leaves.items() if reference() is not None}
        self._sweep_objects = max(_FIRST_SWEEP, 2 * len(self.at))

    def compact(self) -> None:
        """Drop nodes that nothing living and no kept demand comes from; the oldest if that is not enough."""
        self._forget()
        living = {entry[1][0] for entry in self.at.values()}
        wanted = self.ancestors(living | self.kept | set(self.recent) | {self.moment - 1})
        order = sorted(wanted)
        if len(order) > _MOST:
            self.truncated = True
            order = order[-_MOST // 2 :]
        self.rows = {n: self.rows[n] for n in order}
        self.sweep_at = self.moment + max(_FIRST_SWEEP, len(self.rows))


def watch_function(nodes: Nodes, args: Sequence[Any], out: Tensor) -> None:
    """See in the backward of a custom function which inputs it gives nothing, or zeros."""
    node, function = nodes.find(out), out.grad_fn
    if node is None or function is None:
        return
    given = [nodes.find(a) for a in args if isinstance(a, Tensor)]

    def look(inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        if len(inputs) != len(given) or not any(g is not None and zero(g) is False for g in outputs):
            return
        for gradient, source in zip(inputs, given, strict=True):
            if source is not None and (gradient is None or zero(gradient)):
                nodes.severed[node, source] = GRAD if gradient is None else ZERO

    function.register_hook(look)


def zero(gradient: Tensor) -> bool | None:
    """Whether a gradient is zero; None where it has no numbers: under `vmap`, on the meta device, in a fake tensor."""
    try:
        with DisableTorchFunction(), _disable_current_modes():
            if gradient.is_sparse:
                gradient = gradient.coalesce().values()
            return None if gradient.is_meta else not bool(gradient.any())
    except RuntimeError:
        return None


def is_leaf(tensor: Tensor) -> bool:
    """Whether a tensor is a leaf; a view that was overwritten where torch forbids it is none, and must not raise here."""
    try:
        return tensor.is_leaf
    except RuntimeError:
        return False


def inexact(tensor: Tensor) -> bool:
    """Whether tensors of this type may require grad."""
    return tensor.is_floating_point() or tensor.is_complex()


def grad_enabled() -> bool:
    """Whether gradients are on in this thread."""
    return torch.is_grad_enabled()
