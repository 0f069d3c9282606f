"""Declared demands: calls of libraries that ask for a gradient by themselves, and methods that a library calls.

What they ask for is the row's `demand`. "root": an argument is differentiated (`accelerator.backward(loss)`). "score": the
same without freeing the graph. "input", "layer": the object holds a model; what it makes of the given input is
differentiated, for that input or for what a held layer makes. "return": a library differentiates what a method of the
project returns (`training_step`). No library is named here: another one is another row.

The user declares the same of functions of the project (`demands` in the settings): `pkg.Trainer.step:return` for what is
returned, `pkg.optimise:loss` for an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from gradlint.static import calls, classes, demands, modules
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine, defined
from gradlint.static.modes import entered
from gradlint.static.recording import Input, record
from gradlint.static.rows import compute, named
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ClassObj,
    DictObj,
    Frame,
    Function,
    Instance,
    Lib,
    ListObj,
    Mode,
    ModuleObj,
    Raised,
    Tensor,
    Val,
    content,
    options,
)  # fmt: skip
from gradlint.tape import Kind, Span

if TYPE_CHECKING:
    from gradlint.catalog import Row

Call = Callable[[Machine, Val, Args], Val]

RETURN = "return"  #: in a declaration: what is returned

#: with this attribute off, nobody differentiates what `training_step` returns
_AUTOMATIC = "automatic_optimization"


# --- functions that the user declares --------------------------------------------------------------------------------


def promised(m: Machine, function: Function) -> list[str]:
    """What of a function is differentiated where nobody sees it: `return`, or names of parameters.

    A method overrides what is declared of the same method of a base, be that in the project or not.
    """
    if not m.catalog.demands or not isinstance(function.node, p.FunctionDef):
        return []
    name = function.node.name
    names = [_dotted(m, function.module, function.node.qualname)]
    for base in classes.order(function.cls)[1:] if function.cls is not None else ():
        match base:
            case ClassObj():
                names.append(_dotted(m, base.module, f"{base.node.qualname}.{name}"))
            case Lib():
                names.append(tuple(f"{base.name}.{name}".split(".")))
    given = ((tuple(dotted.split(".")), what) for dotted, _, what in (d.partition(":") for d in m.catalog.demands))
    return [what for dotted, what in given if any(_means(dotted, full) for full in names)]


def _dotted(m: Machine, module: ModuleObj, qualname: str) -> tuple[str, ...]:
    """The path of a file and the names of a definition in it."""
    path = m.project.path_of(module).with_suffix("")
    folders = path.parts[:-1] if path.name == "__init__" else path.parts
    return (*folders, *qualname.split("."))


def _means(given: tuple[str, ...], full: tuple[str, ...]) -> bool:
    """Whether a declared name means a definition: its end, or what a package above takes from the module it is in."""
    for split in range(len(given)):
        package, name = given[:split], given[split:]
        rest = full[: -len(name)]
        if full[-len(name) :] == name and any(rest[i : i + split] == package for i in range(len(rest) - split + 1)):
            return True
    return False


def receives(m: Machine, frame: Frame, function: Function, args: Args) -> None:
    """Write the demands of a call of such a function for its arguments."""
    for name in promised(m, function):
        if name != RETURN and isinstance(function.node, p.FunctionDef):
            span = defined(function.node, function.module.program.file)
            demands.backward(m, [frame.cells.get(name)], Args(span, args.frame))


def returns(m: Machine, function: Function, value: Val) -> bool:
    """Write the demand for what such a function returns; whether it is one."""
    if RETURN not in promised(m, function) or not isinstance(function.node, p.FunctionDef):
        return False
    root = _returned(m, value)
    if root is not None:
        span = defined(function.node, function.module.program.file)
        label = f"what {function.node.qualname} returns is differentiated"
        record(m, "training-step", span, [root], [], [], label=label)
    return True


# --- calls that ask for a gradient -----------------------------------------------------------------------------------


def ask(m: Machine, row: Row, holder: Instance | None, args: Args) -> None:
    """Write the demand of a call on the tape."""
    match row.demand:
        case "root":
            demands.backward(m, [_argument(row, args)], Args(args.span, args.frame))
        case "score":
            _differentiate(m, args.span, demands.root_node(m, _argument(row, args)), [])
        case "input" | "layer" if holder is not None:
            _attribute(m, row, holder, args)


def _argument(row: Row, args: Args) -> Val:
    """The argument that the row says is differentiated, or that the model is given."""
    return next((value for name, value in named(row, None, args) if name in row.inputs), None)


def _differentiate(m: Machine, span: Span, root: int | None, targets: list[int]) -> None:
    if root is not None:
        labels = [m.tape.values[t].label for t in targets]
        record(m, "autograd.grad", span, [root], targets, labels, retains=True)


def _attribute(m: Machine, row: Row, holder: Instance, args: Args) -> None:
    """Run the held model on the given input as the library does, and differentiate what it makes."""
    model, layers = _held(m, holder)
    given = _argument(row, args)
    if model is None:
        return
    mode = Mode(True, args.span, row.name) if row.mode == "enable-grad" else None
    with entered(m, mode) if mode else nullcontext():
        leaf = _leaf(m, given, args.span) if row.factory else given
        begun = len(m.module_calls)
        root = _output(m, model, leaf, args)
    targets = _made_by(m, layers, begun) if row.demand == "layer" else [n for n in m.nodes(leaf, 1) if row.factory]
    _differentiate(m, args.span, root, targets)


def _held(m: Machine, holder: Instance) -> tuple[Val, list[Val]]:
    """The model that a library object was made of, and the layers, by the signature of its class."""
    row = m.catalog.row(getattr(holder.cls, "name", ""))
    names = row.signature if row is not None else ()
    given = dict(zip(names, holder.args, strict=False)) | holder.kwargs
    model = given.get(names[0]) if names else None
    return model, [layer for name in names[1:2] for layer in _flat(given.get(name))]


def _flat(value: Val) -> Iterator[Val]:
    """One layer, or those of a list."""
    match value:
        case ListObj():
            yield from content(value)
        case tuple():
            yield from value
        case _:
            yield from options(value)


def _leaf(m: Machine, given: Val, span: Span) -> Val:
    """The library makes the input a leaf that requires grad."""
    return Tensor(m.tape.leaf(Kind.TENSOR, span, f"the input of {m.text(span)}", "yes")) if m.nodes(given, 1) else given


def _output(m: Machine, model: Val, given: Val, args: Args) -> int | None:
    """What the model makes of the input, in the grad mode in force; None where it certainly raises.

    A model that is not known has parameters; with gradients off even they are out of reach.
    """
    inner = Args(args.span, args.frame, [given])
    inner.rest = True
    try:
        made = demands.root_node(m, calls.call(m, model, inner))
    except Raised:
        return None
    if made is None or m.mode.enabled is not False:
        return made
    own = m.tape.leaf(Kind.TENSOR, args.span, "parameters of the model", "maybe", parameter=True)
    return compute(m, "forward", [Input(made), Input(own)], args.span)


def _made_by(m: Machine, layers: list[Val], begun: int) -> list[int]:
    """What the layers made in the last forward pass."""
    return [
        n for module, call in m.module_calls[begun:] if any(module is layer for layer in layers) for n in call.outputs
    ]


# --- methods that a library calls ------------------------------------------------------------------------------------


def caller(m: Machine, receiver: Instance, method: str) -> Call:
    """How the library that a project class derives from calls this method of it."""
    bases = (base.name for base in classes.order(receiver.cls) if isinstance(base, Lib))
    row = next((row for base in bases if (row := m.catalog.row(f"{base}.{method}")) is not None), None)
    if row is not None and row.mode == "no-grad":
        return lambda m, callee, args: _evaluated(m, row, receiver, callee, args)
    if row is not None and row.demand == "return":
        return lambda m, callee, args: _differentiated(m, receiver, callee, args)
    return calls.call


def _evaluated(m: Machine, row: Row, receiver: Instance, callee: Val, args: Args) -> Val:
    """A library that measures switches gradients off, and the whole model to evaluation."""
    for _, module in modules.named_modules(m, receiver):
        m.set(module, "training", False)
    with entered(m, Mode(False, args.span, row.name, cause=row.cause or "library")):
        return calls.call(m, callee, args)


def _differentiated(m: Machine, receiver: Instance, callee: Val, args: Args) -> Val:
    result = calls.call(m, callee, args)
    if receiver.cells.get(_AUTOMATIC, MISSING) in (True, MISSING):
        root = _returned(m, result)
        if root is not None:
            record(m, "training-step", args.span, [root], [], [])
    return result


def _returned(m: Machine, result: Val) -> int | None:
    """The loss in what a step returns: the tensor, the entry "loss" of a dict, the first of a tuple."""
    nodes = [node for option in options(result) if (node := demands.root_node(m, _loss(option))) is not None]
    if len(nodes) < 2:
        return nodes[0] if nodes else None
    last = m.tape.values[nodes[-1]]
    return m.tape.phi(nodes, last.span, last.label)


def _loss(value: Val) -> Val:
    match value:
        case DictObj():
            found = value.cells.get(("k", "loss"), MISSING)
            return None if found is MISSING else found
        case tuple():
            return value[0] if value else None
    return value
