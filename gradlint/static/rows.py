"""Applying a model row: what flows from the arguments of a library call to its result, and how.

The one dispatcher of library knowledge: qualified name -> row -> `apply`. Everything here is about any row; the few
callables that need code are in `functions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gradlint.static import demands, gradients, needs, storage
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import Input, answer
from gradlint.static.values import (
    HELD,
    NODE,
    WHOLE,
    Alt,
    Array,
    DictObj,
    Image,
    Instance,
    Lib,
    ListObj,
    Native,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Edge, Flow, Kind, Span

if TYPE_CHECKING:
    from gradlint.catalog import Row

FLOWS = {"carries": Flow.CARRIES, "cuts": Flow.CUTS, "zeroes": Flow.ZEROES, "unknown": Flow.UNKNOWN}
KINDS = {"array": Kind.ARRAY, "image": Kind.ARRAY, "number": Kind.NUMBER, "list": Kind.NUMBER}
#: casts that prepare an export: with it they are one step, placed at the whole chain and named by the export
PREPARES = frozenset((".byte()", ".to()", ".type()", ".int()", ".long()", ".short()", ".char()"))

#: operations that keep tensors only for some arguments, in training mode or for some sizes
AT_TIMES = frozenset((
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu", "RReLU",
    "addcmul", "addcdiv", "addmm", "addmv", "addr", "addbmm", "baddbmm", "lerp", "linear", "bilinear", "pad", "to",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d",
    "MultiheadAttention", "multi_head_attention_forward", "pow", "float_power",
))  # fmt: skip


def nodes_used(m: Machine, value: Val, depth: int = 2) -> list[int]:
    """The nodes of a value that an operation uses; a gradient that is used is demanded."""
    gradients.use(m, value)
    if isinstance(value, Tensor):
        return [value.cells[NODE]]
    if isinstance(value, Alt) and depth:
        return _one_of(m, [nodes_used(m, option, depth - 1) for option in options(value)])
    if isinstance(value, (tuple, ListObj, DictObj)) and depth:
        parts = (
            value if isinstance(value, tuple) else content(value) if isinstance(value, ListObj)
            else [v for _, v in dict_items(value)]
        )  # fmt: skip
        return [n for part in parts for n in nodes_used(m, part, depth - 1)]
    held = m.nodes(value, 2)
    if isinstance(value, Native):  # an attribute that nobody described: something of what the object holds, or anything
        return [m.tape.unknown(m.here(), value.name, held)]
    return held


def _one_of(m: Machine, ways: list[list[int]]) -> list[int]:
    """The nodes of one of several values: a join, if these differ, for the operation certainly uses none of them."""
    nodes = list(dict.fromkeys(node for way in ways for node in way))
    if not nodes or all(way == ways[0] for way in ways):
        return nodes
    last = m.tape.values[nodes[-1]]
    return [m.tape.phi(nodes, last.span, last.label)]


def compute(m: Machine, op: str, inputs: Iterable[Input], span: Span, kind: Kind = Kind.TENSOR, foreign: bool = False,
            gradient: bool = False, view: bool = False) -> int:  # fmt: skip
    """The node an operation makes, in the grad mode in force: with gradients off every input is cut at the switch.

    A view of a tensor that requires grad still says that it requires grad, but is a leaf of its own (torch 2.13).
    """
    mode = m.mode
    given = list(inputs)
    viewed = view and kind == Kind.TENSOR and bool(given) and given[0].flow == Flow.CARRIES
    if viewed and mode.enabled is False and not mode.inference and m.tape.requires[given[0].node] != "no":
        source = given[0].node
        return m.tape.remake(source, mode.place(span), m.text(span), m.tape.requires[source], mode.label, mode.cause)
    own = any(g.flow == Flow.CUTS and g.cause not in ("", mode.cause) for g in given)  # that needs no mode to cut
    if mode.enabled is False and kind in (Kind.TENSOR, Kind.UNKNOWN) and given and not own:
        cut = [Input(g.node, Flow.CUTS, mode.cause, g.term, g.product, g.select, reason=mode.entry) for g in given]
        return m.tape.result(kind, mode.place(span), m.text(span), mode.label, cut, at=span, gradient=gradient)
    return m.tape.result(kind, span, m.text(span), op, given, foreign=foreign, gradient=gradient)


def export_source(m: Machine, node: int, span: Span) -> int:
    """Where an export's chain begins: back over preparing steps that are written inside the export's own expression."""
    while True:
        into = m.tape.into[node]
        if len(into) != 1 or into[0].at is not None or not into[0].span.within(span) or not _prepares(into[0]):
            return node
        node = into[0].src


def saves(row: Row) -> bool:
    """Whether the operation keeps tensors for its backward whichever input requires grad."""
    return bool(row.saves) and row.name.rsplit(".", 1)[-1].rstrip("_") not in AT_TIMES


def _prepares(edge: Edge) -> bool:
    """A step that an export may take along: what carries, a detach, a cast; not what has no derivative in itself."""
    return edge.flow == Flow.CARRIES or edge.cause in ("detach", "data-attribute") or edge.op in PREPARES


def gather(m: Machine, row: Row, receiver: Val, args: Args, flow: str | None = None) -> list[Input]:
    """The inputs of a row's operation: which arguments, and how each flows."""
    kind = FLOWS.get(flow or row.flow, Flow.CARRIES)
    cause = row.cause if kind in (Flow.CUTS, Flow.ZEROES) else ""
    found: list[Input] = []
    given = named(row, receiver, args)
    tensors = [name for name, value in given if m.nodes(value)]
    for name, value in given:
        if name in row.select:
            found += [Input(n, Flow.CUTS, "non-differentiable", select=True) for n in nodes_used(m, value)]
            continue
        if row.inputs and name not in row.inputs:
            continue
        numeric = isinstance(value, Scalar)
        scaled = row.product and len(tensors) == 1
        for node in nodes_used(m, value):
            if cause in ("numpy", "number") and m.tape.values[node].kind in (Kind.ARRAY, Kind.NUMBER):
                found.append(Input(node))  # it has left torch before: data goes on
                continue
            source = export_source(m, node, args.span) if cause in ("numpy", "number") else node
            found.append(
                Input(
                    source,
                    kind,
                    cause,
                    term=row.term or (scaled and not numeric),
                    product=row.product and not scaled,
                    saves=saves(row),
                )
            )
    return found


