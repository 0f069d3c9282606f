"""Tensors, arrays and numbers made from them: attributes, methods, operators, indexing, in-place changes, leaves.

An operation makes a new node; the object's node cell is re-pointed by what changes it in place. Unknown values become
tensors where the program uses them as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gradlint.static import flags, functions, gradients, kinds, needs, overwrites, storage, unknowns
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.rows import apply, compute, nodes_used
from gradlint.static.store import MISSING
from gradlint.static.values import (
    NODE,
    Array,
    Image,
    Lib,
    ListObj,
    Native,
    Scalar,
    Tensor,
    Unknown,
    Val,
    is_raw,
)  # fmt: skip
from gradlint.tape import Flow, Kind, Span

TENSOR = "torch.Tensor"
_NOT_MINE: Any = NotImplemented
_SIZES = ("shape",)
_FLAGS = frozenset(
    [
        "device",
        "dtype",
        "ndim",
        "is_cuda",
        "layout",
        "is_sparse",
        "names",
        "nbytes",
        "itemsize",
        "is_mps",
        "output_nr",
        "name",
    ]
)
_VIEWS = frozenset(["T", "mT", "H", "mH", "real", "imag"])
_MOVES = frozenset(["to", "cuda", "cpu", "float", "double", "half", "type", "bfloat16", "type_as", "xpu", "mps"])
_INTEGER = frozenset(
    [
        "torch.long",
        "torch.int",
        "torch.int8",
        "torch.int16",
        "torch.int32",
        "torch.int64",
        "torch.uint8",
        "torch.bool",
        "torch.short",
        "torch.LongTensor",
        "torch.IntTensor",
        "torch.BoolTensor",
        "torch.ByteTensor",
        "torch.cuda.LongTensor",
        "builtins.int",
        "builtins.bool",
    ]
)


# --- reading and writing attributes ----------------------------------------------------------------------------------


def read(m: Machine, value: Tensor, name: str, span: Span) -> Val:
    """`tensor.name`."""
    found = value.cells.get(name, MISSING)
    if found is not MISSING:
        return found
    if name in _SIZES:
        return ListObj([Scalar()], "list", True)
    if name in _FLAGS:
        return Scalar()
    match name:
        case "grad":
            return gradients.read(m, value, span)
        case "data":
            return data_of(m, value, span)
        case "requires_grad":
            answer = m.tape.requires[value.cells[NODE]]
            return Scalar(about=("requires_grad", value)) if answer == "maybe" else answer == "yes"
        case "grad_fn" | "is_leaf":
            return _history(m, value, name)
    if name in _VIEWS:
        made = Tensor(compute(m, f".{name}", [Input(value.cells[NODE])], span, view=True), value)
        storage.view(m, made, value)
        return made
    if not name.startswith("_") and name not in functions.METHODS and m.catalog.row(f"{TENSOR}.{name}") is None:
        return _part(m, value, name, span)
    return Native(value, name)


def _history(m: Machine, value: Tensor, name: str) -> Val:
    """`t.grad_fn`, `t.is_leaf`: what has no graph is a leaf, and what is no leaf has a graph."""
    answer = m.tape.requires[value.cells[NODE]]
    if answer == "no":
        return None if name == "grad_fn" else True
    if name == "grad_fn":
        return Scalar(about=("requires_grad", value))
    return (
        Scalar(about=("not requires_grad", value))
        if answer == "maybe"
        else m.tape.values[value.cells[NODE]].leaf or Scalar()
    )


def _part(m: Machine, value: Tensor, name: str, span: Span) -> Tensor:
    """No tensor has that attribute, so this is an output with several parts: one of them, off the way of the others."""
    made = Tensor(m.tape.result(Kind.UNKNOWN, span, m.text(span), f".{name}", [Input(value.cells[NODE])]))
    m.set(value, name, made)
    return made


def data_of(m: Machine, value: Tensor, span: Span) -> Tensor:
    """`x.data`: the same storage, cut from the graph. Of a value without a graph it is simply the value."""
    gradients.use(m, value)
    node = m.tape.result(
        Kind.TENSOR, span, m.text(span), ".data", [Input(value.cells[NODE], Flow.CUTS, "data-attribute")]
    )
    made = Tensor(node)
    made.cells["$alias"] = value
    overwrites.alias(m, value, made)
    return made


def write(m: Machine, value: Tensor, name: str, given: Val, span: Span) -> None:
    """`tensor.name = given`."""
    match name:
        case "requires_grad":
            functions.set_requires_grad(m, value, given, span)
        case "grad":
            gradients.assign(m, value, given, span)
        case "data":
            _past(m, value, ".data =", nodes_used(m, given), "data-attribute", span)
            gradients.overwritten(m, value, nodes_used(m, given))
        case _:
            flags.set_on_tensor(m, name, given, span)
            m.set(value, name, given)


def read_array(m: Machine, value: Array, name: str, span: Span) -> Val:
    """`array.name`."""
    if name in ("shape", "strides"):
        return ListObj([Scalar()], "list", True)
    if name in ("T", "real", "imag", "flat", "data"):
        node = m.node_of(value)
        return Array(None if node is None else compute(m, f".{name}", [Input(node)], span, Kind.ARRAY))
    return Scalar() if name in ("dtype", "ndim", "size", "mode", "width", "height", "nbytes") else Native(value, name)


def read_scalar(m: Machine, value: Scalar, name: str, span: Span) -> Val:
    """An attribute of some number or text."""
    return Native(value, name)


def scalar_method(m: Machine, value: Val, name: str, args: Args) -> Val:
    """A method of a number or text: what came from a tensor stays known as such."""
    inner = m.node_of(value) if isinstance(value, Scalar) else None
    if name in ("split", "keys", "items", "values"):
        return ListObj([Scalar()], "list", True)
    return Scalar(inner) if inner is not None else Scalar()


def is_instance(m: Machine, value: Tensor, name: str) -> bool | None:
    """`isinstance(tensor, name)`."""
    if name in (TENSOR, "torch.autograd.Variable", "object") or kinds.of_tensors(name):
        return True
    if name.endswith("Parameter"):
        known = m.tape.values[value.cells[NODE]]
        return True if known.parameter else None if known.leaf and known.requires_grad == "maybe" else False
    return None if name.startswith("torch.") or not name else False


def guard_none(m: Machine, value: Val) -> Val:
    """Whether a value is None, for `is None` tests: testing a gradient demands nothing and guards its later uses."""
    if isinstance(value, Tensor):
        return gradients.guard(m, value)
    return _NOT_MINE


def assume_live(m: Machine, value: Val) -> None:
    """Inside `if t.requires_grad:` t is live, whatever made it."""
    if isinstance(value, Unknown):
        value = unknowns.promote(m, value)
    if isinstance(value, Tensor) and m.tape.requires[value.cells[NODE]] != "yes":
        old = value.cells[NODE]
        known = m.tape.values[old]
        node = m.tape.leaf(Kind.TENSOR, known.span, known.label, "maybe")
        m.tape.edge(old, node, known.span, known.label, Flow.UNKNOWN)
        m.set(value, NODE, node)


# --- methods ---------------------------------------------------------------------------------------------------------


def method(m: Machine, value: Tensor, name: str, args: Args) -> Val:
    """`tensor.name(args)`."""
    special = functions.METHODS.get(name)
    if special is not None:
        return special(m, value, args)
    if name in _MOVES or (name == "view" and isinstance(args.get(0), Lib)):  # `x.view(torch.int64)`
        return move(m, value, name, args)
    row = m.catalog.row(f"{TENSOR}.{name}")
    in_place = row.inplace if row is not None else name.endswith("_") and not name.endswith("__")
    if row is None or (row.inplace and row.flow == "carries"):
        base = m.catalog.row(f"{TENSOR}.{name.rstrip('_')}") if in_place else None
        row = base or row
    if in_place and (row is None or row.returns != "none"):
        return change(m, value, name, row, args)
    if row is None:
        inputs = [Input(n) for v in (value, *args.all()) for n in nodes_used(m, v)]
        return Tensor(compute(m, f".{name}()", inputs, args.span), value)
    return apply(m, row, f".{name}()", value, args)


def move(m: Machine, value: Tensor, name: str, args: Args) -> Val:
    """A device or dtype move: the same tensor where nothing changes, a cut where the type is an integer."""
    if name == "type" and not args.positional and not args.keywords:
        return Scalar()  # the name of its type
    wanted = args.get(0, "dtype", args.keywords.get("device"))
    dtypes = [v.name for v in args.all() if isinstance(v, Lib)]
    text = wanted if isinstance(wanted, str) else ""
    gradients.use(m, value)
    node = value.cells[NODE]
    if any(d in _INTEGER for d in dtypes) or "Long" in text or "Int" in text:
        return Tensor(compute(m, f".{name}()", [Input(node, Flow.CUTS, "non-differentiable")], args.span))
    if name == "cpu" or (name == "to" and text == "cpu" and not dtypes and "dtype" not in args.keywords):
        made = Tensor(compute(m, f".{name}()", [Input(node)], args.span), value)
        made.cells["$moved"] = "no"
        return made if not m.tape.values[node].leaf else value
    made = Tensor(compute(m, f".{name}()", [Input(node)], args.span), value)
    made.cells["$moved"] = "yes" if name == "cuda" or "cuda" in text else "maybe"
    made.cells["$alias"] = value
    return made


def change(m: Machine, value: Tensor, name: str, row: object, args: Args) -> Val:
    """An in-place method: the object's node is re-pointed, and that of the tensor it is a view of."""
    from gradlint.catalog import Row

    flow, cause = Flow.CARRIES, ""
    stays = True
    if isinstance(row, Row):
        from gradlint.static.rows import FLOWS

        stays = not row.inputs or not {"self", "input"}.isdisjoint(row.inputs)

        flow, cause = FLOWS.get(row.flow, Flow.CARRIES), row.cause
        if row.flow == "constant":
            flow, cause = Flow.ZEROES, "zero-gradient"
    gradients.written(m, value)
    old = (flow, cause)
    if not stays:  # every number is replaced
        known = all(isinstance(v, (Tensor, Array, Scalar)) or is_raw(v) for v in args.all())
        old = (Flow.ZEROES, "zero-gradient") if known else (Flow.UNKNOWN, "")
    inputs = [Input(n, *old) for n in nodes_used(m, value)]
    inputs += [Input(n, flow, cause) for v in args.all() for n in nodes_used(m, v)]
    repoint(m, value, f".{name}()", inputs, args.span)
    return value


