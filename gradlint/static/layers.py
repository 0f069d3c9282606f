"""Library layers and models: what `nn.Conv2d` holds and does, opaque models with named children, hooks on unknown layers."""

from __future__ import annotations

import re
from functools import partial

from gradlint.static import (
    calls,
    gradients,
    hooks,
    library,
    machine,
    methods,
    modes,
    modules,
    needs,
    overwrites,
    settings,
    storage,
    training,
)
from gradlint.static.arguments import Args
from gradlint.static.joins import join_values
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.rows import compute, gather, nodes_used, saves
from gradlint.static.store import MISSING
from gradlint.static.values import (
    HELD,
    NODE,
    Alt,
    DictObj,
    Frame,
    Instance,
    Lib,
    ListObj,
    Mode,
    Native,
    Scalar,
    Tensor,
    Unknown,
    Val,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Answer, Flow, Kind, Span

#: the parameter of a module whose parameters are not known one by one
OWN = "$own"
_WEIGHT = re.compile(
    r"(\w+_)?(weight|bias)(_\w+)?|(cls|class|mask|reg|dist)_token|(pos|positional)_?(emb|embed|embedding)|class_embedding|logit_scale"
)
#: the name of a child that stands for any
ANY = "*"
#: layers that pass their input through and own nothing
_BARE = (
    "torch.nn.Sequential",
    "torch.nn.ModuleList",
    "torch.nn.ModuleDict",
    "torch.nn.ParameterList",
    "torch.nn.ParameterDict",
    "torch.nn.Module",
)
#: layers of torch.nn that are made of others, whose parameters they have (torch 2.13; a test compares them all)
COMPOSED = frozenset((
    "torch.nn.AdaptiveLogSoftmaxWithLoss", "torch.nn.LinearCrossEntropyLoss", "torch.nn.Transformer", "torch.nn.TransformerDecoder",
    "torch.nn.TransformerDecoderLayer", "torch.nn.TransformerEncoder", "torch.nn.TransformerEncoderLayer",
))  # fmt: skip
#: modules that run the one they are given
WRAPPERS = (
    "torch.nn.DataParallel", "torch.nn.parallel.DataParallel", "torch.nn.parallel.DistributedDataParallel",
    "apex.parallel.DistributedDataParallel",
)  # fmt: skip


# --- building --------------------------------------------------------------------------------------------------------


def build(m: Machine, made: Instance, base: str, args: Args) -> None:
    """The parameters and children that a library module has after its `__init__`."""
    if base in _BARE:
        _fill(m, made, base, args)
        return
    if base in WRAPPERS:
        m.set(made, "module", args.get(0, "module"))
        return
    row = m.catalog.row(base)
    names = row.parameters if row is not None and row.module else ("weight",) if _may_train(base) else ()
    if base in COMPOSED or (row is not None and row.module and not base.startswith("torch.nn.")):
        made.opaque = True
        names = (OWN,)
    for name in names:
        without = name == "bias" and args.keywords.get("bias") is False
        made.cells[name] = None if without else parameter(m, made, base, name)


def _may_train(base: str) -> bool:
    """A torch.nn layer without a row: assume a weight, unless the name says that there is none."""
    last = base.rsplit(".", 1)[-1]
    return base.startswith("torch.nn.") and not last.endswith(("Loss", "Module"))


def parameter(m: Machine, made: Instance, base: str, name: str) -> Tensor:
    """A fresh parameter of a layer; it requires grad whatever the grad mode is."""
    span = made.span or m.here()
    label = f"{base.rsplit('.', 1)[-1]} {name}" if name != OWN else f"parameters of {base.rsplit('.', 1)[-1]}"
    return Tensor(m.tape.leaf(Kind.TENSOR, span, label, "yes", parameter=True))


def _fill(m: Machine, made: Instance, base: str, args: Args) -> None:
    given = args.get(0)
    if base == "torch.nn.Sequential":
        if isinstance(given, DictObj):
            pairs = [(_key(k), v) for k, v in dict_items(given)]
        else:
            pairs = [(str(i), v) for i, v in enumerate(args.positional)]
        if args.rest:
            made.cells["$open"] = True
    elif isinstance(given, DictObj):
        pairs = [(_key(k), v) for k, v in dict_items(given)]
    elif given is not None:
        from gradlint.static.containers import sequence

        known, exact = sequence(m, args.frame, given, args.span)
        pairs = [(str(i), v) for i, v in enumerate(known)]
        if not exact:
            made.cells["$open"] = True
    else:
        pairs = []
    for name, value in pairs:
        modules.put(m, made, name, value, args)


def _key(key: Val) -> str:
    """The name a child gets from a dict's key; one that is not known stands for any."""
    return key if isinstance(key, str) else "*"


def sequential_item(m: Machine, value: Instance, index: Val) -> Val:
    """`sequential[i]` or `sequential[a:b]`."""
    from gradlint.static.containers import Slice

    parts = [held for _, held in modules.entries(value)]
    if isinstance(index, int) and -len(parts) <= index < len(parts):
        return parts[index]
    if isinstance(index, Slice) and index.known() is not None:
        made = Instance(value.cls, value.span)
        for i, part in enumerate(parts[index.known()]):  # type: ignore[index]
            made.cells[str(i)] = part
        return made

    return join_values(m, parts) if parts else Unknown("layer", value)


# --- forward ---------------------------------------------------------------------------------------------------------


def forward(m: Machine, value: Instance, base: str, args: Args) -> Val:
    """What a library layer does with its inputs."""
    if base == "torch.nn.Sequential" and value.cells.get("$open") is not True:
        return _run_sequence(m, value, args)
    if base == "torch.nn.Sequential":
        return _run_open_sequence(m, value, args)
    if base in WRAPPERS:
        return calls.call(m, value.cells["module"], args)
    if base == "torch.nn.Identity":
        return args.get(0)
    if value.opaque:
        return _run_opaque(m, value, args)
    return _run_layer(m, value, base, args)


def _run_sequence(m: Machine, value: Instance, args: Args) -> Val:
    current = args.get(0)
    for _, held in modules.entries(value):
        layers = [o for o in options(held) if isinstance(o, Unknown) or modules.is_module(m, o)]
        if layers:
            given = Args(args.span, args.frame, [current])
            current = m.alternatives(join_values(m, layers), partial(_run_child, m, given))
    return current


def _run_child(m: Machine, args: Args, child: Val) -> Val:
    return calls.call(m, child, args)


def _run_open_sequence(m: Machine, value: Instance, args: Args) -> Val:
    """The layers that are known stand for all of them, for those as well that are not: their hooks may fire."""
    m.doubt += 1
    try:
        through = _run_sequence(m, value, args)
    finally:
        m.doubt -= 1
    known = [] if through is args.get(0) else [through]
    return _run_layer(m, value, "torch.nn.Sequential", Args(args.span, args.frame, [*args.positional, *known]))


def _run_layer(m: Machine, value: Instance, base: str, args: Args) -> Val:

    row = m.catalog.row(base)
    keeps = row is not None and saves(row)
    known = row.parameters if row is not None and row.module and base.startswith("torch.nn.") else None
    owned = {str(key): held for key, held in value.cells.items() if _is_own(key, known) and isinstance(held, Tensor)}
    weights = [Input(held.cells[NODE], saves=keeps and not key.startswith("bias")) for key, held in owned.items()]
    given = (
        gather(m, row, None, args)
        if row is not None and row.module
        else [Input(n) for v in args.all() for n in nodes_used(m, v)]
    )
    op = f"{_written(value, base)}(...)"
    if value.kwargs.get("inplace") is True or (value.args and value.args[-1] is True):
        written = args.get(0)
        if isinstance(written, Tensor) and base.startswith("torch.nn.") and _has_inplace(base):
            overwrites.written(m, written, args.span, value.span)
            if "Dropout" not in base:  # that leaves its input alone in eval()
                needs.changed(m, written, args.span)
            m.set(written, NODE, compute(m, op, [*given, *weights], args.span))
            return written
    node = compute(m, op, [*given, *weights], args.span)
    if row is not None and len(row.outputs) > 1 and not row.when:
        return tuple(_output(m, node, args, flow) for flow in row.outputs)
    made = Tensor(node)
    if row is not None:
        needs.kept(m, row, op, args.positional, made, args.span, owned)
    return made


def _is_own(key: object, known: tuple[str, ...] | None) -> bool:
    """A cell of a layer that its forward uses: whatever tensor stands there now, be it its parameter or another.

    What else the program hangs on a layer whose parameters are known (a hook that keeps the output there) takes no part.
    """
    if known is not None:
        return key in known or (bool(known) and isinstance(key, str) and key.startswith(("weight", "bias")))
    return isinstance(key, str) and (not key.startswith("$") or key == OWN)


def _output(m: Machine, node: int, args: Args, flow: str) -> Val:
    if flow == "cuts":
        return Tensor(compute(m, "output", [Input(node, Flow.CUTS, "non-differentiable")], args.span))
    return Tensor(node)


def _has_inplace(base: str) -> bool:
    return base.rsplit(".", 1)[-1] in (
        "ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "Hardtanh", "RReLU",
        "Threshold", "Dropout", "Dropout1d", "FeatureAlphaDropout", "Dropout2d", "Dropout3d", "AlphaDropout",
    )  # fmt: skip


def _written(value: Instance, base: str) -> str:
    name = value.cells.get("$name", MISSING)
    return str(name) if isinstance(name, str) and not name.isdigit() else base.rsplit(".", 1)[-1]


# --- opaque models ---------------------------------------------------------------------------------------------------


def opaque_child(m: Machine, value: Instance, name: str) -> Instance:
    """The child of that name of a library model, made when first named; it copies the frozen state."""
    found = value.cells.get(name, MISSING)
    if isinstance(found, Instance):
        return found
    child = Instance(value.cls, value.span)
    child.opaque = True
    child.cells["$name"], child.cells["$parent"] = name, value
    child.cells["training"] = value.cells.get("training", Scalar())
    own = _of_part(m, value, f"parameters of {name}")
    if own is not None:
        child.cells[OWN] = own
    m.set(value, name, child)
    return child


def names_a_weight(name: str) -> bool:
    """Whether an attribute of some module is a parameter by its name."""
    return _WEIGHT.fullmatch(name) is not None


def opaque_weight(m: Machine, value: Instance, name: str) -> Val:
    """The weight of a layer of a library model is what stands for its parameters; other parameters are made when named."""
    own = value.cells.get(OWN)
    if name == "weight" and isinstance(own, Tensor):
        return own
    made = _of_part(m, value, f"{_written(value, 'model')} {name}")
    if made is None:
        return Unknown(name, value)
    m.set(value, name, made)
    return made


def _of_part(m: Machine, value: Instance, label: str) -> Tensor | None:
    """Parameters of a part of a library model, frozen as it is; perhaps there are none."""
    own = value.cells.get(OWN)
    if not isinstance(own, Tensor):
        return None
    known = m.tape.values[own.cells[NODE]]
    requires: Answer = "maybe" if known.requires_grad == "yes" else known.requires_grad
    return Tensor(m.tape.leaf(Kind.TENSOR, known.span, label, requires, parameter=True, frozen_at=known.frozen_at))


def stood_for(m: Machine, value: Instance) -> list[Instance]:
    """The named layers that a layer of a library model may be, which stands for any: `for layer in model`."""
    parent = value.cells.get("$parent")
    if value.cells.get("$name") != ANY or not isinstance(parent, Instance):
        return []
    others = [child for _, child in modules.children(m, parent) if child is not value]
    return [inner for child in others for _, inner in modules.named_modules(m, child)]


def _run_opaque(m: Machine, value: Instance, args: Args) -> Val:
    """Output carries from the input, the hooked activations and the parameters; assigned known children are run."""
    op = f"{_written(value, getattr(value.cls, 'name', 'model'))}(...)"
    given = [Input(n) for v in args.all() for n in nodes_used(m, v)]
    own = value.cells.get(OWN)
    named = [held for key, held in modules.entries(value) if names_a_weight(key)]
    weights = [Input(w.cells[NODE]) for w in (own, *named) if isinstance(w, Tensor)]
    current = Tensor(compute(m, op, [*given, *weights], args.span))
    for _, child in list(modules.children(m, value)):
        result = calls.call(m, child, Args(args.span, args.frame, [current]))
        inputs = [Input(n) for v in (result, current) for n in m.nodes(v, 2)]
        if not child.opaque:
            inputs = [Input(n) for n in m.nodes(result, 2)]
        current = Tensor(compute(m, op, inputs, args.span))
    return current


def opaque_method(m: Machine, value: Instance, name: str, args: Args) -> Val:
    """A method of a library model: its row, or its forward by another name."""
    row = m.catalog.row(f"{getattr(value.cls, 'name', '')}.{name}")
    if row is not None:
        return library.by_row(m, row, f".{name}()", value, args)
    return _run_opaque(m, value, args)


# --- other library objects -------------------------------------------------------------------------------------------


def read_library(m: Machine, frame: Frame, value: Instance, name: str, span: Span) -> Val:
    """An attribute of a library object that is no module."""
    if name == "param_groups" and "$params" in value.cells:
        group = DictObj()
        group.cells["k", "params"] = ListObj(training.held(value))
        group.cells["$open"] = True
        return ListObj([group])
    if name == "dataset" and "$dataset" in value.cells:
        return value.cells["$dataset"]
    if value.cls.name == settings.NAMESPACE:
        return Scalar()
    row = m.catalog.row(f"{value.cls.name}.{name}")
    if row is not None and row.attribute and HELD in value.cells:
        return library.by_row(m, row, f".{name}", None, Args(span, frame, value.cells[HELD]), value)
    return Native(value, f"{value.cls.name}.{name}")


def library_method(m: Machine, value: Instance, name: str, args: Args) -> Val:
    """A method of an optimizer, a handle, a context or any other library object."""
    short = name.rsplit(".", 1)[-1]
    if hooks.is_handle(value) and short in ("remove", "__exit__"):
        hooks.remove(m, value, args.span)
        return None
    if modes.is_stack(value) and short == "enter_context":
        return _enter_context(m, args.get(0), args)
    if "$params" in value.cells:
        return _optimizer_method(m, value, short, args)
    if isinstance(args.get(0), Instance) and "$params" in args.get(0).cells and short in ("step", "unscale_"):
        return _optimizer_method(m, args.get(0), short, Args(args.span, args.frame))  # `scaler.step(optimizer)`
    if getattr(value.cls, "name", "") == settings.PARSER:
        return settings.method(m, value, short, args)
    if short == "save_for_backward":
        m.set(value, "saved_tensors", tuple(args.positional))
        return None
    if "$inner" in value.cells:
        inner = value.cells["$inner"]
        table = methods.DICT if isinstance(inner, DictObj) else methods.LIST
        if isinstance(inner, Alt):
            return m.alternatives(inner, lambda held: calls.call(m, Native(held, short), args))
        if short in table:
            return table[short](m, inner, args)
    if short == "__init__" and "$inner" in value.cells:
        modules.library_init(m, value, modules.library_name(m, value), args)
        return None
    if short in ("__init__", "__init_subclass__", "__setattr__", "__post_init__"):
        if short == "__init__":
            modules.library_init(m, value, modules.library_name(m, value), args)
        if short == "__setattr__" and isinstance(args.get(0), str):
            m.set(value, args.get(0), args.get(1))
        return None
    row = m.catalog.row(name) if "." in name else m.catalog.row(f"{getattr(value.cls, 'name', '')}.{name}")
    if row is not None:
        args.more = [*args.more, *(value.cells.get(HELD, ()) if isinstance(value.cls, Lib) else machine.held(value))]
        return library.by_row(m, row, f".{short}()", None, args, value)
    return calls.unknown_call(m, Native(value, short), args, m.text(args.span))


def _enter_context(m: Machine, context: Val, args: Args) -> Val:
    """`stack.enter_context(context)`: in force until the block of the stack ends."""
    if isinstance(context, Mode):
        return modes.method(m, context, "__enter__")
    if isinstance(context, Instance) and not isinstance(context.cls, Lib):
        return calls.special_method(m, args.frame, context, "__enter__", args.span)
    m.set(m.state, storage.INSIDE_UNKNOWN, m.state.cells.get(storage.INSIDE_UNKNOWN, 0) + 1)
    return Unknown("context", context)


def _optimizer_method(m: Machine, value: Instance, name: str, args: Args) -> Val:
    if name == "step":
        closure = args.get(0, "closure")
        if closure is None:
            gradients.stepped(m, value, training.certainly_held(value), args.span)
        else:
            for _ in range(2 if value.cls.name.endswith(".LBFGS") else 1):  # it evaluates many times a step
                calls.call(m, closure, Args(args.span, args.frame))
        training.stepped(m, value)
        if training.certainly_held(value) == training.held(value):
            entry = (value, training.held(value))
            m.set(m.state, "stepped", tuple({id(e[0]): e for e in (*m.state.cells.get("stepped", ()), entry)}.values()))
        return None
    if name == "zero_grad":
        gradients.clear_all(m, training.certainly_held(value), args.span, gradients.to_none(m, args))
    if name == "add_param_group":
        more = modules.flatten_parameters(m, args.get(0))
        groups = [(*group, *more) for group in options(value.cells["$params"]) if isinstance(group, tuple)]
        m.set(value, "$params", join_values(m, groups) if groups else tuple(more))
    return None
