"""`nn.Module`: parameters, children, calling with hooks, freezing, library layers and opaque library models.

A module is an `Instance` whose classes lead to `torch.nn.Module`. Its parameters are tensors in its cells, its children are
modules in its cells; a library model (torchvision, timm) is opaque: children are made when they are named.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.static import (
    builtin_functions,
    calls,
    classes,
    exchanged,
    functions,
    gradients,
    hooks,
    layers,
    loaders,
    methods,
    module_methods,
    sizes,
    unregistered,
    unstepped,
)
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import (
    HELD,
    MADE,
    NODE,
    VIEW,
    Alt,
    DictObj,
    Frame,
    Generator,
    Instance,
    Lib,
    ListObj,
    Method,
    Native,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Span

MODULE = "torch.nn.Module"
#: library classes that are modules although they are not in torch.nn
_MODULE_BASES = frozenset((
    MODULE, "torch.nn.modules.Module", "torch.nn.modules.module.Module", "pytorch_lightning.LightningModule", "lightning.LightningModule",
    "lightning.pytorch.LightningModule", "pytorch_lightning.core.LightningModule", "transformers.PreTrainedModel",
    "torch.nn.modules.loss._Loss", "torch.jit.ScriptModule", "apex.parallel.DistributedDataParallel",
))  # fmt: skip
#: classes of torch.nn that are none; all others are, those with an underscore too (`_ConvNd`, `_WeightedLoss`)
_NO_MODULES = frozenset(("Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer", "PackedSequence"))
#: built-in classes whose instances of project subclasses hold a dict
_DICTS = ("builtins.dict", "collections.OrderedDict", "collections.UserDict", "collections.defaultdict")
_LISTS = ("builtins.list", "collections.deque", "collections.UserList", "builtins.set")
_SEQUENCES = ("torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ParameterList")
_MAPPINGS = ("torch.nn.ModuleDict", "torch.nn.ParameterDict")
_OF_PARAMETERS = ("torch.nn.ParameterList", "torch.nn.ParameterDict")


def is_module_class(m: Machine, name: str) -> bool:
    """Whether a library class is a module."""
    if name in _MODULE_BASES:
        return True
    last = name.rsplit(".", 1)[-1]
    if name.startswith("torch.nn.") and last.lstrip("_")[:1].isupper() and last not in _NO_MODULES:
        return True
    row = m.catalog.row(name)
    return row is not None and row.module


def is_module(m: Machine, value: Val) -> bool:
    """Whether an object is a module."""
    return isinstance(value, Instance) and any(
        isinstance(c, Lib) and is_module_class(m, c.name) for c in classes.order(value.cls)
    )


def library_subclass(line: list[Val], wanted: str) -> bool:
    """Whether a library class in the order derives from `wanted`, for what is known of torch."""
    return wanted == MODULE and any(
        isinstance(c, Lib) and (c.name in _MODULE_BASES or c.name.startswith("torch.nn.")) for c in line
    )


def begin(m: Machine, made: Instance) -> None:
    """A new instance: modules start in training mode."""
    if is_module(m, made):
        made.cells["training"] = True if m.whole else Scalar()
        made.cells[MADE] = tuple(m.stack)
    else:
        base = classes.library_base(m, made.cls)
        if base in _DICTS or base in _LISTS:
            made.cells["$inner"] = DictObj() if base in _DICTS else ListObj()


def library_name(m: Machine, value: Instance) -> str:
    """The library class that a module is or derives from first."""
    return classes.library_base(m, value.cls) or MODULE


# --- construction ----------------------------------------------------------------------------------------------------


def library_init(m: Machine, made: Instance, base: str, args: Args) -> Val:
    """`base.__init__(made, ...)` for a library class."""
    made.args, made.kwargs = tuple(args.positional), dict(args.keywords)
    if is_module_class(m, base):
        layers.build(m, made, base, args)
    elif base in _DICTS or base in _LISTS:
        plain = "builtins.dict" if base in _DICTS else "builtins.list"
        build = builtin_functions.FUNCTIONS.get(base, builtin_functions.FUNCTIONS[plain])
        m.set(made, "$inner", build(m, args))
    elif not isinstance(made.cls, Lib):
        m.set(
            made, HELD, tuple(args.all())
        )  # a distribution of the project's own: its base's methods use what it was made of
    return made


def before_write(m: Machine, receiver: Instance, name: str, value: Val, span: Span) -> None:
    """An attribute of a module is set: a parameter or child learns its name; a remade leaf kept as attribute is wanted."""
    exchanged.note(m, receiver.cells.get(name), value, span, inside=True)
    unregistered.note(m, receiver, name, value, span)
    unstepped.note(m, receiver, value, span)
    if isinstance(value, Tensor):
        gradients.replaced(m, receiver.cells.get(name), value)
        node = value.cells[NODE]
        if m.tape.values[node].remade and not m.tape.values[node].parameter:
            m.tape.wanted.add(node)
    if isinstance(value, Instance) and is_module(m, value) and "$name" not in value.cells:
        m.store.keep(value, "$name", name)


# --- structure -------------------------------------------------------------------------------------------------------


def children(m: Machine, value: Instance) -> Iterator[tuple[str, Instance]]:
    """The direct submodules, by name."""
    for key, held in list(value.cells.items()):
        if isinstance(key, str) and not key.startswith("$") and held is not MISSING:
            for option in options(held):
                if isinstance(option, Instance) and is_module(m, option):
                    yield key, option


def entries(value: Instance) -> list[tuple[str, Val]]:
    """What a container of modules or parameters holds, in order."""
    return [
        (key, held)
        for key, held in value.cells.items()
        if isinstance(key, str) and not key.startswith("$") and key != "training" and held is not MISSING
    ]


def named_modules(
    m: Machine, value: Instance, prefix: str = "", seen: set[int] | None = None
) -> Iterator[tuple[str, Instance]]:
    """The module and all below it."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    yield prefix, value
    for name, child in children(m, value):
        yield from named_modules(m, child, f"{prefix}.{name}" if prefix else name, seen)