def repoint(m: Machine, value: Tensor, op: str, inputs: list[Input], span: Span) -> None:
    """Give an object a new node after it was written in place."""
    overwrites.written(m, value, span)
    needs.changed(m, value, span)
    storage.refused(m, value, span)
    gradients.overwritten(m, value, [i.node for i in inputs])
    old = value.cells[NODE]
    leaf = _is_source(m, value)
    given = [i.node for i in inputs if i.node != old]
    if m.mode.enabled is False and (leaf or m.tape.requires[old] != "no"):
        _past(m, value, m.mode.label, given, m.mode.cause, m.mode.place(span), span)
        return  # a parameter update: the tensor stays what it is
    moved = "$moved" in value.cells
    if "$alias" in value.cells and not moved:
        _past(m, overwrites.unaliased(value), op, given, _lost_by(m, old), span)
        return  # writing through .data leaves the graph alone
    if leaf and m.mode.enabled:
        return  # that raises
    if m.mode.enabled is False:
        inputs = [
            Input(i.node, Flow.CARRIES if i.node == old else Flow.CUTS, "" if i.node == old else m.mode.cause)
            for i in inputs
        ]
        node = m.tape.result(Kind.TENSOR, m.mode.place(span), m.text(span), m.mode.label, inputs, at=span)
    else:
        node = m.tape.result(Kind.TENSOR, span, m.text(span), op, inputs)
    m.set(value, NODE, node)
    base = value.base
    if base is not None and m.mode.enabled and _is_source(m, base):
        return  # that raises as well
    if base is not None and (not moved or value.cells.get("$moved") != "yes"):
        m.set(base, NODE, m.tape.result(Kind.TENSOR, span, m.text(span), op, [Input(base.cells[NODE]), Input(node)]))


