"""Calls to observe: torch's own test database of operations and of modules, a few dozen samples each.

`op_db` and `module_db` are private parts of torch and need `expecttest`; development only, never at a user's run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from tests.models.observe import Seen, needed, observe, tensors

SAMPLES = 40  #: with 6 two operations are misjudged, with 30 none
DTYPES = (torch.float64, torch.float32, torch.complex64)

Call = tuple[Callable[[], Any], list[Tensor], list[Tensor]]  #: what to run, its arguments, its parameters


def operations() -> list[Any]:
    """torch's operations, without its inner ones."""
    from torch.testing._internal.common_methods_invocations import op_db

    inner = ("jiterator", "ops.", "torch.ops.", "torch._", "_", "native_")
    return [op for op in op_db if not op.name.startswith(inner) and not op.name.endswith("_backward")]


def modules() -> list[Any]:
    """torch's module classes."""
    from torch.testing._internal.common_modules import module_db

    return list(module_db)


def observe_operation(op: Any) -> list[Seen]:
    """One observation a sample; a sample that fails by itself says nothing."""
    return _attempts(_bind(op.op, (sample.input, *sample.args), sample.kwargs) for sample in _samples(op))


def observe_inplace(op: Any) -> list[Seen]:
    """The same for the in-place method, if there is one, on a copy of its first argument."""
    method = op.inplace_variant
    if method is None:
        return []
    samples = [sample for sample in _samples(op) if isinstance(sample.input, Tensor)]
    return _attempts(_bind(_on_copy(method), (sample.input, *sample.args), sample.kwargs) for sample in samples)


def observe_module(info: Any) -> tuple[list[Seen], tuple[str, ...]]:
    """The observations of a module class, and the names of its own parameters."""
    calls, names = [], dict[str, None]()
    for module, given in _modules(info):
        names |= dict.fromkeys(module._parameters)
        run, arguments, _ = _bind(module, given.args, given.kwargs)
        calls.append((run, arguments, list(module.parameters())))
    return _attempts(calls), tuple(names)


def _modules(info: Any) -> Iterator[tuple[Any, Any]]:
    """Modules of a class, in training and not, each with the arguments of a call."""
    torch.manual_seed(0)
    for training in (True, False):
        kwargs = {"device": "cpu", "dtype": torch.float32, "requires_grad": True, "training": training}
        for sample in islice(info.module_inputs_func(info, **kwargs), SAMPLES):
            if sample.forward_input is not None:
                built = sample.constructor_input
                yield info.module_cls(*built.args, **built.kwargs).train(training), sample.forward_input


def keeps_operation(op: Any) -> set[str]:
    """What the operation keeps for its backward in all samples that have the tensors: see `Row.keeps`."""
    seen = []
    for sample in _samples(op):
        given = (sample.input, *sample.args)
        held = {str(i): value for i, value in enumerate(given) if isinstance(value, Tensor)}
        leaves = {i: [value] for i, value in held.items() if value.is_leaf and _differentiable(value)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call = _bind(op.op, given, sample.kwargs)[0]
            seen.append((needed(call, held, leaves), {*held, "result"}))
    return _always(seen)


def keeps_module(info: Any) -> set[str]:
    """The same for a module class; "own" is that its parameters require grad."""
    seen = []
    for module, given in _modules(info):
        held = {str(i): value for i, value in enumerate(given.args) if isinstance(value, Tensor)}
        leaves = {i: [value] for i, value in held.items() if value.is_leaf and _differentiable(value)}
        if any(is_lazy(parameter) for parameter in module.parameters()):
            continue
        own = list(module.parameters())
        weights = {name: parameter for name, parameter in module._parameters.items() if parameter is not None}
        call = _bind(module, given.args, given.kwargs)[0]
        asking = {**leaves, **({"own": own} if own else {})}
        seen.append((needed(call, {**held, **weights}, asking), {*held, *weights, "result"}))
    return _always(seen)


def _always(seen: list[tuple[dict[str, set[str]], set[str]]]) -> set[str]:
    """The pairs that held in every sample that could have shown them."""
    told = {(what, who) for broken, _ in seen for who, kept in broken.items() for what in kept}
    return {
        f"{what}:{who}" for what, who in told
        if all(what in broken[who] for broken, held in seen if who in broken and what in held)
    }  # fmt: skip


def _differentiable(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _samples(op: Any) -> Iterator[Any]:
    """Torch's own samples; asked of the function, because `op.sample_inputs` looks up the source of every caller each time."""
    torch.manual_seed(0)
    dtype = next((dtype for dtype in DTYPES if dtype in op.dtypes), None)
    return iter(()) if dtype is None else islice(op.sample_inputs_func(op, "cpu", dtype, True), SAMPLES)


def _bind(function: Any, args: Any, kwargs: Any) -> Call:
    return lambda: function(*args, **kwargs), list(tensors((args, kwargs))), []


def _on_copy(method: Any) -> Callable[..., Any]:
    return lambda first, *args, **kwargs: method(first.clone(), *args, **kwargs)


def _attempts(calls: Iterable[Call]) -> list[Seen]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [seen for call in calls if (seen := _attempt(*call)) is not None]


def _attempt(call: Callable[[], Any], arguments: list[Tensor], parameters: list[Tensor]) -> Seen | None:
    leaves = [tensor for tensor in (*arguments, *parameters) if tensor.requires_grad]
    try:
        return observe(call, leaves, arguments)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
