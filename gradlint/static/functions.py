"""The callables that need code: leaves and flags, rebuilding, demands, checkpoint, autograd.Function, deepcopy, optimizers.

Everything else of torch is a row (`rules/models`). Three tables, found by name: `METHODS` of tensors, `UNKNOWN_METHODS` of
unknown values, `FUNCTIONS` by qualified name.
"""

from __future__ import annotations

from collections.abc import Callable

from gradlint.static import (
    builtin,
    calls,
    demands,
    duplicates,
    gradients,
    hooks,
    modules,
    newcomers,
    overwrites,
    scoped_freezes,
    storage,
    tensors,
    unknowns,
)
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.modes import entered
from gradlint.static.recording import Input, answer
from gradlint.static.rows import compute, nodes_used
from gradlint.static.values import (
    ITEMS,
    NODE,
    OPEN,
    WHOLE,
    DictObj,
    Function,
    Instance,
    Lib,
    ListObj,
    Mode,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    dict_items,
)  # fmt: skip
from gradlint.tape import Flow, HookKind, Kind, Span

# --- leaves and flags ------------------------------------------------------------------------------------------------


def set_requires_grad(m: Machine, value: Tensor, flag: Val, span: Span) -> None:
    """`t.requires_grad_(flag)`: a dead value becomes a leaf again; freezing makes a new leaf with its place."""
    node = value.cells[NODE]
    known = m.tape.values[node]
    requires = m.tape.requires[node]
    either = known.joined and known.parameter  # frozen on one of two ways: a leaf whichever it is
    if flag is True:
        if requires == "yes":
            return
        if requires == "maybe" and not either and not (known.leaf and _made_here(m, node)):
            m.set(value, gradients.RETAINED, True)  # it is a leaf unless it required grad before
            return
        source = node if m.tape.into[node] and not either else None
        made = m.tape.remake(source, span, known.label, "yes", "requires_grad_()", "remade", parameter=known.parameter)
    elif flag is False:
        if not known.leaf and not either:
            return
        newcomers.note(m, span)
        made = m.tape.remake(
            None, known.span, known.label, "no", "requires_grad_(False)", "", parameter=known.parameter, frozen_at=span
        )
    else:
        made = m.tape.remake(
            None, known.span, known.label, "maybe", "requires_grad_(...)", "", parameter=known.parameter
        )
    m.tape.earlier[made] = node
    m.set(value, NODE, made)
    if flag is False:
        scoped_freezes.note(m, made)


def _made_here(m: Machine, node: int) -> bool:
    """Whether a leaf has no history that may require grad: then flagging it makes it a source of its own."""
    return all(edge.flow < Flow.UNKNOWN for edge in m.tape.into[node])


def _requires_grad_(m: Machine, value: Tensor, args: Args) -> Val:
    set_requires_grad(m, value, args.get(0, "requires_grad", True), args.span)
    return value


def _detach_(m: Machine, value: Tensor, args: Args) -> Val:
    node = m.tape.result(
        Kind.TENSOR, args.span, m.text(args.span), ".detach_()", [Input(value.cells[NODE], Flow.CUTS, "detach")]
    )
    m.set(value, NODE, node)
    return value


def _detach(m: Machine, value: Tensor, args: Args) -> Val:
    gradients.use(m, value)
    node = m.tape.result(
        Kind.TENSOR, args.span, m.text(args.span), ".detach()", [Input(value.cells[NODE], Flow.CUTS, "detach")]
    )
    made = Tensor(node)
    made.cells["$alias"] = value
    overwrites.alias(m, value, made)
    storage.share(m, made, value)
    return made


def _backward(m: Machine, value: Tensor, args: Args) -> Val:
    demands.backward(m, [value], args)
    return None


def _clone(m: Machine, value: Tensor, args: Args) -> Val:
    return Tensor(compute(m, ".clone()", [Input(n) for n in nodes_used(m, value)], args.span))