def _is_source(m: Machine, value: Tensor) -> bool:
    """Whether a tensor is a leaf that may require grad."""
    node = value.cells[NODE]
    return bool(m.tape.values[node].leaf and m.tape.requires[node] != "no")


def _past(
    m: Machine, value: Tensor, op: str, given: Iterable[int], cause: str, span: Span, at: Span | None = None
) -> None:
    """Numbers are written past the graph: the tensor stays what it was, what they came from gets nothing back."""
    for node in given:
        m.tape.write(node, value.cells[NODE], span, op, cause, at)


def _lost_by(m: Machine, alias: int) -> str:
    """What cut a detached alias off."""
    return next((e.cause for e in m.tape.into[alias] if e.flow == Flow.CUTS), "detach")


def array_method(m: Machine, value: Array, name: str, args: Args) -> Val:
    """`array.name(args)`: data goes on; `item` and `tolist` make numbers of it."""
    inputs = [Input(n) for v in (value, *args.all()) for n in nodes_used(m, v)]
    row = m.catalog.row(f"{'PIL.Image.Image' if isinstance(value, Image) else 'numpy.ndarray'}.{name}")
    if name in ("item", "tolist"):
        number = Scalar(compute(m, f".{name}()", inputs, args.span, Kind.NUMBER) if inputs else None)
        return number if name == "item" else ListObj([number], "list", True)
    if row is not None and row.returns in ("scalar", "none"):
        return Scalar() if row.returns == "scalar" else None
    if not inputs:
        return type(value)()
    return type(value)(compute(m, f".{name}()", inputs, args.span, Kind.ARRAY, foreign=bool(row and row.foreign)))


