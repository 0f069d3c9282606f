"""Calling a library thing by its qualified name: code where there is some, else its row, else what the name allows to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradlint.static import (
    adapters,
    builtin_functions,
    calls,
    custom,
    declared,
    functions,
    gradients,
    modes,
    modules,
    named_modules,
    needs,
    overwrites,
    tensors,
    transforms,
)  # fmt: skip
from gradlint.static.arguments import Args
from gradlint.static.lacking import REWRITTEN
from gradlint.static.lineage import canonical
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.rows import KINDS, apply, compute, export_source, instance, nodes_used, wrap
from gradlint.static.values import (
    NODE,
    OPEN,
    Alt,
    Array,
    ClassObj,
    Instance,
    Lib,
    ListObj,
    Native,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
)
from gradlint.tape import Flow, Kind

if TYPE_CHECKING:
    from gradlint.catalog import Row


def call(m: Machine, name: str, args: Args) -> Val:
    """`name(args)`."""
    name = canonical(name)
    run = (
        builtin_functions.FUNCTIONS.get(name)
        or functions.FUNCTIONS.get(name)
        or named_modules.FUNCTIONS.get(name)
        or transforms.FUNCTIONS.get(name)
    )
    if run is not None:
        return run(m, args)
    if name in modes.NAMES or name in modes.SWITCHES:
        return modes.make(m, name, args)
    if name.startswith("torch.Tensor.") and isinstance(args.get(0), Tensor):
        return tensors.method(
            m, args.get(0), name.rsplit(".", 1)[-1], Args(args.span, args.frame, args.positional[1:], args.keywords)
        )
    if modules.is_module_class(m, name):
        made = Instance(Lib(name), args.span)
        modules.begin(m, made)
        return modules.library_init(m, made, name, args)
    row = m.catalog.row(name)
    if row is not None and row.returns == "instance":
        return instance(name, args)
    if row is not None:
        return by_row(m, row, f"{name}()", None, args)
    return _without_row(m, name, args)


def by_row(m: Machine, row: Row, op: str, receiver: Val, args: Args, holder: Instance | None = None) -> Val:
    """Apply a row, in the grad mode it says; `holder` is the library object whose method it is."""
    if row.demand:
        declared.ask(m, row, holder, args)
    if row.returns == "chained":
        return _chained(m, row, op, holder, args)
    if row.inplace and receiver is None and isinstance(args.get(0), Tensor):
        return _in_place(m, row, op, args)
    if row.inplace and receiver is None and isinstance(args.get(0), Array):
        return _into_array(m, op, args)
    if row.mode == "no-grad":
        return _without_grad(m, row, op, [v for v in (receiver, *args.all()) if v is not None], args)
    if row.flow == "unknown":
        adapters.may_free(m, args.all(), row.name, args.span)
    if row.returns == "given" and isinstance(args.get(0), Instance):
        m.set(args.get(0), REWRITTEN, True)
    result = apply(m, row, op, receiver, args)
    written = receiver if receiver is not None else args.get(0)
    if isinstance(written, Tensor) and isinstance(result, Tensor) and overwrites.asked(op, args):
        overwrites.written(m, written, args.span)
        needs.in_its_own_way(m, written, result)
        if overwrites.certain(op, args):
            needs.changed(m, written, args.span)
        m.set(written, NODE, result.cells[NODE])
        return written
    return result


def _chained(m: Machine, row: Row, op: str, holder: Instance | None, args: Args) -> Val:
    """What the parts make of it that an object was made of, one after the other; where they are not known, the row counts."""
    given = holder.args[0] if holder is not None and holder.args else None
    unknown = (
        given is None
        or isinstance(given, (Unknown, Alt))
        or (isinstance(given, ListObj) and given.cells.get(OPEN) is True)
    )
    if unknown or len(args.positional) != 1:
        return apply(m, row, op, None, args)
    value = args.positional[0]
    for part in content(given) if isinstance(given, ListObj) else given if isinstance(given, tuple) else (given,):
        value = calls.call(m, part, Args(args.span, args.frame, [value]))
    return value


def _in_place(m: Machine, row: Row, op: str, args: Args) -> Val:
    """`torch.relu_(x)`, `nn.init.normal_(w)`: the first argument is written and handed back; an initialisation has no graph."""
    written: Tensor = args.get(0)
    if row.mode != "no-grad":
        rest = Args(args.span, args.frame, args.positional[1:], args.keywords)
        return tensors.change(m, written, op.rsplit(".", 1)[-1].rstrip("()"), row, rest)
    nodes_used(m, tuple(args.all()))
    overwrites.written(m, written, args.span)
    needs.changed(m, written, args.span)
    return written


def _into_array(m: Machine, op: str, args: Args) -> None:
    """`np.copyto(a, b)`, `np.add.at(a, i, b)`: what flows in is added to what the array was."""
    written: Array = args.get(0)
    rest = tuple(v for v in args.all() if v is not written)
    given = [n for v in (written, *rest) for n in nodes_used(m, v)]
    if given:
        leaving = (m.tape.values[n].kind == Kind.TENSOR for n in given)
        inputs = [Input(n, Flow.CUTS, "numpy") if cut else Input(n) for n, cut in zip(given, leaving, strict=True)]
        m.set(written, NODE, compute(m, op, inputs, args.span, Kind.ARRAY))


def _without_grad(m: Machine, row: Row, op: str, given: list[Val], args: Args) -> Val:
    """A callee that runs under no_grad: nothing goes back to its arguments, nor to the weights of a model among them."""
    weights = [p.cells[NODE] for v in given if isinstance(v, Instance) for _, p in modules.named_parameters(m, v)]
    nodes = dict.fromkeys([*(n for v in given for n in nodes_used(m, v)), *weights])
    cut = [Input(n, Flow.CUTS, row.cause or "library") for n in nodes]
    node = m.tape.result(KINDS.get(row.returns, Kind.TENSOR), args.span, m.text(args.span), op, cut)
    return wrap(m, row, node, None, cut)


def _without_row(m: Machine, name: str, args: Args) -> Val:
    """A library callable nobody described."""
    last = name.rsplit(".", 1)[-1]
    if name.startswith("builtins."):
        return (
            Instance(Lib(name), args.span)
            if last.endswith(("Error", "Exception", "Warning", "Iteration"))
            else _unknown(m, name, args)
        )
    if name.startswith("torch.optim.") and last[:1].isupper() and "lr_scheduler" not in name:
        return functions.optimizer(m, name, args)
    if name.startswith("torch.Tensor") or (
        name.startswith("torch.") and last[:1].islower() and not name.startswith(_NO_CARRY)
    ):
        return _carry(m, name, args)
    if name.startswith("numpy."):
        return _array(m, name, args)
    if name == "dataclasses.field":
        made = Instance(Lib(name), args.span)
        made.kwargs = dict(args.keywords)
        return made
    if name.startswith("contextlib.") or name in ("dataclasses.dataclass", "functools.wraps", "functools.lru_cache"):
        return Instance(Lib(name), args.span)
    if name == "argparse.ArgumentParser":
        return Instance(Lib(name), args.span)
    return _unknown(m, name, args)


_NO_CARRY = ("torch.cuda.", "torch.distributed.", "torch.utils.", "torch.jit.", "torch.load", "torch.hub.", "torch.backends.",
             "torch.func.",
             "torch.autograd.", "torch.multiprocessing.", "torch.profiler.", "torch.onnx.", "torch.random.", "torch.compile")  # fmt: skip


def _carry(m: Machine, name: str, args: Args) -> Val:
    """An unmodelled function of torch: the tensors it is given carry."""
    inputs = [Input(n) for v in args.all() for n in nodes_used(m, v, 3)]
    if not inputs:
        return _unknown(m, name, args)
    made = compute(m, f"{name}()", inputs, args.span)
    m.tape.doubt(made)  # it may give a number
    return Tensor(made)


def _array(m: Machine, name: str, args: Args) -> Val:
    """An unmodelled function of NumPy: its result is an array with the data of its arguments."""
    inputs: list[Input] = []
    for value in args.all():
        for node in nodes_used(m, value, 3):
            leaving = m.tape.values[node].kind in (Kind.TENSOR, Kind.UNKNOWN)
            source = export_source(m, node, args.span) if leaving else node
            inputs.append(Input(source, Flow.CUTS, "numpy") if leaving else Input(node))
    return Array(compute(m, f"{name}()", inputs, args.span, Kind.ARRAY, foreign=True) if inputs else None)


def _unknown(m: Machine, name: str, args: Args) -> Val:
    gradients.use_all(m, args.all())
    return calls.unknown_call(m, Lib(name), args, m.text(args.span))


def call_instance(m: Machine, callee: Instance, args: Args) -> Val:
    """Calling a library object that is no module: a context used as decorator, a transform, a scheduler."""
    if isinstance(callee.cls, Lib):
        if callee.cls.name.startswith("functools.") or callee.cls.name == "dataclasses.dataclass":
            return args.get(0)
        row = m.catalog.row(f"{callee.cls.name}.__call__") or m.catalog.row(callee.cls.name)
        if row is not None and not row.module:
            return by_row(m, row, f"{callee.cls.name}()", None, args, callee)
    return calls.unknown_call(m, callee, args, m.text(args.span))


def unresolved(m: Machine, native: Native, args: Args) -> Val:
    """A method of something that has no methods here."""
    if isinstance(native.receiver, Wrapped) and native.name in ("property.setter", "property.getter"):
        return args.get(0)
    gradients.use_all(m, args.all())
    return calls.unknown_call(m, native, args, m.text(args.span))


def class_attribute(m: Machine, value: ClassObj, base: str, name: str) -> Val:
    """`ProjectClass.name` where only a library base has it."""
    if name == "apply" and base.startswith("torch.autograd.") and base.endswith("Function"):
        return Wrapped("native", None, lambda machine, args: custom.apply(machine, value, args))
    return Lib(f"{base}.{name}")