def _size(m: Machine, value: Tensor, args: Args) -> Val:
    return Scalar() if args.positional or args.keywords else ListObj([Scalar()], "list", True)


def _zero_grad_buffer(m: Machine, value: Tensor, args: Args) -> Val:
    """`x.grad.zero_()`: bookkeeping, not a use of the gradient."""
    if gradients.zero(m, value, args.span):
        return value
    return tensors.change(m, value, "zero_", m.catalog.row("torch.Tensor.zero_"), args)


METHODS: dict[str, Callable[[Machine, Tensor, Args], Val]] = {
    "requires_grad_": _requires_grad_, "detach_": _detach_, "detach": _detach, "backward": _backward, "clone": _clone,
    "register_hook": demands.register_hook, "retain_grad": demands.retain_grad, "size": _size, "zero_": _zero_grad_buffer,
}  # fmt: skip


# --- methods of unknown values ---------------------------------------------------------------------------------------


def _unknown_backward(m: Machine, value: Unknown, args: Args) -> Val:
    demands.backward(m, [value], args)
    return None


def _unknown_hook(kind: HookKind) -> Callable[[Machine, Unknown, Args], Val]:
    return lambda m, value, args: hooks.on_layer(m, value, kind, args)


def _unknown_requires_grad(m: Machine, value: Unknown, args: Args) -> Val:
    if args.get(0, "requires_grad", True) is True and unknowns.may_be_leaf(m, value):
        set_requires_grad(m, unknowns.promote(m, value), True, args.span)
        return value.cells["$tensor"]
    return value


def _nothing(m: Machine, value: Unknown, args: Args) -> Val:
    return None


def _unknown_apply(m: Machine, value: Unknown, args: Args) -> Val:
    """`module.apply(f)` on an unknown model: the function sees some unknown module."""
    function = args.get(0)
    if isinstance(function, Function):
        calls.call(m, function, Args(args.span, args.frame, [Unknown("submodule", value)]))
    return value


UNKNOWN_METHODS: dict[str, Callable[[Machine, Unknown, Args], Val]] = {
    "backward": _unknown_backward, "register_forward_hook": _unknown_hook("forward"),
    "register_forward_pre_hook": _unknown_hook("pre"),
    "register_full_backward_hook": _unknown_hook("backward"), "register_backward_hook": _unknown_hook("legacy"),
    "requires_grad_": _unknown_requires_grad, "zero_grad": _nothing,
    "apply": _unknown_apply,
}  # fmt: skip


# --- rebuilding ------------------------------------------------------------------------------------------------------


def _rebuild(m: Machine, args: Args) -> Val:
    """`torch.tensor(data)`: always a new leaf; of tensors it cuts, of arrays and numbers it carries deadness on."""
    given = args.get(0, "data")
    nodes = nodes_used(m, given, 3)
    wanted = args.keywords.get("requires_grad", False)
    if wanted is not False:
        source = _one(m, nodes, args)
        return Tensor(
            m.tape.remake(source, args.span, m.text(args.span), answer(wanted), "torch.tensor(...)", "remade")
        )
    if not nodes:
        return Tensor(m.tape.leaf(Kind.TENSOR, args.span, m.text(args.span)))
    return Tensor(
        m.tape.result(Kind.TENSOR, args.span, m.text(args.span), "torch.tensor(...)", [_rebuilt(m, n) for n in nodes])
    )


def _rebuilt(m: Machine, node: int) -> Input:
    kind = m.tape.values[node].kind
    return Input(node) if kind in (Kind.ARRAY, Kind.NUMBER) else Input(node, Flow.CUTS, "rebuild")


def _one(m: Machine, nodes: list[int], args: Args) -> int | None:
    """One node for several, so that a leaf has one forerunner."""
    if not nodes:
        return None
    if len(nodes) == 1:
        return nodes[0]
    return m.tape.result(
        Kind.TENSOR, args.span, m.text(args.span), "torch.tensor(...)", [_rebuilt(m, n) for n in nodes]
    )