def named_parameters(m: Machine, value: Instance) -> list[tuple[str, Tensor]]:
    """All parameters below a module, by dotted name."""
    found: list[tuple[str, Tensor]] = []
    for prefix, module in named_modules(m, value):
        for key, held in list(module.cells.items()):
            shown = isinstance(key, str) and (not key.startswith("$") or key == "$own")
            if shown and isinstance(held, Tensor) and m.tape.values[held.cells[NODE]].parameter:
                name = "weight" if key == "$own" else str(key)
                found.append((f"{prefix}.{name}" if prefix else name, held))
    return found


def flatten_parameters(m: Machine, value: Val) -> list[Tensor]:
    """The parameters in what an optimizer was given: a list, groups, a generator's values."""
    match value:
        case Tensor():
            return [value]
        case tuple():
            return [t for v in value for t in flatten_parameters(m, v)]
        case ListObj():
            return [t for v in content(value) for t in flatten_parameters(m, v)]
        case DictObj():
            return [t for k, v in dict_items(value) if k == "params" for t in flatten_parameters(m, v)]
        case Generator():
            return [t for v in calls.run_generator(m, value) for t in flatten_parameters(m, v)]
        case Alt():
            return [t for v in value.options for t in flatten_parameters(m, v)]
    return []


def truth(m: Machine, value: Instance) -> bool | None:
    """Truth of an instance: containers by content."""
    if library_name(m, value) in _SEQUENCES if is_module(m, value) else False:
        return any(True for _ in children(m, value)) or None
    return True if not isinstance(value.cls, Lib) and classes.find(m, value.cls, "__len__")[0] is MISSING else None


# --- attributes and items --------------------------------------------------------------------------------------------


