"""Ask autograd what a call does: which outputs carry a gradient, what is shared, what backward needs.

Knows torch and nothing of rows or models; the generator and the proof of the rows both stand on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor

Flow = Literal["carries", "zeroes", "cuts", "error", "constant", "empty"]
Shape = Literal["tensor", "tuple", "other"]


class Seen(msgspec.Struct, frozen=True):
    """What one call did."""

    shape: Shape
    flows: tuple[Flow, ...] = ()  #: of the tensors it gave, in order
    fields: tuple[str, ...] = ()  #: their names, when the result is a named tuple
    view: bool = False  #: some output shares storage with an input
    saves: frozenset[str] = frozenset()  #: of input, output, inner
    reached: frozenset[int] = frozenset()  #: positions of the leaves that got a gradient other than zero


def observe(call: Callable[[], Any], leaves: Sequence[Tensor], inputs: Sequence[Tensor] = ()) -> Seen:
    """Run `call`, whose arguments include `leaves` (they require grad) and the tensors `inputs`."""
    result = call()
    outputs = _outputs(result)
    held = _pointers(inputs or leaves)
    fresh = [out for out in outputs if not any(out is given for given in inputs)]
    view = not held.isdisjoint(_pointers(fresh))
    saves = frozenset(_saves(outputs, held))
    judged = [_judge(out, leaves) for out in outputs] if leaves else [(_without_leaves(inputs), []) for _ in outputs]
    reached = frozenset(position for _, positions in judged for position in positions)
    return Seen(_shape(result), tuple(flow for flow, _ in judged), _fields(result), view, saves, reached)


def needed(call: Callable[[], Any], named: Mapping[str, Tensor], asking: Mapping[str, Sequence[Tensor]]) -> dict[str, set[str]]:
    """For each way to ask for a gradient (which leaves require grad): what must not change in place before the backward.

    `named` are the tensors that are changed, one a run; the first tensor of the result is called "result". What raises for
    another reason, or does not require grad, is left out.
    """
    leaves = [leaf for group in asking.values() for leaf in group]
    found: dict[str, set[str]] = {}
    for who, group in asking.items():
        for leaf in leaves:
            leaf.requires_grad_(any(leaf is one for one in group))
        with suppress(RuntimeError, NotImplementedError):
            found[who] = {what for what in ("result", *named) if _breaks(call, named.get(what))}
    return found


def _breaks(call: Callable[[], Any], changed: Tensor | None) -> bool:
    """Whether the backward raises because a tensor (None: the result) was changed after the call."""
    outputs = [out for out in _outputs(call()) if out.requires_grad]
    if not outputs or not outputs[0].numel():
        raise RuntimeError("nothing to differentiate")
    with torch.no_grad():
        given = outputs[0] if changed is None else changed
        given.copy_(given.clone())
    try:
        torch.autograd.backward(outputs, [torch.ones_like(out) for out in outputs])
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        return True
    return False


def tensors(value: object) -> Iterator[Tensor]:
    """Every tensor in a value, through lists, tuples and dicts."""
    match value:
        case Tensor():
            yield value
        case Mapping():
            for item in value.values():
                yield from tensors(item)
        case list() | tuple():
            for item in value:
                yield from tensors(item)


def _outputs(result: object) -> list[Tensor]:
    return list(tensors(result))


def _shape(result: object) -> Shape:
    match result:
        case Tensor():
            return "tensor"
        case list() | tuple():
            return "tuple"
        case _:
            return "other"


def _fields(result: object) -> tuple[str, ...]:
    """Names of a `torch.return_types` tuple, in the order of its items."""
    if not isinstance(result, tuple) or not type(result).__module__.startswith("torch.return_types"):
        return ()
    members = [name for name, member in vars(type(result)).items() if isinstance(member, MemberDescriptorType)]
    order = {id(item): position for position, item in enumerate(result)}
    return tuple(sorted(members, key=lambda name: order[id(getattr(result, name))]))


def _without_leaves(inputs: Sequence[Tensor]) -> Flow:
    """A call that takes tensors, none of which may require grad, has no derivative; without any it is a factory."""
    return "cuts" if inputs else "constant"


def _judge(out: Tensor, leaves: Sequence[Tensor]) -> tuple[Flow, list[int]]:
    if not out.requires_grad or (out.is_leaf and not any(out is leaf for leaf in leaves)):
        return "cuts", []
    if not out.numel():
        return "empty", []
    dense = out if out.layout == torch.strided else out.to_dense()
    try:
        reached = _reached(dense, leaves, range(len(leaves)))
    except (RuntimeError, NotImplementedError):
        return _judge_one_by_one(dense, leaves)
    return ("carries" if reached else "zeroes"), reached


def _judge_one_by_one(out: Tensor, leaves: Sequence[Tensor]) -> tuple[Flow, list[int]]:
    """For an operation whose derivative is missing for some of its arguments only."""
    reached: list[int] = []
    for position in range(len(leaves)):
        with suppress(RuntimeError, NotImplementedError):
            reached += _reached(out, leaves, [position])
    return ("carries" if reached else "error"), reached


def _reached(out: Tensor, leaves: Sequence[Tensor], positions: Iterable[int]) -> list[int]:
    """Which of the leaves at `positions` get a gradient other than zero."""
    wanted = list(positions)
    asked = [leaves[position] for position in wanted]
    grads = torch.autograd.grad(out, asked, torch.randn_like(out), retain_graph=True, allow_unused=True)
    return [position for position, grad in zip(wanted, grads, strict=True) if grad is not None and _any(grad)]


def _any(grad: Tensor) -> bool:
    dense = grad.to_dense() if grad.layout != torch.strided else grad
    return bool((dense != 0).any())


def _pointers(held: Iterable[Tensor]) -> set[int]:
    return {pointer for tensor in held if (pointer := _pointer(tensor))}


def _pointer(tensor: Tensor) -> int:
    """Where the storage lies; 0 for a tensor without one."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return 0


def _saves(outputs: Sequence[Tensor], held: set[int]) -> Iterator[str]:
    """Which tensors the graph between the outputs and the leaves keeps for its backward."""
    given = _pointers(outputs)
    for node in _nodes(outputs):
        for saved in _saved(node):
            pointer = _pointer(saved)
            yield "input" if pointer in held else "output" if pointer in given else "inner"


def _nodes(outputs: Sequence[Tensor]) -> list[Any]:
    stack: list[Any] = [out.grad_fn for out in outputs]
    nodes: list[Any] = []
    while stack:
        node = stack.pop()
        if node is not None and node not in nodes:
            nodes.append(node)
            stack.extend(parent for parent, _ in getattr(node, "next_functions", ()))
    return nodes


def _saved(node: object) -> Iterator[Tensor]:
    for name in dir(node):
        if name.startswith("_saved_"):
            yield from tensors(getattr(node, name))
    yield from tensors(getattr(node, "saved_tensors", ()))
