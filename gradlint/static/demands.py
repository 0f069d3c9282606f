"""Demands: the places that ask for a gradient, what they write on the tape, the hooks they fire, the gradients they leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gradlint.static import (
    exchanged,
    exposure,
    gradients,
    hooks,
    newcomers,
    overwrites,
    scoped_freezes,
    training,
    twins,
    unbound,
    unregistered,
    unstepped,
)
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import record
from gradlint.static.values import (
    NODE,
    Alt,
    DictObj,
    ListObj,
    Native,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    options,
)  # fmt: skip
from gradlint.tape import Flow, Kind, Span

# --- backward --------------------------------------------------------------------------------------------------------


def backward(m: Machine, roots: Iterable[Val], args: Args, retain: int = 1) -> None:
    """`root.backward()` for one or more roots; `retain` is the position of `retain_graph`, the next that of `create_graph`."""
    known = [n for v in roots if (n := root_node(m, v)) is not None]
    gradients.use_all(m, _sent_back(args.get(retain - 1, "gradient", args.keywords.get("grad_tensors"))))
    create = _creates(args, retain + 1)
    inputs = args.get(retain + 2, "inputs")
    targets = _targets(m, inputs) if inputs is not None else []
    nodes = [n for n, _ in targets]
    record(
        m, "backward", args.span, known, nodes, [t for _, t in targets],
        create_graph=create is True, retains=_retains(args, retain),
    )  # fmt: skip
    _want(m, nodes)
    m.set(m.state, "roots", (*m.state.cells["roots"], *known))
    gradients.passed(m, known, create)
    hooks.fire(m, known, nodes, args, create)


def _sent_back(given: Val) -> Sequence[Val]:
    """The gradients that a backward begins with: `sent.backward(received.grad)` uses what another one left."""
    return content(given) if isinstance(given, ListObj) else given if isinstance(given, tuple) else (given,)


def _creates(args: Args, position: int) -> bool | None:
    """Whether gradients get a graph of their own; None where the flag is not known."""
    given = args.get(position, "create_graph", None if args.rest else False)
    return given if isinstance(given, bool) else None


def _retains(args: Args, position: int) -> bool:
    """Whether the graph may be used again: asked for, kept for a second derivative, or not known."""
    retain = args.get(position, "retain_graph", args.keywords.get("retain_variables"))  # its name before torch 0.2
    create = args.get(position + 1, "create_graph", False)
    return args.rest or (create is not False if retain is None else retain is not False)


def differentiated(callee: Val) -> Val:
    """What `callee`, a `loss.backward` that was read and not called yet, would differentiate; None if it is none."""
    if isinstance(callee, Native) and callee.name == "backward" and isinstance(callee.receiver, Tensor):
        return callee.receiver
    if isinstance(callee, Unknown) and callee.name == "backward" and isinstance(callee.origin, Unknown):
        return callee.origin
    return None


def root_node(m: Machine, value: Val) -> int | None:
    """The node of what is differentiated."""
    nodes = [n for o in options(value) if o is not None for n in m.nodes(o, 1)]
    if not nodes:
        return None
    if len(nodes) == 1:
        return nodes[0]
    last = m.tape.values[nodes[-1]]
    return m.tape.phi(nodes, last.span, last.label)


def _roots(m: Machine, value: Val) -> list[int]:
    """The nodes of what is differentiated, one for each tensor, whichever of its alternatives it is."""
    parts: Iterable[Val] = (
        value if isinstance(value, tuple) else content(value) if isinstance(value, ListObj) else (value,)
    )
    for part in parts:
        for option in options(part):
            if isinstance(option, Tensor):
                overwrites.use(m, option)
    return list(dict.fromkeys(n for part in parts if (n := root_node(m, part)) is not None))


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
        inner = [t for o in options(part) if isinstance(o, (tuple, ListObj)) for t in _targets(m, o)]
        found += inner or _target(m, part)
    return list(dict.fromkeys(found))


def _target(m: Machine, value: Val) -> list[tuple[int, str]]:
    """One target; of what may be something else that is unknown, what is known of it."""
    known = [o for o in options(value) if isinstance(o, Tensor)]
    found: list[tuple[int, str]] = []
    for option in known or options(value):
        if isinstance(option, Tensor):
            overwrites.use(m, option)
        node = m.node_of(option) if isinstance(option, (Tensor, Unknown)) else None
        found += [(node, m.tape.values[node].label)] if node is not None else []
    return found


def _as_used(m: Machine, roots: Iterable[int], node: int) -> int:
    """The leaf that went into the roots: setting the flag of one that perhaps had it before may have changed nothing."""
    before = [v for v in m.tape.versions(node)[1:] if m.tape.requires[v] == "maybe"]
    reached = m.tape.ancestors(roots) if before else ()
    return node if node in reached else next((v for v in before if v in reached), node)


def _may_be_unused(args: Args) -> bool:
    return args.get(6, "allow_unused") is True or args.get(8, "materialize_grads") is True


def _taking_part(m: Machine, roots: Iterable[int], targets: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Of several targets that may be unused those that data flows from, if there are any: the others may well be off the way."""
    flown = m.tape.ancestors(roots, Flow.CUTS)
    return [t for t in targets if t[0] in flown] or targets