def _as_tensor(m: Machine, args: Args) -> Val:
    """`torch.as_tensor(t)` keeps a tensor; a list of tensors is rebuilt."""
    given = args.get(0, "data")
    if isinstance(given, Tensor):
        return given
    return _rebuild(m, args)


def _from_array(m: Machine, args: Args) -> Val:
    nodes = nodes_used(m, args.get(0))
    inputs = [Input(n) for n in nodes]
    if not inputs:
        return Tensor(m.tape.leaf(Kind.TENSOR, args.span, m.text(args.span)))
    return Tensor(m.tape.result(Kind.TENSOR, args.span, m.text(args.span), "torch.from_numpy()", inputs))


def _variable(m: Machine, args: Args) -> Val:
    """`Variable(x, requires_grad=...)`: the tensor itself, or a new leaf."""
    given, wanted = args.get(0), args.get(1, "requires_grad", False)
    nodes = nodes_used(m, given)
    if wanted is True:
        return Tensor(
            m.tape.remake(_chained(m, nodes, args), args.span, m.text(args.span), "yes", "Variable(...)", "remade")
        )
    if not nodes:
        return given if isinstance(given, Tensor) else Tensor(m.tape.leaf(Kind.TENSOR, args.span, m.text(args.span)))
    return Tensor(
        m.tape.result(
            Kind.TENSOR,
            args.span,
            m.text(args.span),
            "Variable(...)",
            [Input(n, Flow.CUTS, "data-attribute") for n in nodes],
        )
    )


def _chained(m: Machine, nodes: list[int], args: Args) -> int | None:
    known = [n for n in nodes if m.tape.into[n] or m.tape.requires[n] != "no"]
    return known[0] if known else None


def _parameter(m: Machine, args: Args) -> Val:
    """`nn.Parameter(t, requires_grad=True)`."""
    return parameter_of(m, args, args.get(0, "data"), args.get(1, "requires_grad", True))


def parameter_of(m: Machine, args: Args, data: Val, wanted: Val = True) -> Tensor:
    """The parameter that a call makes of a tensor: always a leaf."""
    source = _chained(m, nodes_used(m, data), args)
    source = source if source is not None and m.tape.requires[source] != "no" else None
    frozen = args.span if wanted is False else None
    node = m.tape.remake(
        source,
        args.span,
        m.text(args.span),
        answer(wanted),
        "nn.Parameter(...)",
        "remade",
        parameter=True,
        frozen_at=frozen,
    )
    return Tensor(node)


def _pretrained(name: str) -> Callable[[Machine, Args], Val]:
    """`nn.Embedding.from_pretrained(vectors, freeze=True)`: a layer with a weight of its own, frozen unless it says otherwise."""

    def make(m: Machine, args: Args) -> Val:
        made = Instance(Lib(name), args.span)
        modules.begin(m, made)
        modules.library_init(m, made, name, Args(args.span, args.frame))
        freeze = args.get(1, "freeze", True)
        frozen = args.span if freeze is True else None
        wanted = answer(not freeze) if isinstance(freeze, bool) else "maybe"
        label = f"{name.rpartition('.')[2]} weight"
        made.cells["weight"] = Tensor(
            m.tape.leaf(Kind.TENSOR, args.span, label, wanted, parameter=True, frozen_at=frozen)
        )
        return made

    return make


# --- demands ---------------------------------------------------------------------------------------------------------


def _autograd_backward(m: Machine, args: Args) -> Val:
    given = args.get(0, "tensors")
    roots = content(given) if isinstance(given, ListObj) else given if isinstance(given, tuple) else (given,)
    demands.backward(m, roots, args, retain=2)
    return None


