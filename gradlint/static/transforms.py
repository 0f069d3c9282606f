"""What makes one function of another: `torch.func.grad`, `vjp`, `jacrev`, `vmap`, and `torch.autograd.functional`.

The function runs on fresh leaves in place of the arguments that are differentiated, with a grad mode of its own. What does
not depend on them gets zeros, and PyTorch says nothing (torch 2.13). Derivatives taken forwards (`jvp`, `jacfwd`) go through
`no_grad`; they are left unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gradlint.static import calls, demands, hooks, modules
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.modes import entered
from gradlint.static.recording import Input
from gradlint.static.rows import compute
from gradlint.static.values import (
    NODE,
    OPEN,
    DictObj,
    Function,
    Instance,
    Lib,
    ListObj,
    Method,
    Mode,
    Partial,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    dict_items,
)
from gradlint.tape import Flow, Kind, Span

FUNC, FUNCTIONAL = "torch.func.", "torch.autograd.functional."
STACKED = "torch.func.stack_module_state"
KNOWN = (Function, Method, Partial, Wrapped, Instance)


class Ran(NamedTuple):
    """A function that ran on leaves: its result, the arguments they stand for, and for each the leaves."""

    result: Val
    given: tuple[Val, ...]
    leaves: tuple[list[Tensor], ...]


# --- running on leaves -----------------------------------------------------------------------------------------------


def _run(m: Machine, function: Val, args: Args, wanted: Iterable[int], name: str) -> Ran:
    """Call a function with leaves in place of the arguments at these positions."""
    given = list(args.positional)
    chosen = [i for i in wanted if i < len(given)]
    originals = tuple(given[i] for i in chosen)
    leaves: tuple[list[Tensor], ...] = tuple([] for _ in chosen)
    for i, made in zip(chosen, leaves, strict=True):
        given[i] = _leaf(m, given[i], args.span, f"the argument of {m.text(args.span)}", made)
    with entered(m, Mode(True, args.span, name)):
        result = calls.call(m, function, Args(args.span, args.frame, given, args.keywords))
    return Ran(result, originals, leaves)


def _leaf(m: Machine, value: Val, span: Span, label: str, made: list[Tensor]) -> Val:
    """A value with a leaf for every tensor in it."""
    match value:
        case Tensor():
            made.append(Tensor(m.tape.leaf(Kind.TENSOR, span, label, "yes")))
            return made[-1]
        case tuple():
            return tuple(_leaf(m, part, span, label, made) for part in value)
        case DictObj():
            copied = DictObj(value.factory, value.named)
            for key, part in dict_items(value):
                copied.cells["k", key] = _leaf(m, part, span, label, made)
            return copied
    return value


def _ask(m: Machine, ran: Ran, roots: Iterable[Val], span: Span, create: bool = True) -> None:
    """The demands for the leaves: for those of an argument that a root reaches, or for its first if none does.

    One of several arguments on which nothing depends has zeros by right.
    """
    nodes = [r.cells[NODE] for r in roots if isinstance(r, Tensor)]
    reached, flown = m.tape.ancestors(nodes), m.tape.ancestors(nodes, Flow.CUTS)
    for leaves in ran.leaves if nodes else ():
        live = [leaf for leaf in leaves if leaf.cells[NODE] in reached]
        lost = [leaf for leaf in leaves if leaf.cells[NODE] in flown or len(ran.leaves) == 1]
        for leaf in live or lost[:1]:
            demands.transformed(m, nodes, leaf, span, create)


def _tensors(value: Val) -> tuple[Val, ...]:
    return value if isinstance(value, tuple) else (*content(value),) if isinstance(value, ListObj) else (value,)


def _like(m: Machine, ran: Ran, roots: Iterable[Val], span: Span, name: str, create: bool = True) -> tuple[Val, ...]:
    """For each argument its gradient: made like it, of it and of the root, or without a graph."""
    nodes = [n for root in roots for n in m.nodes(root, 1)]

    def gradient(value: Val) -> Val:
        match value:
            case tuple():
                return tuple(gradient(part) for part in value)
            case DictObj():
                made = DictObj(value.factory, value.named)
                for key, part in dict_items(value):
                    made.cells["k", key] = gradient(part)
                return made
        inputs = [Input(n) for n in m.nodes(value, 1)] + [Input(n) for n in nodes]
        if not create:
            inputs = [Input(i.node, Flow.CUTS, hooks.NO_GRAPH) for i in inputs]
        return Tensor(compute(m, f"{name}()", inputs, span))

    return tuple(gradient(value) for value in ran.given)


# --- torch.func ------------------------------------------------------------------------------------------------------


def _positions(argnums: Val) -> tuple[int, ...] | None:
    if isinstance(argnums, int):
        return (argnums,)
    if isinstance(argnums, tuple) and all(isinstance(i, int) for i in argnums):
        return argnums
    return None


def _derived(name: str, value_too: bool = False) -> Callable[[Machine, Args], Val]:
    """`torch.func.grad(f, argnums, has_aux)` and those that are called like it: a function of the same arguments."""

    def transform(m: Machine, args: Args) -> Val:
        function = args.get(0, "func")
        positions = _positions(args.get(1, "argnums", 0))
        aux = args.get(2, "has_aux") is True
        if positions is None or not isinstance(function, KNOWN):
            return calls.unknown_call(m, Lib(name), args, m.text(args.span))

        def run(machine: Machine, inner: Args) -> Val:
            ran = _run(machine, function, inner, positions, name)
            parted = ran.result[0] if aux and isinstance(ran.result, tuple) and ran.result else ran.result
            roots = _tensors(parted)
            _ask(machine, ran, roots, inner.span)
            found = _like(machine, ran, roots, inner.span, name)
            gradient = found[0] if len(found) == 1 and isinstance(args.get(1, "argnums", 0), int) else found
            if value_too:
                return (gradient, ran.result)
            return (gradient, *ran.result[1:]) if aux and isinstance(ran.result, tuple) else gradient

        return Wrapped("native", None, run)

    return transform


def _vjp(m: Machine, args: Args) -> Val:
    """`torch.func.vjp(f, *primals)`: the value, and a function that gives the gradients."""
    function, given = args.get(0, "func"), args.positional[1:]
    name = f"{FUNC}vjp"
    if not isinstance(function, KNOWN):
        return calls.unknown_call(m, Lib(name), args, m.text(args.span))
    ran = _run(m, function, Args(args.span, args.frame, list(given)), range(len(given)), name)
    aux = args.keywords.get("has_aux") is True and isinstance(ran.result, tuple) and ran.result
    roots = _tensors(ran.result[0] if aux else ran.result)

    def pull(machine: Machine, inner: Args) -> Val:
        _ask(machine, ran, roots, inner.span)
        return _like(machine, ran, roots, inner.span, name)

    pulled = Wrapped("native", None, pull)
    return (ran.result[0], pulled, *ran.result[1:]) if aux else (ran.result, pulled)


def _vmap(m: Machine, args: Args) -> Val:
    """`torch.func.vmap(f)`: what it does with a whole batch is what `f` does with each slice."""
    function = args.get(0, "func")
    if not isinstance(function, KNOWN):
        return calls.unknown_call(m, Lib(f"{FUNC}vmap"), args, m.text(args.span))
    return Wrapped("native", None, lambda machine, inner: calls.call(machine, function, inner))


def _stack(m: Machine, args: Args) -> Val:
    """`stack_module_state(models)`: new leaves with the numbers of all models; their own parameters get nothing back."""
    given = args.get(0, "models")
    models = content(given) if isinstance(given, ListObj) and given.cells.get(OPEN) is not True else given
    known = isinstance(models, (tuple, list)) and all(isinstance(o, Instance) and not o.opaque for o in models)
    if not known or not models:
        return calls.unknown_call(m, Lib(STACKED), args, m.text(args.span))
    held: dict[str, list[int]] = {}
    for model in models:
        for key, parameter in modules.named_parameters(m, model):
            held.setdefault(key, []).append(parameter.cells[NODE])
    parameters = DictObj()
    for key, nodes in held.items():
        parameters.cells["k", key] = _remade(m, nodes, args.span)
    return (parameters, Unknown("buffers"))


def _remade(m: Machine, nodes: list[int], span: Span) -> Tensor:
    made = m.tape.remake(nodes[0], span, m.text(span), m.tape.requires[nodes[0]], STACKED, "remade")
    for node in nodes[1:]:
        m.tape.edge(node, made, span, STACKED, Flow.CUTS, "remade")
    return Tensor(made)


# --- torch.autograd.functional ---------------------------------------------------------------------------------------


def _functional(short: str, create_at: int, value_too: bool) -> Callable[[Machine, Args], Val]:
    """`jacobian(func, inputs, create_graph=False)` and its kin, called at once; `value_too`: the value of `func` comes first."""
    name = f"{FUNCTIONAL}{short}"

    def run(m: Machine, args: Args) -> Val:
        function, inputs = args.get(0, "func"), args.get(1, "inputs")
        if not isinstance(function, KNOWN) or not isinstance(inputs, (Tensor, tuple)):
            return calls.unknown_call(m, Lib(name), args, m.text(args.span))
        given = list(inputs) if isinstance(inputs, tuple) else [inputs]
        create = args.get(create_at, "create_graph")
        ran = _run(m, function, Args(args.span, args.frame, given), range(len(given)), name)
        roots = _tensors(ran.result)
        _ask(m, ran, roots, args.span, create is True)
        found = _like(m, ran, roots, args.span, name, create is not False and create is not None)
        gradient = found if isinstance(inputs, tuple) else found[0]
        return (ran.result, gradient) if value_too else gradient

    return run


FUNCTIONS: dict[str, Callable[[Machine, Args], Val]] = {
    f"{FUNC}grad": _derived("torch.func.grad"), f"{FUNC}grad_and_value": _derived("torch.func.grad_and_value", value_too=True),
    f"{FUNC}jacrev": _derived("torch.func.jacrev"), f"{FUNC}hessian": _derived("torch.func.hessian"),
    f"{FUNC}vjp": _vjp, f"{FUNC}vmap": _vmap, "torch.vmap": _vmap, STACKED: _stack,
    f"{FUNCTIONAL}jacobian": _functional("jacobian", 2, False), f"{FUNCTIONAL}hessian": _functional("hessian", 2, False),
    f"{FUNCTIONAL}vjp": _functional("vjp", 3, True), f"{FUNCTIONAL}hvp": _functional("hvp", 3, True),
    f"{FUNCTIONAL}vhp": _functional("vhp", 3, True), f"{FUNCTIONAL}jvp": _functional("jvp", 3, True),
}  # fmt: skip
