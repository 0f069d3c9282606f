"""Unknown values that the program uses as tensors: from then on they are tensors that may require grad."""

from __future__ import annotations

from gradlint.static import functions, tensors
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.store import MISSING
from gradlint.static.values import NODE, WHOLE, ListObj, Scalar, Tensor, Unknown, Val
from gradlint.tape import Flow, Kind, Span

#: methods that other objects have too: on an unknown receiver they prove nothing
_AMBIGUOUS = frozenset(
    [
        "copy",
        "data",
        "values",
        "keys",
        "items",
        "get",
        "pop",
        "append",
        "update",
        "index",
        "count",
        "format",
        "split",
        "type",
        "to",
        "eval",
        "train",
        "size",
        "add",
        "sub",
        "remove",
        "sum",
        "mean",
        "max",
        "min",
        "float",
        "double",
        "half",
        "cuda",
        "cpu",
        "int",
        "bool",
        "long",
        "apply_",
        "map_",
        "fill_",
        "new",
        "all",
        "any",
        "sort",
        "sqrt",
        "exp",
        "log",
        "abs",
        "round",
        "clip",
        "dot",
        "prod",
        "std",
        "var",
        "repeat",
        "expand",
        "take",
        "put",
        "where",
        "select",
        "sample",
        "forward",
        "step",
        "zero_grad",
        "parameters",
        "children",
        "modules",
        "name",
        "share_memory_",
        "bfloat16",
        "requires_grad_",
        "is_floating_point",
        "numpy",
        "tolist",
        "item",
        "log_prob",
        "entropy",
        "rsample",
        "backward",
        "set",
        "diff",
        "cross",
        "T",
        "shape",
        "clone",
        "squeeze",
        "copy_",
        "reshape",
        "transpose",
        "flatten",
        "astype",
        "view",
    ]
)
#: methods that prove that what they are called on is a tensor, rows or not
_OF_TENSORS = frozenset(
    [
        "item",
        "tolist",
        "numpy",
        "argmax",
        "argmin",
        "detach",
        "requires_grad_",
        "backward",
        "register_hook",
        "retain_grad",
    ]
)


#: methods that of all things only models have: what they are called on is one
_OF_MODELS = frozenset(
    [
        "parameters", "named_parameters", "children", "named_children", "modules", "named_modules", "eval", "train",
        "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook", "register_backward_hook",
        "load_state_dict",
    ]
)  # fmt: skip


def is_model(value: Val) -> bool:
    """Whether the program has treated an unknown as a model: it owns parameters, and calling it runs its forward."""
    return isinstance(value, Unknown) and "$model" in value.cells


def output_of(m: Machine, model: Unknown, made: Unknown, args: Args) -> None:
    """What an unknown model returned carries from its parameters and its input; with gradients off from nothing."""
    mode, label = m.mode, m.text(args.span)
    taken = dict.fromkeys(n for v in args.all() for n in m.nodes(v))
    given = [Input(parameters_of(m, model)), *(Input(n) for n in taken)]
    if mode.enabled is False:
        cut = [Input(g.node, Flow.CUTS, "grad-mode") for g in given]
        made.cells[NODE] = m.tape.result(Kind.UNKNOWN, mode.place(args.span), label, mode.label, cut, at=args.span)
    else:
        made.cells[NODE] = m.tape.result(Kind.UNKNOWN, args.span, label, "model", given)
    made.cells[WHOLE] = True


def parameters_of(m: Machine, model: Unknown) -> int:
    """The node that stands for the parameters of an unknown model; whether they are frozen is not known."""
    own = model.cells.get("$model")
    if not isinstance(own, int) or isinstance(own, bool):
        own = m.tape.leaf(Kind.TENSOR, m.here(), f"parameters of {model.label}", "maybe", parameter=True)
        m.store.keep(model, "$model", own)  # once a model, always a model
    return own