def _checkpoint(m: Machine, args: Args) -> Val:
    """`checkpoint(f, *inputs)`: the reentrant kind cuts unless an input requires grad."""
    given = args.keywords.get("use_reentrant")
    reentrant = m.catalog.default("torch.utils.checkpoint.checkpoint", "use_reentrant") if given is None else given
    inner = Args(
        args.span,
        args.frame,
        args.positional[1:],
        {k: v for k, v in args.keywords.items() if k not in _CHECKPOINT_FLAGS},
    )
    live = any(m.tape.requires[n] != "no" for v in inner.all() for n in m.nodes(v))
    if reentrant is True and not live and args.positional:
        with entered(m, Mode(False, args.span, "checkpoint(use_reentrant=True)")):
            return calls.call(m, args.get(0), inner)
    kept = len(m.tape.needs)
    made = calls.call(m, args.get(0), inner)
    if (
        reentrant is not True
    ):  # made again for the backward, up to what it needs: what is changed later is changed in vain
        del m.tape.needs[kept:]
    return made


_CHECKPOINT_FLAGS = ("use_reentrant", "preserve_rng_state", "determinism_check", "context_fn", "debug")


# --- the rest --------------------------------------------------------------------------------------------------------


def _where(m: Machine, args: Args) -> Val:
    """`torch.where(condition, a, b)`: the condition only selects."""
    if len(args.positional) == 1:
        inputs = [Input(n, Flow.CUTS, "non-differentiable") for n in nodes_used(m, args.get(0))]
        return ListObj([Tensor(compute(m, "torch.where()", inputs, args.span))], "list", True)
    inputs = [Input(n, Flow.CUTS, "non-differentiable", select=True) for n in nodes_used(m, args.get(0, "condition"))]
    for value in (args.get(1, "input", args.keywords.get("self")), args.get(2, "other")):
        inputs += [Input(n) for n in nodes_used(m, value)]
    return Tensor(compute(m, "torch.where()", inputs, args.span))


def _stack(m: Machine, args: Args) -> Val:
    """`torch.stack(list)`, `torch.cat(list)`."""
    given = args.get(0, "tensors")
    if isinstance(given, ListObj) and not content(given) and given.cells.get(OPEN) is not True:
        raise Raised("stack expects a non-empty TensorList", kind="RuntimeError", place=(given, ITEMS))
    inputs = [Input(n) for n in nodes_used(m, given, 3)]
    return (
        Tensor(compute(m, "torch.stack()", inputs, args.span))
        if inputs
        else Tensor(m.tape.leaf(Kind.TENSOR, args.span, m.text(args.span)))
    )


def _clip(m: Machine, args: Args) -> Val:
    return Scalar()


def _functional_call(m: Machine, args: Args) -> Val:
    """`torch.func.functional_call(module, values, inputs)`: the module runs with these tensors for its parameters."""
    module, given = args.get(0, "module"), args.get(1, "parameter_and_buffer_dicts")
    inputs = args.get(2, "args", ())
    parts = given if isinstance(given, tuple) else (given,)
    dicts = [part for part in parts if isinstance(part, DictObj)]
    if not isinstance(module, Instance) or not dicts:
        return calls.unknown_call(m, Lib("torch.func.functional_call"), args, m.text(args.span))
    replaced: list[tuple[Instance, str, Val]] = []
    placed: set[int] = set()
    for prefix, inner in list(modules.named_modules(m, module)):
        for key, value in list(inner.cells.items()):
            name = f"{prefix}.{key}" if prefix else str(key)
            found = next((d.cells["k", name] for d in dicts if ("k", name) in d.cells), None)
            if isinstance(value, Tensor) and isinstance(found, Tensor):
                placed.add(id(found))
                replaced.append((inner, str(key), value))
                m.set(inner, key, found)
    result = calls.call(m, module, Args(args.span, args.frame, inputs if isinstance(inputs, tuple) else [inputs]))
    for inner, key, value in replaced:
        m.set(inner, key, value)
    held = [v for d in dicts for _, v in dict_items(d)] + [part for part in parts if not isinstance(part, DictObj)]
    left = [v for v in held if id(v) not in placed and m.nodes(v, 2)]
    return _perhaps_of(m, result, [n for v in left for n in m.nodes(v, 2)], args) if left else result