def _want(m: Machine, nodes: Iterable[int]) -> None:
    """Somebody wants the gradient of these: of every alternative where branches met."""
    m.tape.wanted.update(v for node in nodes for v in m.tape.versions(node))


def autograd_grad(m: Machine, args: Args) -> Val:
    """`torch.autograd.grad(outputs, inputs, ...)`: a tuple of gradients."""
    outputs, inputs = args.get(0, "outputs"), args.get(1, "inputs")
    create = _creates(args, 4)
    roots = _roots(m, outputs)
    targets = [(_as_used(m, roots, node), label) for node, label in _targets(m, inputs)]
    many = isinstance(inputs, (tuple, ListObj))
    nodes = [n for n, _ in targets]
    asked_of = _taking_part(m, roots, targets) if _may_be_unused(args) else targets
    record(
        m, "autograd.grad", args.span, roots, [n for n, _ in asked_of], [label for _, label in asked_of],
        create_graph=create is True, retains=_retains(args, 3),
        raises=not _may_be_unused(args) and gradients.in_sight(m, nodes),
    )  # fmt: skip
    _want(m, nodes)
    asked = roots if not nodes or any(m.kind_of(n) == Kind.UNKNOWN for n in nodes) else ()  # perhaps of any parameter
    m.set(m.state, "asked", (*m.state.cells.get("asked", ()), *asked))
    hooks.fire(m, roots, nodes, args, create)
    if not targets:
        return ListObj([hooks.gradient(m, roots, None, args.span, "gradient", create)], "list", True)
    made = [hooks.gradient(m, roots, node, args.span, f"gradient of {text}", create) for node, text in targets]
    if many and isinstance(inputs, ListObj) and inputs.cells.get("$open") is True:
        return ListObj(made, "list", True)
    return tuple(made)


def transformed(m: Machine, roots: Sequence[int], leaf: Tensor, span: Span, create: bool) -> None:
    """`torch.func.grad(f)(x)`: what `f` gives is differentiated with respect to the leaf that stood for `x`."""
    node = leaf.cells[NODE]
    record(m, "autograd.grad", span, roots, [node], [m.tape.values[node].label], create_graph=create, retains=True)
    _want(m, [node])
    m.set(m.state, "asked", (*m.state.cells.get("asked", ()), *roots))


# --- tensors that are asked for their gradient -----------------------------------------------------------------------


def register_hook(m: Machine, value: Tensor, args: Args) -> Val:
    """`tensor.register_hook(f)`: a demand, and a hook for later backwards."""
    overwrites.use(m, value)
    node = value.cells[NODE]
    record(m, "register-hook", args.span, (), [node], [m.tape.values[node].label])
    _want(m, [node])
    return hooks.on_tensor(m, value, args)