def promote(m: Machine, value: Unknown) -> Tensor:
    """The program uses an unknown value as a tensor: from now on it is one, which may require grad."""
    found = value.cells.get("$tensor", MISSING)
    if found is not MISSING:
        return found  # type: ignore[no-any-return]
    if m.is_part(value):
        return _keep(m, value, m.unknown_node(value))
    before = value.cells.get(NODE, MISSING)
    origin = [] if before is MISSING else [before]
    if before is MISSING and value.origin is not None:
        origin = m.nodes(value.origin, depth=1)
    node = m.tape.leaf(Kind.TENSOR, m.here(), value.label, "maybe")
    for source in origin:
        m.tape.edge(source, node, m.here(), value.label, Flow.UNKNOWN)
    return _keep(m, value, node)


def _keep(m: Machine, value: Unknown, node: int) -> Tensor:
    made = Tensor(node)
    m.store.keep(value, "$tensor", made)  # once a tensor, always a tensor
    m.store.keep(value, NODE, node)
    return made


def may_be_leaf(m: Machine, value: Unknown) -> bool:
    """Whether setting the flag on an unknown tells that it is a tensor: a part of a model would be a module."""
    return value.origin is None or m.is_part(value)


def promoted(value: Val) -> Val:
    """The tensor an unknown turned out to be, else the value itself."""
    return value.cells.get("$tensor", value) if isinstance(value, Unknown) else value


def read_unknown(m: Machine, value: Unknown, name: str, span: Span) -> Val:
    """An attribute of an unknown value that may be a tensor."""
    tensor = value.cells.get("$tensor", MISSING)
    if tensor is not MISSING:
        return tensors.read(m, tensor, name, span)
    if name in ("requires_grad", "grad_fn"):
        return Scalar(about=("requires_grad", value))
    if name == "is_leaf":
        return Scalar(about=("not requires_grad", value))
    if name == "data" and m.is_part(value):  # of what a model returned: without its graph, as a tensor's is
        return tensors.read(m, promote(m, value), name, span)
    if name in ("shape", "ndim", "dtype", "device", "is_cuda"):
        return ListObj([Scalar()], "list", True) if name == "shape" else Scalar()
    return NotImplemented


def write_unknown(m: Machine, value: Unknown, name: str, given: Val, span: Span) -> bool:
    """`unknown.requires_grad = True` tells that it is a tensor; returns whether the write was dealt with."""
    if name == "requires_grad" and given is True and may_be_leaf(m, value):
        functions.set_requires_grad(m, promote(m, value), given, span)
        return True
    tensor = value.cells.get("$tensor", MISSING)
    if tensor is not MISSING and name in ("grad", "data", "requires_grad"):
        tensors.write(m, tensor, name, given, span)
        return True
    return name == "requires_grad"


def method_of_unknown(m: Machine, callee: Unknown, args: Args) -> Val:
    """A call of `unknown.name(...)`: a method that only tensors have tells that it is one."""
    receiver, name = callee.origin, callee.name
    if not isinstance(receiver, Unknown) or not name:
        return NotImplemented
    if name in _OF_MODELS and "$model" not in receiver.cells:
        m.store.keep(receiver, "$model", True)
    if name in ("to", "cuda", "cpu", "eval", "train", "float", "double", "half"):
        return receiver
    special = functions.UNKNOWN_METHODS.get(name)
    if special is not None:
        return special(m, receiver, args)
    known = m.catalog.row(f"{tensors.TENSOR}.{name}") is not None
    if name in _OF_TENSORS or (known and (name not in _AMBIGUOUS or m.is_part(receiver))):
        return tensors.method(m, promote(m, receiver), name, args)
    return NotImplemented


def item_of_unknown(m: Machine, value: Unknown, index: Val, span: Span) -> Val:
    """`unknown[index]`."""
    tensor = value.cells.get("$tensor", MISSING)
    if tensor is not MISSING:
        return tensors.element(m, tensor, index, span)
    made = Unknown(m.text(span), value)
    nodes = m.nodes(index, 2)
    if nodes and not m.is_part(value):
        made.cells[NODE] = m.tape.unknown(span, made.label, m.nodes(value, 1))
    return made


def element_of_unknown(m: Machine, value: Unknown, span: Span) -> Val:
    """One element of an unknown iterable."""
    tensor = value.cells.get("$tensor", MISSING)
    return tensors.element(m, tensor, None, span) if tensor is not MISSING else Unknown(m.text(span), value)