def _perhaps_of(m: Machine, result: Val, nodes: list[int], args: Args) -> Val:
    """A result that may have been computed from other values as well: under which names they stood is not known."""
    label = m.text(args.span)
    made = Unknown(label)
    inputs = [*(Input(n) for n in m.nodes(result, 2)), *(Input(n, Flow.UNKNOWN) for n in nodes)]
    made.cells[NODE] = m.tape.result(Kind.UNKNOWN, args.span, label, "functional_call", inputs)
    made.cells[WHOLE] = True
    return made


def optimizer(m: Machine, name: str, args: Args) -> Val:
    """`torch.optim.X(params, ...)`."""
    made = Instance(Lib(name), args.span)
    found = modules.flatten_parameters(m, args.get(0, "params"))
    made.cells["$params"] = tuple(found)
    for parameter in found:
        m.tape.wanted.add(parameter.cells[NODE])
        gradients.optimized(m, parameter, args.span)
    return made


def _device(m: Machine, args: Args) -> Val:
    given = args.get(0)
    return given if isinstance(given, str) else Scalar()


def _data_loader(m: Machine, args: Args) -> Val:
    """`DataLoader(dataset)`: iterating it gives what the dataset gives, batched."""
    made = Instance(Lib("torch.utils.data.DataLoader"), args.span)
    made.cells["$dataset"] = args.get(0, "dataset")
    made.cells["$collate"] = args.keywords.get("collate_fn")
    return made


def _dataset(m: Machine, args: Args) -> Val:
    made = Instance(Lib("torch.utils.data.TensorDataset"), args.span)
    made.cells["$tensors"] = tuple(args.positional)
    return made


def _compile(m: Machine, args: Args) -> Val:
    """`torch.compile(model)` runs the model; without one it is a decorator."""
    given = args.get(0, "model")
    return Wrapped("native", None, lambda machine, inner: inner.get(0)) if given is None else given


def _save(m: Machine, args: Args) -> Val:
    return None


def _is_tensor(m: Machine, args: Args) -> Val:
    return builtin.instance_test(m, args.get(0), Lib(tensors.TENSOR))


FUNCTIONS: dict[str, Callable[[Machine, Args], Val]] = {
    "torch.tensor": _rebuild, "torch.Tensor": _as_tensor, "torch.FloatTensor": _as_tensor, "torch.LongTensor": _as_tensor,
    "torch.DoubleTensor": _as_tensor, "torch.as_tensor": _as_tensor, "torch.asarray": _as_tensor, "torch.from_numpy": _from_array,
    "torch.autograd.Variable": _variable, "torch.nn.Parameter": _parameter, "torch.nn.parameter.Parameter": _parameter,
    "torch.autograd.grad": demands.autograd_grad, "torch.autograd.backward": _autograd_backward,
    "torch.utils.checkpoint.checkpoint": _checkpoint, "torch.where": _where, "torch.stack": _stack, "torch.cat": _stack,
    "torch.concat": _stack, "torch.hstack": _stack, "torch.vstack": _stack, "torch.device": _device,
    "torch.nn.utils.clip_grad_norm_": _clip, "torch.nn.utils.clip_grad_value_": _clip, "copy.deepcopy": duplicates.deepcopy,
    "torch.utils.data.DataLoader": _data_loader, "torch.utils.data.dataloader.DataLoader": _data_loader,
    "torch.utils.data.TensorDataset": _dataset, "torch.save": _save,
    "torch.nn.Embedding.from_pretrained": _pretrained("torch.nn.Embedding"),
    "torch.nn.EmbeddingBag.from_pretrained": _pretrained("torch.nn.EmbeddingBag"),
    "torch.is_tensor": _is_tensor, "torch.compile": _compile,
    "torch.func.functional_call": _functional_call, "torch.nn.utils.stateless.functional_call": _functional_call,
}  # fmt: skip