def named(row: Row, receiver: Val, args: Args) -> list[tuple[str, Val]]:
    """The arguments with their parameter names, the receiver as `self`."""
    given: list[tuple[str, Val]] = [("self", receiver)] if receiver is not None else []
    for i, value in enumerate(args.positional):
        given.append((row.signature[i] if i < len(row.signature) else "", value))
    given += [(k, v) for k, v in args.keywords.items() if k != "out"]
    given += [("", v) for v in args.more]
    return given


def apply(m: Machine, row: Row, op: str, receiver: Val, args: Args) -> Val:
    """The result of a call that a row describes. `op` is how the operation is written in messages."""
    if row.returns == "none":
        return None
    if row.returns == "scalar":
        return Scalar()
    if row.returns == "instance":
        return instance(row.name, args)
    if row.returns == "given":
        return _given_back(row, args)
    if row.flow == "constant" or (row.factory and not (row.inputs or row.cause)):
        return _constant(m, row, args)
    if row.raises:
        _export_raises(m, receiver, args)
    if receiver is None and args.positional and args.positional[0] is None and row.refuses_none:
        raise Raised(f"{row.name}: argument 1 must be Tensor, not NoneType", kind="TypeError", place=m.absent)
    inputs = gather(m, row, receiver, args)
    if row.outputs and row.when and _may_be_operand(row, receiver, args):
        return m.unknown(m.text(args.span), [given.node for given in inputs])
    if row.outputs and (not row.when or _given(row, receiver, args)):
        return _several(m, row, op, receiver, args)
    if row.factory and not inputs:
        return _constant(m, row, args)
    if not inputs and row.returns in ("tensor", "array", "image", "number") and not _arguments_known(args):
        return m.unknown(m.text(args.span))
    node = compute(m, op, inputs, args.span, KINDS.get(row.returns, Kind.TENSOR), row.foreign, view=row.view)
    if row.factory and args.keywords.get("requires_grad", False) is not False:
        node = m.tape.remake(node, args.span, m.text(args.span), answer(args.keywords["requires_grad"]), op, "remade")
    own = receiver is not None and (not row.inputs or "self" in row.inputs)
    base = receiver if own else args.get(0)  # `x.new(y)` is made of `y`
    made = wrap(m, row, node, receiver if own or row.returns == "self" else None, inputs)
    storage.view(m, made, base, row)
    needs.kept(m, row, op, args.positional if receiver is None else [receiver, *args.positional], made, args.span)
    return made