# --- operators -------------------------------------------------------------------------------------------------------

#: operators that keep an operand for the backward, plain numbers too (torch 2.13)
_SAVING = frozenset(("*", "/", "@"))
_LOGIC = frozenset(("&", "|", "^", "<<", ">>"))


def binary(m: Machine, op: str, left: Val, right: Val, span: Span) -> Val:
    """`left op right` where at least one side is a tensor, an array, an unknown or an unknown number."""
    kinds = {type(left), type(right)}
    if not kinds & {Tensor, Array, Unknown, Scalar}:
        return Unknown("result", (left, right))
    inputs = _operands(m, op, left, right)
    if Tensor in kinds:
        made = Tensor(compute(m, op, inputs, span))
        needs.kept_by_operator(m, op, left, right, made, span)
        return made
    if Array in kinds:
        return Array(compute(m, op, inputs, span, Kind.ARRAY, foreign=True) if inputs else None)
    if Unknown in kinds:
        return _unknown_result(m, op, inputs, span)
    if not inputs:
        return Scalar()
    return Scalar(compute(m, op, inputs, span, Kind.NUMBER))


def _unknown_result(m: Machine, op: str, inputs: list[Input], span: Span) -> Unknown:
    made = Unknown(m.text(span))
    made.cells[NODE] = m.tape.result(Kind.UNKNOWN, span, m.text(span), op, inputs)
    return made


def _operands(m: Machine, op: str, left: Val, right: Val) -> list[Input]:
    found: list[Input] = []
    for value, other in ((left, right), (right, left)):
        nodes = nodes_used(m, value)
        plain = is_raw(other) or (isinstance(other, Scalar))
        number = isinstance(value, Scalar)
        term = op in ("+", "-") or (op == "*" and plain and not number) or (op == "/" and plain and value is left)
        if op == "*" and isinstance(other, Scalar) and other.node is not None and number:
            term = False
        product = op == "*" and not plain and not number
        for node in nodes:
            if op in _LOGIC:
                found.append(Input(node, Flow.CUTS, "non-differentiable"))
            elif op == "//":
                found.append(Input(node, Flow.ZEROES, "zero-gradient"))
            else:
                found.append(Input(node, Flow.CARRIES, "", term=term, product=product, saves=op in _SAVING))
    return found


def binary_in_place(m: Machine, op: str, present: Val, value: Val, span: Span) -> Val:
    """`t += v` writes into the tensor; for anything else it is not in place."""
    if not isinstance(present, Tensor):
        return NotImplemented
    old = present.cells[NODE]
    if m.tape.requires[old] == "no" and not m.tape.into[old] and not nodes_used(m, value):
        needs.changed(m, present, span)
        return present
    inputs = _operands(m, op, present, value)
    before = present.cells[NODE]
    repoint(m, present, f"{op}=", inputs, span)
    if present.cells[NODE] == before and m.mode.enabled and "$alias" not in present.cells:
        return Tensor(compute(m, f"{op}=", inputs, span))
    return present