def read(m: Machine, frame: Frame, value: Instance, name: str, span: Span) -> Val:
    """An attribute that is not in the cells of an instance: methods of `nn.Module`, children of opaque models."""
    if isinstance(value.cls, Lib) and not is_module(m, value):
        return layers.read_library(m, frame, value, name, span)
    if not is_module(m, value):
        inner = options(value.cells.get("$inner"))[0]
        table = methods.DICT if isinstance(inner, DictObj) else methods.LIST
        return Native(value, name) if inner is not None and name in table else NotImplemented
    if name == "_modules":
        return _submodules(m, value)
    if name == "_parameters" and not value.opaque:
        return _own_parameters(value)
    if name in module_methods.METHODS or (name == "forward" and isinstance(library_name(m, value), str)):
        return Native(value, name)
    if library_name(m, value) not in (MODULE, *_SEQUENCES):
        plain = sizes.read(name, of_model=value.opaque)
        if plain is not MISSING:
            return plain
    if value.opaque:
        if layers.names_a_weight(name):
            return layers.opaque_weight(m, value, name)
        known = m.catalog.row(f"{getattr(value.cls, 'name', '')}.{name}")
        return layers.opaque_child(m, value, name) if known is None or known.module else Native(value, name)
    return NotImplemented


def is_behind(m: Machine, value: Instance, name: str, held: Val) -> bool:
    """Whether a module's own method is found before what it registered under the same name (`self.parameters = nn.ParameterList(...)`)."""
    return name in module_methods.METHODS and isinstance(held, Instance) and is_module(m, held) and is_module(m, value)


def _submodules(m: Machine, value: Instance) -> DictObj:
    """`module._modules`; that of a library model holds one layer that stands for any, under a name that is not known."""
    made = DictObj()
    if value.opaque:
        layers.opaque_child(m, value, layers.ANY)
        made.cells["$open"] = True
    for key, child in children(m, value):
        made.cells["k", key if key != layers.ANY else Scalar()] = child
    return made


def _own_parameters(value: Instance) -> DictObj:
    """`module._parameters`: what is put there is an attribute of the module."""
    made = DictObj()
    made.cells[VIEW] = value
    for key, held in entries(value):
        if any(isinstance(option, Tensor) for option in options(held)):
            made.cells["k", key] = held
    return made


def get_item(m: Machine, value: Instance, index: Val, span: Span) -> Val:
    """`sequential[i]`, `modules["name"]`."""
    base = library_name(m, value) if is_module(m, value) else ""
    if base in _SEQUENCES or (is_module(m, value) and isinstance(index, (int, str)) and value.opaque):
        if value.opaque and not isinstance(index, (Scalar, Unknown)):
            return layers.opaque_child(m, value, str(index)) if isinstance(index, (int, str)) else value
        return layers.sequential_item(m, value, index)
    if base in _MAPPINGS and isinstance(index, str):
        return value.cells.get(index, Unknown(index, value))
    if "$tensors" in value.cells:
        from gradlint.static.tensors import element

        return tuple(
            element(m, t, index, span) if isinstance(t, Tensor) else Unknown("item", t) for t in value.cells["$tensors"]
        )
    return NotImplemented


def put(m: Machine, value: Instance, name: str, given: Val, args: Args) -> None:
    """A container of modules or parameters gets an entry; what is put among parameters becomes one."""
    if library_name(m, value) in _OF_PARAMETERS:
        given = m.alternatives(given, lambda option: _as_parameter(m, option, args))
    if isinstance(given, Instance) and "$name" not in given.cells:
        m.store.keep(given, "$name", name)
    m.set(value, name, given)


def _as_parameter(m: Machine, given: Val, args: Args) -> Val:
    plain = isinstance(given, Tensor) and not m.tape.values[given.cells[NODE]].parameter
    return functions.parameter_of(m, args, given) if plain else given


def set_item(m: Machine, value: Instance, index: Val, given: Val, args: Args) -> Val:
    """`sequential[i] = module`, `modules["name"] = module`."""
    if is_module(m, value) and isinstance(index, (int, str)):
        name = str(index)
        if isinstance(index, int) and index < 0:
            held = entries(value)
            if value.opaque or -index > len(held):
                return None  # nobody knows which
            name = held[index][0]
        before_write(m, value, name, given, args.span)
        put(m, value, name, given, args)
        return None
    return NotImplemented


def iterate(m: Machine, value: Instance, span: Span) -> Val:
    """Iterating containers of modules, data loaders and datasets."""
    if "$dataset" in value.cells:
        return loaders.batches(m, value, span)
    if "$tensors" in value.cells:
        return [get_item(m, value, Scalar(), span)], False
    if not is_module(m, value):
        return NotImplemented
    base = library_name(m, value)
    if value.opaque:
        return [layers.opaque_child(m, value, layers.ANY)], False
    if base in _SEQUENCES:
        return [held for _, held in entries(value)], True
    if base in _MAPPINGS:
        return [k for k, _ in entries(value)], True
    return NotImplemented


