"""Demands: the places that ask for a gradient, what they write on the tape, the hooks they fire, the gradients they leave.

Reading is not demanding: `x.grad` is a demand when the value is used as a tensor, not when it is tested or printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradlint.static import calls
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.store import MISSING
from gradlint.static.values import (
    NODE,
    Alt,
    DictObj,
    Instance,
    Lib,
    ListObj,
    Mode,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Flow, Kind, Span

NO_GRAPH = "no-create-graph"  #: the cause of the cut between a root and a gradient taken without create_graph


def _record(m: Machine, kind: str, span: Span, roots: Sequence[int], targets: Sequence[int], labels: Sequence[str],
            **more: object) -> None:  # fmt: skip
    label = m.text(span)
    m.sites[span] = label
    m.tape.demand(
        kind=kind, span=span, label=label, roots=tuple(roots), targets=tuple(targets), target_labels=tuple(labels),
        whole=m.whole, certain=m.doubt == 0, stack=tuple(m.stack), **more,
    )  # fmt: skip


# --- backward --------------------------------------------------------------------------------------------------------


def backward(m: Machine, roots: Iterable[Val], args: Args, inputs: Val = None) -> None:
    """`root.backward()` for one or more roots."""
    known = [n for v in roots if (n := root_node(m, v)) is not None]
    create = args.keywords.get("create_graph") is True
    targets = _targets(m, inputs) if inputs is not None else []
    _record(m, "backward", args.span, known, [n for n, _ in targets], [t for _, t in targets], create_graph=create)
    _want(m, [n for n, _ in targets])
    m.set(m.state, "roots", (*m.state.cells["roots"], *known))
    fire(m, known, args, create)


def root_node(m: Machine, value: Val) -> int | None:
    """The node of what is differentiated."""
    nodes = [n for o in options(value) if o is not None for n in m.nodes(o, 1)]
    if not nodes:
        return None
    if len(nodes) == 1:
        return nodes[0]
    last = m.tape.values[nodes[-1]]
    return m.tape.phi(nodes, last.span, last.label)


def _targets(m: Machine, value: Val) -> list[tuple[int, str]]:
    """The nodes a gradient is asked of, with labels."""
    match value:
        case tuple():
            parts: Iterable[Val] = value
        case ListObj():
            parts = content(value)
        case DictObj():
            parts = [v for _, v in dict_items(value)]
        case _:
            parts = (value,)
    found: list[tuple[int, str]] = []
    for part in parts:
        for option in options(part):
            if isinstance(option, (tuple, ListObj)):
                found += _targets(m, option)
            elif isinstance(option, (Tensor, Unknown)):
                node = m.node_of(option)
                if node is not None:
                    found.append((node, m.tape.values[node].label))
    return found


def _want(m: Machine, nodes: Iterable[int]) -> None:
    m.tape.wanted.update(nodes)


def autograd_grad(m: Machine, args: Args) -> Val:
    """`torch.autograd.grad(outputs, inputs, ...)`: a tuple of gradients."""
    outputs, inputs = args.get(0, "outputs"), args.get(1, "inputs")
    create = args.get(4, "create_graph", False) is True
    roots = [n for n, _ in _targets(m, outputs)]
    targets = _targets(m, inputs)
    many = isinstance(inputs, (tuple, ListObj))
    labels = [t for _, t in targets]
    _record(m, "autograd.grad", args.span, roots, [n for n, _ in targets], labels, create_graph=create)
    _want(m, [n for n, _ in targets])
    m.set(m.state, "asked", (*m.state.cells.get("asked", ()), *roots))
    fire(m, roots, args, create)
    if not targets:
        return ListObj([gradient(m, roots, None, args.span, "gradient", create)], "list", True)
    made = [gradient(m, roots, node, args.span, f"gradient of {text}", create) for node, text in targets]
    if many and isinstance(inputs, ListObj) and inputs.cells.get("$open") is True:
        return ListObj(made, "list", True)
    return tuple(made)


def gradient(m: Machine, roots: Sequence[int], target: int | None, span: Span, label: str, create: bool) -> Tensor:
    """A gradient tensor: with `create_graph` it carries on to the root, otherwise the way ends there."""
    inputs = [Input(r, Flow.CARRIES if create else Flow.CUTS, "" if create else NO_GRAPH) for r in roots]
    if create and target is not None:
        inputs.append(Input(target))
    node = m.tape.result(Kind.TENSOR, span, label, "gradient", inputs, gradient=True)
    return Tensor(node)


# --- hooks that fire -------------------------------------------------------------------------------------------------


def ancestors(m: Machine, roots: Iterable[int], least: Flow = Flow.ZEROES) -> set[int]:
    """All nodes a gradient from the roots arrives at."""
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        todo.extend(e.src for e in m.tape.into[node] if e.flow >= least)
    return seen


def fire(m: Machine, roots: Sequence[int], args: Args, create: bool) -> None:
    """Call the tensor hooks and module backward hooks on the way of a backward; what leaves gradients is noted."""
    reached = ancestors(m, roots)
    m.set(m.state, "reached", (*m.state.cells.get("reached", ()), *roots))
    from gradlint.static.modes import entered

    with entered(m, Mode(create, args.span, "backward hook")):
        for _, node, function, span in m.state.cells.get("tensor_hooks", ()):
            if node in reached:
                given = gradient(m, roots, node, span, "grad_output", create)
                calls.call(m, function, Args(args.span, args.frame, [given]))
        for module, inputs, outputs, hooks in m.state.cells.get("module_calls", ()):
            if any(o in reached for o in outputs):
                _fire_module(m, module, inputs, outputs, hooks, roots, args, create)


def _fire_module(m: Machine, module: Val, inputs: Sequence[int], outputs: Sequence[int], hooks: Sequence[Val],
                 roots: Sequence[int], args: Args, create: bool) -> None:  # fmt: skip
    given = tuple(gradient(m, roots, n, args.span, "grad_input", create) for n in inputs)
    taken = tuple(gradient(m, roots, n, args.span, "grad_output", create) for n in outputs)
    for function in hooks:
        calls.call(m, function, Args(args.span, args.frame, [module, given, taken]))


def register_hook(m: Machine, value: Tensor, args: Args) -> Val:
    """`tensor.register_hook(f)`: a demand, and a hook for later backwards."""
    node = value.cells[NODE]
    _record(m, "register-hook", args.span, (), [node], [m.tape.values[node].label])
    _want(m, [node])
    function = args.get(0, "hook")
    entry = (object(), node, function, args.span)
    m.set(m.state, "tensor_hooks", (*m.state.cells.get("tensor_hooks", ()), entry))
    return handle(m, "tensor_hooks", entry, args.span)


def handle(m: Machine, where: Val, entry: tuple[object, ...], span: Span) -> Instance:
    """What a registration returns: `remove()` takes the entry out of its list again."""
    made = Instance(Lib("torch.utils.hooks.RemovableHandle"), span)
    made.cells["$entry"] = (where, entry)
    return made


def remove(m: Machine, given: Instance) -> None:
    """`handle.remove()`."""
    where, entry = given.cells.get("$entry", (None, None))
    if isinstance(where, str):
        m.set(m.state, where, tuple(e for e in m.state.cells.get(where, ()) if e is not entry))
    elif where is not None:
        owner, key = where
        m.set(owner, key, tuple(e for e in owner.cells.get(key, ()) if e is not entry))


def retain_grad(m: Machine, value: Tensor, args: Args) -> Val:
    """`tensor.retain_grad()`."""
    node = value.cells[NODE]
    if not m.tape.values[node].leaf:
        _record(m, "retain-grad", args.span, (), [node], [m.tape.values[node].label])
    m.set(value, "$retained", True)
    return None


# --- .grad -----------------------------------------------------------------------------------------------------------


def read_grad(m: Machine, value: Tensor, span: Span) -> Val:
    """`tensor.grad`: the same object every time; it becomes a demand when it is used."""
    given = value.cells.get("$grad", MISSING)
    if given is MISSING or given is None:
        node = value.cells[NODE]
        roots = m.state.cells["roots"]
        made = gradient(m, roots[-1:], node, span, m.text(span), False)
        m.set(value, "$grad", made)
        m.set(made, "$grad_of", value)
        given = made
    if "$grad_of" in given.cells:
        m.set(given, "$read", span)
    return given


def guard(m: Machine, value: Tensor) -> bool | None:
    """`t.grad is None`: unknown, and from now on nobody demands it."""
    owner = value.cells.get("$grad_of", MISSING)
    if owner is MISSING:
        return False
    m.set(value, "$guarded", True)
    return None


def use(m: Machine, value: Val) -> None:
    """A value is used in an operation: if it is an unguarded `.grad`, that reading was a demand."""
    if not isinstance(value, Tensor):
        return
    span = value.cells.get("$read", MISSING)
    if span is MISSING or value.cells.get("$guarded") is True:
        return
    owner = value.cells["$grad_of"]
    m.store.delete(value, "$read")
    node = owner.cells[NODE]
    m.tape.wanted.add(node)
    known = m.tape.values[node]
    if not m.state.cells["roots"]:
        m.sites[span] = m.text(span)
        return
    moved = owner.cells.get("$moved")
    retained = known.leaf or owner.cells.get("$retained") is True or moved == "no"
    _record(m, "grad-read", span, m.state.cells["roots"], [node], [known.label], retained=retained)


def use_all(m: Machine, values: Iterable[Val]) -> None:
    """Values are handed to something unknown: that uses them."""
    for value in values:
        for option in options(value):
            use(m, option)


# --- other demands ---------------------------------------------------------------------------------------------------


def exported(m: Machine, node: int, span: Span) -> None:
    """A NumPy call on a tensor that certainly requires grad: it raises here."""
    if m.doubt == 0 and not m.tape.values[node].joined:
        _record(m, "export", span, (), [node], [m.tape.values[node].label])


def note_loss(m: Machine, value: Val, span: Span) -> None:
    """A function that calls itself a loss returned a value; at the end of the run it shows whether anybody differentiates it."""
    node = root_node(m, value) if isinstance(value, (Tensor, Alt)) else None
    if node is not None and m.mode.enabled is not False:
        m.set(m.state, "losses", (*m.state.cells.get("losses", ()), (node, span)))


def declared_losses(m: Machine) -> None:
    """The losses nobody in this run differentiates: what they return is a declared demand."""
    losses = m.state.cells.get("losses", ())
    roots = (*m.state.cells["roots"], *m.state.cells.get("asked", ()))
    used = ancestors(m, roots, Flow.CUTS)
    judged = {span for node, span in losses if node in used}
    for node, span in losses:
        if span not in judged:
            _record(m, "loss-return", span, [node], (), ())


def end_of_run(m: Machine) -> None:
    """What can only be said at the end of a whole run: losses nobody wants, parameters that were stepped and never reached."""
    declared_losses(m)
    roots = (*m.state.cells["roots"], *m.state.cells.get("asked", ()))
    if not m.whole or not roots:
        return
    for optimizer, parameters in m.state.cells.get("stepped", ()):
        nodes = list(dict.fromkeys(p.cells[NODE] for p in parameters))
        labels = [m.tape.values[n].label for n in nodes]
        span = optimizer.span
        m.tape.demand(
            kind="optimizer", span=span, label=m.text(span), roots=tuple(roots), targets=tuple(nodes),
            target_labels=tuple(labels), whole=True, certain=True, stack=(),
        )  # fmt: skip
