"""The methods of `nn.Module`: parameters and children listed, modes and gradients switched, hooks, state copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gradlint.static import calls, classes, gradients, hooks, layers, modules, needs
from gradlint.static.arguments import Args
from gradlint.static.joins import join_values
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.store import MISSING
from gradlint.static.values import (
    NODE,
    Alt,
    DictObj,
    Instance,
    ListObj,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Flow, Kind, Span


def _parameters(m: Machine, value: Instance, args: Args) -> Val:
    found = [p for _, p in modules.named_parameters(m, value)]
    return ListObj(found, "list", _partly_known(m, value))


def _named_parameters(m: Machine, value: Instance, args: Args) -> Val:
    return ListObj([(n, p) for n, p in modules.named_parameters(m, value)], "list", _partly_known(m, value))


def _partly_known(m: Machine, value: Instance) -> bool:
    """Some module below is not known: there may be more parameters."""
    return any(
        isinstance(held, Unknown)
        for _, module in modules.named_modules(m, value)
        for held in module.cells.values()
        if held is not MISSING
    )


def _children(m: Machine, value: Instance, args: Args) -> Val:
    return ListObj(
        [c for _, c in modules.children(m, value)]
        or ([layers.opaque_child(m, value, layers.ANY)] if value.opaque else []),
        "list",
        value.opaque,
    )


def _named_children(m: Machine, value: Instance, args: Args) -> Val:
    known = list(modules.children(m, value)) or (
        [(layers.ANY, layers.opaque_child(m, value, layers.ANY))] if value.opaque else []
    )
    return ListObj([(n if n != layers.ANY else Scalar(), c) for n, c in known], "list", value.opaque)


def _modules(m: Machine, value: Instance, args: Args) -> Val:
    if value.opaque:
        layers.opaque_child(m, value, layers.ANY)
    return ListObj([c for _, c in modules.named_modules(m, value)], "list", value.opaque)


def _named_modules(m: Machine, value: Instance, args: Args) -> Val:
    if value.opaque:
        layers.opaque_child(m, value, layers.ANY)
    return ListObj(
        [(n if layers.ANY not in n else Scalar(), c) for n, c in modules.named_modules(m, value)], "list", value.opaque
    )


def _train(m: Machine, value: Instance, args: Args) -> Val:
    """What `nn.Module.train` does: the flag of this module is set, then each child's own `train` is called (torch 2.13)."""
    _set_training(m, value, args.get(0, "mode", True), args, set())
    return value


def _eval(m: Machine, value: Instance, args: Args) -> Val:
    """`train(False)`, which a class of the project may have of its own."""
    own = _own_train(m, value)
    if own is None:
        _set_training(m, value, False, args, set())
    else:
        calls.call(m, own, Args(args.span, args.frame, [False]))
    return value


def _set_training(m: Machine, value: Instance, flag: Val, args: Args, seen: set[int]) -> None:
    m.set(value, "training", flag)
    seen.add(id(value))
    for _, child in modules.children(m, value):
        own = None if id(child) in seen else _own_train(m, child)
        if own is not None:
            seen.add(id(child))
            calls.call(m, own, Args(args.span, args.frame, [flag]))
        elif id(child) not in seen:
            _set_training(m, child, flag, args, seen)


def _own_train(m: Machine, value: Instance) -> Val:
    """A module's own `train`, if its class has one."""
    found, owner = classes.find(m, value.cls, "train")
    return None if found is MISSING else classes.bind(m, found, value, owner)


def _same(m: Machine, value: Instance, args: Args) -> Val:
    return value


def _zero_grad(m: Machine, value: Instance, args: Args) -> Val:
    owned = [p for _, p in modules.named_parameters(m, value)]
    gradients.clear_all(m, owned, args.span, gradients.to_none(m, args))
    return None


def _requires_grad_(m: Machine, value: Instance, args: Args) -> Val:
    from gradlint.static.functions import set_requires_grad

    for _, parameter in modules.named_parameters(m, value):
        set_requires_grad(m, parameter, args.get(0, "requires_grad", True), args.span)
    return value


def _register_buffer(m: Machine, value: Instance, args: Args) -> Val:
    if isinstance(args.get(0, "name"), str):
        m.set(value, args.get(0, "name"), args.get(1, "tensor"))
    return None


def _apply(m: Machine, value: Instance, args: Args) -> Val:
    for _, module in reversed(list(modules.named_modules(m, value))):
        calls.call(m, args.get(0), Args(args.span, args.frame, [module]))
    return value


def _state_dict(m: Machine, value: Instance, args: Args) -> Val:
    made = DictObj()
    keeps = args.keywords.get("keep_vars", False)
    for name, parameter in modules.named_parameters(m, value):
        cut = Input(parameter.cells[NODE], Flow.CUTS, "library")
        copied = (
            Tensor(m.tape.result(Kind.TENSOR, args.span, name, ".state_dict()", [cut])) if keeps is not True else None
        )
        made.cells["k", name] = (
            parameter if copied is None else copied if keeps is False else join_values(m, [parameter, copied])
        )
    made.cells["$open"] = True
    return made