def retain_grad(m: Machine, value: Tensor, args: Args) -> Val:
    """`tensor.retain_grad()`."""
    node = value.cells[NODE]
    if not m.tape.values[node].leaf:
        record(m, "retain-grad", args.span, (), [node], [m.tape.values[node].label])
    m.set(value, gradients.RETAINED, True)
    return None


# --- other demands ---------------------------------------------------------------------------------------------------


def exported(m: Machine, node: int, span: Span) -> None:
    """A NumPy call on a tensor that certainly requires grad: it raises here."""
    if m.doubt == 0 and not m.tape.values[node].joined:
        record(m, "export", span, (), [node], [m.tape.values[node].label])


def note_loss(m: Machine, value: Val, span: Span, begun: int) -> None:
    """A function that calls itself a loss returned a value; whether anybody differentiates it shows at the end of the run."""
    node = root_node(m, value) if isinstance(value, (Tensor, Alt)) else None
    if node is not None and m.mode.enabled is not False:
        m.set(m.state, "losses", (*m.state.cells.get("losses", ()), (node, span, begun)))


def declared_losses(m: Machine) -> None:
    """The losses nobody in this run differentiates: what they return is a declared demand.

    A run that differentiates another value has its loss: what it only computes beside that is measured. So is what a
    script takes from another file without ever asking for a gradient.
    """
    losses = m.state.cells.get("losses", ())
    roots = (*m.state.cells["roots"], *m.state.cells.get("asked", ()))
    used = m.tape.ancestors(roots, Flow.CUTS)
    judged = {span for node, span, _ in losses if node in used}
    for node, span, begun in losses:
        if span in judged:
            continue
        if roots or (m.whole and span.file != m.main):
            m.measured.add(span)
        else:
            record(m, "loss-return", span, [node], (), (), since=begun)


def end_of_run(m: Machine) -> None:
    """What can only be said at the end of a whole run: losses nobody wants, parameters that were stepped and never reached."""
    declared_losses(m)
    roots = (*m.state.cells["roots"], *m.state.cells.get("asked", ()))
    if not m.whole or not roots or m.state.cells.get(unbound.UNBOUND):
        return
    training.note_unused(m)
    explained = exchanged.judge(m, roots)
    unregistered.judge(m)
    unstepped.judge(m)
    newcomers.judge(m)
    scoped_freezes.judge(m)
    twins.judge(m)
    outside = exposure.seen_outside(m)
    by_hand = frozenset(m.state.cells.get(gradients.ASSIGNED, ()))
    ways = [m.tape.ancestors(roots, least) for least in (Flow.ZEROES, Flow.CUTS)]
    for optimizer, parameters in m.state.cells.get("stepped", ()):
        known = not (m.outside_code or m.stumbled or optimizer.span in explained)
        closed = known and not any(id(p) in outside for p in parameters)
        nodes = [_best(m, n, ways) for n in dict.fromkeys(p.cells[NODE] for p in parameters) if n not in by_hand]
        labels = [m.tape.values[n].label for n in nodes]
        span = optimizer.span
        frozen = training.frozen_always(m, optimizer) if closed else ()
        m.tape.demand(
            kind="optimizer", span=span, label=m.text(span), roots=tuple(roots), targets=tuple(nodes),
            target_labels=tuple(labels), whole=True, certain=True, stack=(), closed=closed and len(nodes) == len(parameters), unused=frozen,
        )  # fmt: skip


def _best(m: Machine, node: int, ways: Iterable[set[int]]) -> int:
    """Of a parameter that was frozen for a while, or loaded, the leaf that the roots know best."""
    live = [v for v in m.tape.versions(node) if m.tape.requires[v] != "no"]
    return next((v for way in ways for v in live if v in way), node)