def instance(name: str, args: Args) -> Instance:
    """A library object that holds what it was made of: a distribution, a composed transform."""
    made = Instance(Lib(name), args.span)
    made.cells[HELD] = tuple(args.all())
    made.args, made.kwargs = tuple(args.positional), dict(args.keywords)
    return made


def _given_back(row: Row, args: Args) -> Val:
    """What the row says is handed back, wrapped or not: some arguments, or everything that was given."""
    given = [v for name, v in named(row, None, args) if name in row.inputs] if row.inputs else args.positional
    return given[0] if len(given) == 1 else tuple(given)


def _given(row: Row, receiver: Val, args: Args) -> bool:
    """Whether the argument that makes several outputs was given (a tensor in its place is another operand)."""
    value = next((v for name, v in named(row, receiver, args) if name == row.when), None)
    if len(row.outputs) == 1:  # another flow, not more outputs: only where the argument is known
        return isinstance(value, str)
    return value is not None and value is not False and not isinstance(value, Tensor)


def _may_be_operand(row: Row, receiver: Val, args: Args) -> bool:
    """Whether it is not known if an argument chooses the outputs or is another operand: `torch.min(a, b)`."""
    value = next((v for name, v in named(row, receiver, args) if name == row.when), None)
    return (
        len(row.outputs) > 1 and row.when not in args.keywords and any(isinstance(o, Unknown) for o in options(value))
    )


def _arguments_known(args: Args) -> bool:
    return not args.rest


def wrap(m: Machine, row: Row, node: int, receiver: Val, inputs: list[Input]) -> Val:
    """A value of the kind the row returns, at a node."""
    match row.returns:
        case "array":
            return Array(node if inputs else None)
        case "image":
            return Image(node if inputs else None)
        case "number":
            return Scalar(node if inputs else None)
        case "list":
            return ListObj([Scalar(node)], "list", True)
        case "tensors" | "tuple":
            return ListObj([Tensor(node)], "list", True)
        case "self":
            return receiver
        case "unknown" | "instance" | "module":
            made = Unknown(m.tape.values[node].label)
            made.cells[NODE] = node
            if inputs and all(given.flow == Flow.CUTS for given in inputs):
                made.cells[WHOLE] = True
            return made
    return Tensor(node, receiver if row.view and isinstance(receiver, Tensor) else None)


def _constant(m: Machine, row: Row, args: Args) -> Val:
    """A fresh leaf (`torch.zeros`), or an array without any tensor's data."""
    if row.returns in ("array", "image"):
        return Array() if row.returns == "array" else Image()
    if row.returns == "list":
        return ListObj([Scalar()], "list", True)
    if row.returns == "number":
        return Scalar()
    wanted = args.keywords.get("requires_grad", False)
    return Tensor(m.tape.leaf(Kind.TENSOR, args.span, m.text(args.span), answer(wanted)))


def _several(m: Machine, row: Row, op: str, receiver: Val, args: Args) -> Val:
    """Several outputs, each with its own flow; a named tuple where the row names them."""
    parts: list[Val] = []
    for flow in row.outputs:
        inputs = gather(m, row, receiver, args, flow)
        if flow == "cuts":
            inputs = [Input(g.node, Flow.CUTS, row.cause or "non-differentiable") for g in inputs]
        parts.append(Tensor(compute(m, op, inputs, args.span)))
    if len(parts) == 1:
        return parts[0]
    if not row.fields:
        return tuple(parts)
    made = Instance(Lib("collections.namedtuple"), args.span)
    for name, part in zip(row.fields, parts, strict=False):
        made.cells[name] = part
    made.cells["$tuple"] = tuple(row.fields)
    return made


def _export_raises(m: Machine, receiver: Val, args: Args) -> None:
    """A NumPy call on a tensor that certainly requires grad, or on a list of such, raises: a demand of its own."""
    for value in ([receiver] if receiver is not None else []) + args.all():
        for tensor in _tensors(value):
            if m.tape.requires[tensor.cells[NODE]] == "yes":
                demands.exported(m, tensor.cells[NODE], args.span)
                break


def _tensors(value: Val, depth: int = 3) -> Iterator[Tensor]:
    """The tensors that NumPy meets when it makes an array of a value: itself or a sequence's, not a dict's."""
    if isinstance(value, Tensor):
        yield value
    elif depth and (isinstance(value, tuple) or (isinstance(value, ListObj) and value.cells.get("$open") is not True)):
        for part in value if isinstance(value, tuple) else content(value):
            yield from _tensors(part, depth - 1)