def _load_state_dict(m: Machine, value: Instance, args: Args) -> Val:
    """Copies values into the parameters: what is live in the given dict does not come with its graph.

    What the dict holds under a key that is not known may be meant for any of them.
    """
    given = args.get(0, "state_dict")
    if isinstance(given, DictObj):
        parameters = dict(modules.named_parameters(m, value))
        for key, held in dict_items(given):
            meant = [p for name, p in parameters.items() if name == key or isinstance(key, (Scalar, Unknown, Alt))]
            live = [n for o in options(held) if isinstance(o, Tensor) and m.tape.requires[n := o.cells[NODE]] != "no"]
            for parameter in meant if live else ():
                _overwrite(m, parameter, live, args.span)
    if args.get(1, "strict", True) is True:  # every parameter gets a value, or it raises
        for _, parameter in modules.named_parameters(m, value):
            needs.changed(m, parameter, args.span)
    return Unknown("load_state_dict(...)")


def _overwrite(m: Machine, parameter: Tensor, sources: Iterable[int], span: Span) -> None:
    known = m.tape.values[parameter.cells[NODE]]
    made = m.tape.leaf(Kind.TENSOR, known.span, known.label, known.requires_grad, parameter=True)
    m.tape.earlier[made] = parameter.cells[NODE]
    for source in sources:
        m.tape.edge(source, made, span, "load_state_dict()", Flow.CUTS, "rebuild")
    m.set(parameter, NODE, made)


def _get_submodule(m: Machine, value: Instance, args: Args) -> Val:
    path = args.get(0, "target")
    if not isinstance(path, str):
        return Unknown("submodule", value)
    found: Val = value
    for part in path.split("."):
        if not isinstance(found, Instance):
            return Unknown("submodule", value)
        inner = found.cells.get(part, MISSING)
        found = (
            inner
            if inner is not MISSING
            else (layers.opaque_child(m, found, part) if found.opaque else Unknown("submodule", value))
        )
    return found


def _append(m: Machine, value: Instance, args: Args) -> Val:
    modules.put(m, value, str(len(modules.entries(value))), args.get(0), args)
    return value


def _extend(m: Machine, value: Instance, args: Args) -> Val:
    from gradlint.static.containers import sequence

    for item in sequence(m, args.frame, args.get(0), args.span)[0]:
        _append(m, value, Args(args.span, args.frame, [item]))
    return value


def _update(m: Machine, value: Instance, args: Args) -> Val:
    """`ModuleDict.update(...)`: a dict, another container, or pairs."""
    for key, held in _pairs(args.get(0)):
        if isinstance(key, str):
            modules.put(m, value, key, held, args)
    return None


def _pairs(given: Val) -> Sequence[tuple[Val, Val]]:
    match given:
        case DictObj():
            return list(dict_items(given))
        case Instance():
            return modules.entries(given)
        case ListObj():
            return [(v[0], v[1]) for v in content(given) if isinstance(v, tuple) and len(v) == 2]
    return ()


def _keys(m: Machine, value: Instance, args: Args) -> Val:
    return ListObj([name for name, _ in modules.entries(value)], "list", value.opaque)


def _items(m: Machine, value: Instance, args: Args) -> Val:
    return ListObj(list(modules.entries(value)), "list", value.opaque)


def _values(m: Machine, value: Instance, args: Args) -> Val:
    return ListObj([held for _, held in modules.entries(value)], "list", value.opaque)


def _double_underscore_len(m: Machine, value: Instance, args: Args) -> Val:
    return Scalar() if value.opaque else len(modules.entries(value))


METHODS: dict[str, Callable[[Machine, Instance, Args], Val]] = {
    "parameters": _parameters, "named_parameters": _named_parameters, "children": _children, "named_children": _named_children,
    "modules": _modules, "named_modules": _named_modules, "train": _train, "eval": _eval, "to": _same, "cuda": _same,
    "cpu": _same, "float": _same, "double": _same, "half": _same, "zero_grad": _zero_grad, "requires_grad_": _requires_grad_,
    "register_forward_hook": hooks.on_module(hooks.FORWARD, "forward"),
    "register_forward_pre_hook": hooks.on_module(hooks.PRE, "pre"),
    "register_full_backward_hook": hooks.on_module(hooks.BACKWARD, "backward"),
    "register_backward_hook": hooks.on_module(hooks.BACKWARD, "legacy"),
    "register_buffer": _register_buffer, "register_parameter": _register_buffer, "add_module": _register_buffer,
    "register_module": _register_buffer, "apply": _apply, "state_dict": _state_dict, "load_state_dict": _load_state_dict,
    "get_submodule": _get_submodule, "append": _append, "extend": _extend, "keys": _keys, "update": _update, "items": _items,
    "values": _values, "__len__": _double_underscore_len, "share_memory": _same, "type": _same,
}  # fmt: skip