def unary(m: Machine, op: str, value: Val, span: Span) -> Val:
    """`-t`, `~t`, `+t`, `abs(t)`."""
    if isinstance(value, Scalar):
        return Scalar(value.node)
    flow, cause = (Flow.CUTS, "non-differentiable") if op == "~" else (Flow.CARRIES, "")
    inputs = [Input(n, flow, cause, term=op in ("-", "+")) for n in nodes_used(m, value)]
    match value:
        case Tensor():
            return Tensor(compute(m, op, inputs, span))
        case Array():
            return Array(compute(m, op, inputs, span, Kind.ARRAY, foreign=True) if inputs else None)
    return _unknown_result(m, op, inputs, span) if inputs else Unknown(op, value)


def compare(m: Machine, op: str, left: Val, right: Val, span: Span) -> Val:
    """`left < right`: of tensors a mask that carries nothing back."""
    inputs = [Input(n, Flow.CUTS, "non-differentiable") for v in (left, right) for n in nodes_used(m, v)]
    sides = (left, right)
    if any(isinstance(v, Tensor) for v in sides):
        return Tensor(compute(m, op, inputs, span))
    if any(isinstance(v, Array) for v in sides):
        return Array(compute(m, op, inputs, span, Kind.ARRAY) if inputs else None)
    if any(isinstance(v, (str, bytes, Lib)) or v is None for v in sides) or not any(
        isinstance(v, Unknown) for v in sides
    ):
        return Scalar()
    return _unknown_result(m, op, inputs, span)


# --- items -----------------------------------------------------------------------------------------------------------


def element(m: Machine, value: Val, index: Val, span: Span) -> Val:
    """`tensor[index]`; the index only selects."""
    inputs = [Input(n) for n in nodes_used(m, value)]
    if isinstance(value, Array):
        return Array(compute(m, "[...]", inputs, span, Kind.ARRAY) if inputs else None)
    inputs += [Input(n, Flow.CUTS, "non-differentiable", select=True) for n in nodes_used(m, index)]
    node = compute(m, "[...]", inputs, span, view=len(inputs) == 1)
    if isinstance(index, str):  # what has names is a record of several tensors: labels and indices are among them
        m.tape.doubt(node)
    made = Tensor(node, value)
    if storage.basic(index):
        storage.view(m, made, value)
    return made


def set_element(m: Machine, receiver: Val, index: Val, value: Val, span: Span) -> None:
    """`tensor[index] = value`: adds what flows in, removes nothing."""
    given = [Input(n) for n in nodes_used(m, value)]
    if isinstance(receiver, Array):
        old = m.node_of(receiver)
        inputs = ([Input(old)] if old is not None else []) + given
        if inputs:
            m.set(receiver, NODE, compute(m, "[...] =", inputs, span, Kind.ARRAY))
        return
    if given or m.tape.requires[receiver.cells[NODE]] != "no":
        repoint(m, receiver, "[...] =", [Input(receiver.cells[NODE]), *given], span)
    else:
        needs.changed(m, receiver, span)


def _of_tensors(m: Machine, nodes: list[int]) -> bool:
    """Whether a tensor or an array went into values that are not known: `config.width / 2` is a number."""
    return any(m.kind_of(n) in (Kind.TENSOR, Kind.ARRAY) for n in m.tape.ancestors(nodes, Flow.CUTS))


def to_number(m: Machine, value: Val, kind: str, span: Span) -> Val:
    """`float(t)`, `int(t)`: a Python number, and the end of the graph. What no tensor went into was a number before."""
    from gradlint.static.rows import export_source

    nodes = nodes_used(m, value) if isinstance(value, (Tensor, Array, Unknown, Scalar)) else []
    if not nodes or (isinstance(value, Unknown) and not _of_tensors(m, nodes)):
        return Scalar()
    leaving = isinstance(value, (Tensor, Unknown))
    inputs = [Input(export_source(m, n, span), Flow.CUTS, "number") if leaving else Input(n) for n in nodes]
    return Scalar(compute(m, f"{kind}()", inputs, span, Kind.NUMBER))