# --- calling ---------------------------------------------------------------------------------------------------------


def call(m: Machine, value: Instance, args: Args) -> Val:
    """`module(inputs)`: a call like any other, so that modules that hold each other come to an end."""
    if m.deep():
        return calls.unknown_call(m, value, args, m.text(args.span))
    m.stack.append(args.span)
    outermost, m.pass_begun = m.pass_begun, m.pass_begun or m.tape.tick()
    during, m.tape.during = m.tape.during, m.tape.during or args.span
    try:
        return _call_with_hooks(m, value, args)
    finally:
        m.pass_begun, m.tape.during = outermost, during
        m.stack.pop()


def _call_with_hooks(m: Machine, value: Instance, args: Args) -> Val:
    """Pre-hooks, forward, hooks; backward hooks are bound as they were registered when the call began."""
    time, bound = m.tape.tick(), hooks.of(value, hooks.BACKWARD)
    args = hooks.before_forward(m, value, args)
    inner = hooks.guarded_input(m, bound, args)
    output = hooks.fire_loose(m, value, inner, forward(m, value, inner))
    for layer in (*layers.stood_for(m, value), value):
        output = hooks.after_forward(m, layer, args, output)
        hooks.bind(m, layer, bound if layer is value else hooks.of(layer, hooks.BACKWARD), args, output)
        hooks.called(m, layer, args.span, time, output)
    return hooks.guarded_output(m, bound, output)


def forward(m: Machine, value: Instance, args: Args) -> Val:
    """The module's forward, without hooks: the one that the program put in its place, else that of its class."""
    return m.alternatives(value.cells.get("forward", MISSING), lambda own: _own_forward(m, value, own, args))


def _own_forward(m: Machine, value: Instance, own: Val, args: Args) -> Val:
    if own is MISSING or isinstance(own, Unknown) or (isinstance(own, Native) and own.receiver is value):
        return class_forward(m, value, args)
    return _run_bound(m, own, args)


def _run_bound(m: Machine, bound: Val, args: Args) -> Val:
    """A forward with its receiver; not through `call`: that is how a program goes past the hooks."""
    if isinstance(bound, Method):
        return calls.call(m, bound.function, args.prepend(bound.receiver))
    return calls.call(m, bound, args)


def class_forward(m: Machine, value: Instance, args: Args) -> Val:
    """The forward that a module has from its class."""
    declared, owner = classes.find(m, value.cls, "forward")
    if declared is not MISSING:
        return _run_bound(m, classes.bind(m, declared, value, owner), args)
    return layers.forward(m, value, library_name(m, value), args)


def past_hooks(m: Machine, value: Val, span: Span) -> None:
    """`module.forward(inputs)` in the program's text: no hook of the module runs."""
    if isinstance(value, Instance) and is_module(m, value):
        hooks.called(m, value, span, m.tape.tick(), bypass=True)


# --- methods ---------------------------------------------------------------------------------------------------------


def method(m: Machine, value: Instance, name: str, args: Args) -> Val:
    """A method of `nn.Module` or of another library class."""
    short = name.rsplit(".", 1)[-1]
    if is_module(m, value):
        run = module_methods.METHODS.get(short)
        if run is not None:
            return run(m, value, args)
        if short == "forward" and "." in name and classes.find(m, value.cls, short)[0] is not MISSING:
            # `super().forward(x)` in a forward of the project
            return layers.forward(m, value, name.rsplit(".", 1)[0], args)
        if short == "forward":
            hooks.called(m, value, args.span, m.tape.tick(), bypass=True)
            return class_forward(m, value, args)
        if short == "__init__":
            return library_init(m, value, name.rsplit(".", 1)[0] if "." in name else MODULE, args)
        if short == "__call__":
            return call(m, value, args)
        if short == "__setattr__" and isinstance(args.get(0), str):
            m.set(value, args.get(0), args.get(1))
            return None
        if value.opaque:
            return layers.opaque_method(m, value, short, args)
    return layers.library_method(m, value, name, args)
