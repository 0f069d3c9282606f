"""Asking one question of a model: does the gradient of a score reach this layer?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Module

from gradlint.runtime import reach

Kind = Literal["connected", "zero", "unreachable"]


def layer(
    model: Module, inputs: Any, target: Any, score: Callable[[Any], Any] | None
) -> tuple[Kind, RuntimeError | None]:
    """Run the model once, differentiate its score once; the error that autograd raised, if it did."""
    module = found(model, target)
    caught: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _args, output: caught.extend(_first(output)))
    try:
        output = (
            model(**inputs)
            if isinstance(inputs, dict)
            else model(*inputs)
            if isinstance(inputs, tuple)
            else model(inputs)
        )
    finally:
        handle.remove()
    if not caught:
        raise ValueError(f"{name(model, target)} was not called, or gave no tensor, in model(inputs)")
    root = score(output) if score else default_score(output)
    try:
        gradient = torch.autograd.grad(root, caught[-1], allow_unused=True, retain_graph=True)[0]
    except RuntimeError as error:
        return "unreachable", error
    return ("unreachable" if gradient is None else "connected" if bool(gradient.any()) else "zero"), None


def frozen(model: Module, inputs: Any) -> bool:
    """Whether there is nothing that a gradient could belong to."""
    given = [p for p in model.parameters() if p.requires_grad]
    parts = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, (list, tuple)) else (inputs,)
    return not given and not any(isinstance(t, Tensor) and t.requires_grad for t in parts)


def found(model: Module, target: Any) -> Module:
    """The layer: a module of the model, or its dotted name."""
    modules = dict(model.named_modules())
    if isinstance(target, Module):
        if all(m is not target for m in modules.values()):
            raise ValueError("target_layer is no module of the model")
        return target
    if target not in modules:
        raise ValueError(f"the model has no layer {target!r}; it has {', '.join(list(modules)[1:9])}")
    named: Module = modules[target]
    return named


def name(model: Module, target: Any) -> str:
    """What a layer is called."""
    if isinstance(target, str):
        return target
    return next((n or type(m).__name__ for n, m in model.named_modules() if m is target), type(target).__name__)


def default_score(output: Any) -> Tensor:
    """The sum of the largest entries along the last dimension of the first tensor of an output."""
    tensors = _first(output)
    if not tensors:
        raise ValueError("the model's output holds no tensor: give score=")
    return tensors[0].max(dim=-1).values.sum() if tensors[0].dim() else tensors[0]


def _first(output: Any) -> list[Tensor]:
    """The first tensor in an output, in a list."""
    if isinstance(output, Tensor):
        return [output]
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (list, tuple)) else ()
    return next(([t] for part in parts for t in _first(part)), [])


def tensors(source: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a source, with names: itself, a module's trainable parameters, or those of several."""
    if isinstance(source, Tensor):
        yield "the source", source
    elif isinstance(source, Module):
        yield from ((n, p) for n, p in source.named_parameters() if p.requires_grad)
    elif isinstance(source, dict):
        yield from ((f"{n}", t) for n, t in source.items())
    elif isinstance(source, Iterable):
        yield from ((f"source {i}", t) for i, t in enumerate(source))
    else:
        raise TypeError(f"assert_connected wants tensors or a module, not {type(source).__name__}")


def strength(root: Tensor, target: Tensor) -> Kind:
    """Whether the gradient of a root gets to a target."""
    return reach.strength(root, target)
