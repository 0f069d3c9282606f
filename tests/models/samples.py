"""Calls to observe: torch's own test database of operations and of modules, a few dozen samples each.

`op_db` and `module_db` are private parts of torch and need `expecttest`; development only, never at a user's run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from tests.models.observe import Seen, observe, tensors

SAMPLES = 40  #: with 6 two operations are misjudged, with 30 none
DTYPES = (torch.float64, torch.float32, torch.complex64)


def operations() -> list[Any]:
    """torch's operations, without those made for tests only."""
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if not op.name.startswith(("jiterator", "ops.", "_"))]


def modules() -> list[Any]:
    """torch's module classes."""
    from torch.testing._internal.common_modules import module_db

    return list(module_db)


def observe_operation(op: Any) -> list[Seen]:
    """One observation a sample; a sample that fails by itself says nothing."""
    torch.manual_seed(0)
    dtype = next((dtype for dtype in DTYPES if dtype in op.dtypes), None)
    if dtype is None:
        return []
    samples = islice(op.sample_inputs("cpu", dtype, requires_grad=True), SAMPLES)
    return list(_attempts(_operation_call(op, sample) for sample in samples))


def observe_module(info: Any) -> tuple[list[Seen], tuple[str, ...]]:
    """The observations of a module class, and the names of its own parameters."""
    torch.manual_seed(0)
    calls, names = [], dict[str, None]()
    for training in (True, False):
        kwargs = {"device": "cpu", "dtype": torch.float32, "requires_grad": True, "training": training}
        for sample in islice(info.module_inputs_func(info, **kwargs), SAMPLES):
            built, given = sample.constructor_input, sample.forward_input
            if given is None:
                continue
            module = info.module_cls(*built.args, **built.kwargs).train(training)
            names |= dict.fromkeys(module._parameters)
            arguments = list(tensors((given.args, given.kwargs)))
            calls.append((_bind(module, given.args, given.kwargs), arguments, list(module.parameters())))
    return list(_attempts(calls)), tuple(names)


Call = tuple[Callable[[], Any], list[Tensor], list[Tensor]]


def _operation_call(op: Any, sample: Any) -> Call:
    arguments = list(tensors((sample.input, sample.args, sample.kwargs)))
    return _bind(op.op, (sample.input, *sample.args), sample.kwargs), arguments, []


def _bind(function: Any, args: Any, kwargs: Any) -> Callable[[], Any]:
    return lambda: function(*args, **kwargs)


def _attempts(calls: Any) -> Iterator[Seen]:
    for call, arguments, parameters in calls:
        leaves = [tensor for tensor in (*arguments, *parameters) if tensor.requires_grad]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield observe(call, leaves, arguments)
            except (RuntimeError, TypeError, ValueError, NotImplementedError):
                continue
