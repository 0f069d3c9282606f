"""Hooks: registering, binding at the call, firing at the backward, removing, and what the absence of their catch breaks.

Forward hooks run when a module is called; backward hooks of modules are bound there, those of tensors count at the backward.
Where the program fails for want of something, the hooks that have not fired are rehearsed on the spot: what they would have
written tells whether it is them that are missed. No order of hooks is matched against a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

from gradlint.static import calls, exposure, handles, overwrites, unknowns
from gradlint.static.arguments import Args
from gradlint.static.budget import REHEARSALS, BudgetHit
from gradlint.static.joins import join_values
from gradlint.static.machine import NORMAL, Machine
from gradlint.static.modes import entered
from gradlint.static.recording import Input
from gradlint.static.store import MISSING, Obj
from gradlint.static.values import (
    COPIED,
    HOOK_RUN,
    MADE,
    NODE,
    OPEN,
    TAKEN,
    Alt,
    Cell,
    DictObj,
    Instance,
    Lib,
    Mode,
    Raised,
    Tensor,
    Unknown,
    Val,
    options,
)  # fmt: skip
from gradlint.tape import Flow, Hook, HookedCall, HookKind, Kind, Span

FORWARD: str = "$hooks"
PRE: str = "$pre_hooks"
FULL = "torch.nn.modules.module.Module.register_full_backward_hook"  #: newer than the old ones
BACKWARD: str = "$backward_hooks"
NO_GRAPH = "no-create-graph"  #: the cause of the cut between a root and a gradient taken without create_graph
#: the run-wide lists of hooks that no known module holds
TENSORS, LOOSE = "tensor_hooks", "loose"
LEAVING = "leaving"  #: the last statement of the `with` block whose context is closing


class Registration:
    """One hook that was registered. It only ever learns what happened in any branch: `fired`, `removed`, `perhaps` not at all."""

    __slots__ = (
        "certain",
        "fired",
        "frame",
        "function",
        "keywords",
        "kind",
        "layer",
        "owner",
        "perhaps",
        "removed",
        "shared",
        "span",
        "stack",
        "taken",
        "time",
        "value",
    )

    def __init__(self, m: Machine, kind: HookKind, args: Args, owner: Val = None, value: int = -1) -> None:
        self.kind: HookKind = kind
        self.function = args.get(0, "hook")
        self.span, self.frame = args.span, args.frame
        self.stack = tuple(m.stack)
        self.owner = owner  #: the module; for a layer that is not known, the model it was read from
        self.taken = (
            owner.cells.get(TAKEN) if isinstance(owner, Instance) else None
        )  #: where the module last got a name
        self.layer: Val = owner
        self.value = value
        self.keywords = args.keywords.get("with_kwargs") is True
        self.time = m.tape.tick()
        self.certain = m.whole and m.doubt == 0
        self.perhaps = False
        self.fired: list[int] = []
        self.removed: list[tuple[Span, int, Span | None]] = []
        self.shared: Span | None = None
        m.hooks.append(self)

    def learn(self, m: Machine, **facts: Any) -> None:
        """What happened in any branch; only the end of the run undoes it."""
        m.store.undo += [partial(setattr, self, name, getattr(self, name)) for name in facts]
        for name, fact in facts.items():
            setattr(self, name, fact)


# --- registering and removing ----------------------------------------------------------------------------------------


def on_module(key: str, kind: HookKind) -> Callable[[Machine, Instance, Args], Val]:
    """`module.register_..._hook(f)`."""

    def run(m: Machine, value: Instance, args: Args) -> Val:
        made = Registration(m, _kind(m, kind), args, value)
        before = of(value, key)
        m.set(value, key, (made, *before) if args.keywords.get("prepend") is True else (*before, made))
        return _handle(value, key, made)

    return run


def _kind(m: Machine, kind: HookKind) -> HookKind:
    """Where a release has no other backward hooks of modules, the old ones are the ones to use."""
    return "backward" if kind == "legacy" and m.catalog.exists(FULL) is False else kind


def on_tensor(m: Machine, value: Tensor, args: Args) -> Val:
    """`tensor.register_hook(f)`: counts for later backwards."""
    made = Registration(m, "tensor", args, value=value.cells[NODE])
    return _handle(m.state, TENSORS, _keep(m, TENSORS, made))


def on_layer(m: Machine, layer: Val, kind: HookKind, args: Args) -> Val:
    """A hook on a layer of an unknown model: it fires when the model is called."""
    made = Registration(m, _kind(m, kind), args, exposure.root_of(layer))
    made.layer, made.certain = layer, False
    return _handle(m.state, LOOSE, _keep(m, LOOSE, made))


def _keep(m: Machine, key: str, made: Registration) -> Registration:
    m.set(m.state, key, (*m.state.cells.get(key, ()), made))
    return made


def _handle(holder: Obj, key: str, made: Registration) -> Instance:
    """What a registration returns: `remove()` takes the hook out of its list again."""
    handle = Instance(Lib("torch.utils.hooks.RemovableHandle"), made.span)
    handle.cells["$hook"] = (holder, key, made)
    return handle


def is_handle(value: Val) -> bool:
    """Whether a value is what a registration returned."""
    return isinstance(value, Instance) and "$hook" in value.cells


def remove(m: Machine, handle: Instance, span: Span) -> None:
    """`handle.remove()`, or the end of `with module.register_...(f):`."""
    holder, key, made = handle.cells["$hook"]
    left = tuple(e for e in holder.cells.get(key, ()) if e is not made)
    m.set(holder, key, left)
    shared = made.shared or handles.shared(made.function, handle)
    removed = [*made.removed, (span, m.tape.tick(), m.state.cells.get(LEAVING))]
    made.learn(m, removed=removed, certain=made.certain and m.doubt == 0, shared=shared)


def of(value: Obj, key: str) -> tuple[Registration, ...]:
    """The hooks in a list, as they are now."""
    held = value.cells.get(key, ())
    return () if held is MISSING else held


# --- calling a module ------------------------------------------------------------------------------------------------


def before_forward(m: Machine, module: Instance, args: Args) -> Args:
    """Run the pre-hooks: what one returns replaces the input."""
    for hook in of(module, PRE):
        given = Args(args.span, args.frame, [module, tuple(args.positional)])
        replaced = _run(m, hook, given)
        if replaced is not None and not isinstance(replaced, Unknown):
            args = Args(args.span, args.frame, replaced if isinstance(replaced, tuple) else [replaced], args.keywords)
    return args


def after_forward(m: Machine, module: Instance, args: Args, output: Val) -> Val:
    """Run the forward hooks: what one returns replaces the output."""
    for hook in of(module, FORWARD):
        more = [_keywords(args)] if hook.keywords else []
        handed = Args(args.span, args.frame, [module, tuple(args.positional), *more, output])
        before = m.state.cells.get("hook", False)
        m.set(m.state, "hook", True)
        replaced = _run(m, hook, handed)
        m.set(m.state, "hook", before)
        given = [o for o in options(replaced) if not (o is None or (isinstance(o, Unknown) and o.origin is None))]
        if given:
            stays = hook.perhaps or len(given) < len(options(replaced))
            output = join_values(m, [output, *given] if stays else given)
    return output


def _keywords(args: Args) -> Val:
    made = DictObj()
    for key, value in args.keywords.items():
        made.cells["k", key] = value
    return made


def _run(m: Machine, hook: Registration, args: Args) -> Val:
    hook.learn(m, fired=[*hook.fired, m.tape.tick()])
    return calls.call(m, hook.function, args)


def bind(m: Machine, module: Instance, hooks: Sequence[Registration], args: Args, output: Val) -> None:
    """Note what the backward hooks of a call will need; they fire even if they are removed before the backward."""
    if hooks:
        inputs = tuple(n for a in args.positional for n in m.nodes(a, 2))
        entry = (module, inputs, tuple(m.nodes(output, 2)), tuple(hooks))
        m.set(m.state, "module_calls", (*m.state.cells.get("module_calls", ()), entry))


def guarded_input(m: Machine, bound: Sequence[Registration], args: Args) -> Args:
    """The input as a module with full backward hooks sees it: through a function that watches it."""
    full = [h for h in bound if h.kind == "backward"]
    if not full:
        return args
    given = [overwrites.guard(m, value, full[0].span) for value in args.positional]
    return Args(args.span, args.frame, given, args.keywords)


def guarded_output(m: Machine, bound: Sequence[Registration], output: Val) -> Val:
    """The output, likewise."""
    full = [h for h in bound if h.kind == "backward"]
    return overwrites.guard(m, output, full[0].span) if full else output


def called(m: Machine, module: Instance, span: Span, time: int, output: Val = None, bypass: bool = False) -> None:
    """A module ran its forward, through its call or past it."""
    outputs = () if bypass else tuple(m.nodes(output, 2))
    m.module_calls.append((module, HookedCall(span, time, outputs, bypass, m.doubt == 0)))


# --- firing at the backward ------------------------------------------------------------------------------------------


def fire(m: Machine, roots: Sequence[int], targets: Sequence[int], args: Args, create: bool | None) -> None:
    """Call the tensor hooks and module backward hooks on the way of a backward."""
    reached = _executed(m, roots, targets)
    mode = Mode(create, args.span, HOOK_RUN)
    mode.entry = args.span
    with entered(m, mode):
        for hook in m.state.cells.get(TENSORS, ()):
            if hook.value in reached:
                given = gradient(m, roots, hook.value, args.span, "grad_output", create)
                _run(m, hook, Args(args.span, args.frame, [given]))
        for module, inputs, outputs, hooks in m.state.cells.get("module_calls", ()):
            if any(o in reached for o in outputs):
                _fire_module(m, module, inputs, outputs, hooks, roots, args, create)


def _executed(m: Machine, roots: Sequence[int], targets: Sequence[int]) -> set[int]:
    """The values whose gradient a backward computes: all behind the root that may require grad, or those before a target."""
    reached = {n for n in m.tape.ancestors(roots) if m.tape.requires[n] != "no"}
    if not targets:
        return reached
    leading: set[int] = set()
    for node in sorted(reached):
        if node in targets or any(e.src in leading and e.flow >= Flow.ZEROES for e in m.tape.into[node]):
            leading.add(node)
    return leading


def _fire_module(m: Machine, module: Val, inputs: Sequence[int], outputs: Sequence[int], hooks: Sequence[Registration],
                 roots: Sequence[int], args: Args, create: bool | None) -> None:  # fmt: skip
    given = tuple(gradient(m, roots, n, args.span, "grad_input", create) for n in inputs)
    taken = tuple(gradient(m, roots, n, args.span, "grad_output", create) for n in outputs)
    for hook in hooks:
        _run(m, hook, Args(args.span, args.frame, [module, given, taken]))


def gradient(
    m: Machine, roots: Sequence[int], target: int | None, span: Span, label: str, create: bool | None
) -> Tensor:
    """A gradient tensor: with `create_graph` it carries on to the root, otherwise the way ends there."""
    flow = Flow.CARRIES if create else Flow.UNKNOWN if create is None else Flow.CUTS
    inputs = [Input(r, flow, NO_GRAPH if flow == Flow.CUTS else "") for r in roots]
    if flow != Flow.CUTS and target is not None:
        inputs.append(Input(target, flow))
    return Tensor(m.tape.result(Kind.TENSOR, span, label, "gradient", inputs, gradient=True))


# --- hooks on layers that are not known ------------------------------------------------------------------------------


def fire_loose(m: Machine, callee: Val, args: Args, output: Val) -> Val:
    """Fire the hooks registered on unknown layers of what is called; the activation lies between input and output.

    What a hook itself calls fires none: a hook that is read from the model it hangs on would call itself for ever.
    """
    if m.state.cells.get("hook", False):
        return output
    root = exposure.root_of(callee)
    loose = m.state.cells.get(LOOSE, ())
    hooks = [h for h in loose if _belongs(m, h, root)]
    perhaps = [h for h in loose if h not in hooks and _may_belong(m, h, callee)]
    if perhaps:
        m.branch(args.frame, [partial(_fire_perhaps, m, perhaps, callee, args), lambda: NORMAL])
    if not hooks or not isinstance(output, (Tensor, Unknown, tuple)):
        return output
    nodes = [n for a in args.all() for n in m.nodes(a, 2)]
    for hook in hooks:
        node = _activation(m, callee, hook, nodes)
        nodes = [node]
        if hook.kind in ("forward", "pre"):
            nodes = _fire_forward(m, hook, node, args)
        else:
            entry = (hook.layer, (), (node,), (hook,))
            m.set(m.state, "module_calls", (*m.state.cells.get("module_calls", ()), entry))
    return _join_output(m, output, nodes, args)


def _may_belong(m: Machine, hook: Registration, callee: Val) -> bool:
    """Whether a layer of which nobody knows where it came from may be one of what is called: it may fire (again)."""
    if hook.kind != "forward" or not isinstance(hook.layer, Unknown):
        return False
    again = not m.whole and hook.layer is hook.owner and isinstance(callee, Unknown) and callee.origin is None
    return again or (isinstance(callee, Instance) and callee.opaque)


def _fire_perhaps(m: Machine, hooks: Iterable[Registration], callee: Val, args: Args) -> str:
    nodes = [n for a in args.all() for n in m.nodes(a, 2)]
    for hook in hooks:
        _fire_forward(m, hook, _activation(m, callee, hook, nodes), args)
    return NORMAL


def _activation(m: Machine, model: Val, hook: Registration, sources: list[int]) -> int:
    """What an unknown layer gives: it hangs on the input, and on the parameters of the model where it is known as one."""
    from gradlint.static.rows import compute

    if isinstance(model, Unknown) and unknowns.is_model(model):
        inputs = [Input(unknowns.parameters_of(m, model)), *(Input(n, Flow.UNKNOWN) for n in sources)]
        return compute(m, "layer", inputs, hook.span, Kind.UNKNOWN)
    return m.tape.unknown(hook.span, "activation", sources)


def _belongs(m: Machine, hook: Registration, model: Val) -> bool:
    """Whether the layer is one of the model: read from it, or both were given to code that a partial run starts in."""
    return hook.owner is model or (
        not m.whole and hook.layer is hook.owner and isinstance(model, Unknown) and not hook.fired
    )


def _fire_forward(m: Machine, hook: Registration, node: int, args: Args) -> list[int]:
    """Run a forward hook or pre-hook of a layer nobody knows; what its activation is then, and what the hook put in its place.

    Such a layer gives a tensor or a tuple; what it is given comes as a tuple.
    """
    activation, more = Tensor(node), [_keywords(args)] if hook.keywords else []
    if hook.kind == "pre":
        given: list[Val] = [hook.layer, (activation,), *more]
    else:
        given = [hook.layer, (Unknown("input"),), *more, Alt((activation, (activation,)))]
    before = m.state.cells.get("hook", False)
    m.set(m.state, "hook", True)
    replaced = _run(m, hook, Args(args.span, args.frame, given))
    m.set(m.state, "hook", before)
    return list(dict.fromkeys([int(activation.cells[NODE]), *m.nodes(replaced)]))


def _join_output(m: Machine, output: Val, nodes: list[int], args: Args) -> Val:
    """The output descends from the activations."""
    if isinstance(output, tuple):
        return tuple(_join_output(m, o, nodes, args) if isinstance(o, (Tensor, Unknown)) else o for o in output)
    before = m.node_of(output)
    inputs = [Input(n, Flow.UNKNOWN) for n in nodes] + ([Input(before)] if before is not None else [])
    kind = Kind.UNKNOWN if isinstance(output, Unknown) else Kind.TENSOR
    made = m.tape.result(kind, args.span, m.text(args.span), "model", inputs)
    if isinstance(output, Unknown):
        m.store.keep(output, NODE, made)
        return output
    return Tensor(made)


# --- what is missed --------------------------------------------------------------------------------------------------


def failed(m: Machine, raised: Raised, span: Span) -> None:
    """The program certainly fails here: if for want of what a hook should have caught, that is a demand of its own."""
    if raised.place is not None:
        miss(m, raised.place, span, raises=True)


def found_empty(m: Machine, value: Obj, span: Span) -> None:
    """The program goes through a container that holds nothing after a backward that hooks should have filled it in."""
    if m.hooks and m.state.cells["roots"]:
        miss(m, (value, None), span)


def miss(m: Machine, place: Cell, span: Span, raises: bool = False) -> None:
    """Record the hooks that have not fired, or not since they were removed, and would have filled this place, if there are any."""
    if not m.whole or m.doubt or m.rehearsing or not m.hooks:
        return
    idle = [
        i for i, h in enumerate(m.hooks)
        if (h.removed and h.certain and (raises or not h.fired))
        or (not h.fired and (raises or h.kind not in ("forward", "pre")))
    ]  # fmt: skip
    found = [i for i in idle[:REHEARSALS] if _fills(place, _rehearsed(m, m.hooks[i]))]
    if found:
        m.tape.demand(
            kind="hook-read",
            span=span,
            label=m.text(span),
            whole=True,
            stack=tuple(m.stack),
            raises=raises,
            hooks=tuple(found),
        )


def _fills(place: Cell, written: Iterable[Cell]) -> bool:
    """Whether what was written holds the place; a container counts as filled under any key if its keys are not known."""
    holder, key = place
    return any(o is holder and (key is None or k in (key, OPEN)) for o, k in written)


def _rehearsed(m: Machine, hook: Registration) -> list[Cell]:
    """What the hook would write if it fired now; nothing of it stays."""
    mark, demands, notes, hooks = m.store.mark(), len(m.tape.demands), len(m.tape.notes), len(m.hooks)
    sites, called_before = dict(m.sites), set(m.called)
    m.rehearsing = True
    try:
        calls.call(m, hook.function, _imagined(m, hook))
        for bound in [h for h in m.hooks[hooks:] if h.kind == "tensor"]:  # what it would bind to the tensor
            calls.call(m, bound.function, _imagined(m, bound))
    except (Raised, BudgetHit):
        pass  # what it wrote until then counts
    finally:
        m.rehearsing = False
        written = [(o, k) for o, k, _ in m.store.take(mark).values()]
        del m.tape.demands[demands:], m.tape.notes[notes:], m.hooks[hooks:]
        m.sites, m.called = sites, called_before
    return written


def _imagined(m: Machine, hook: Registration) -> Args:
    """Arguments as the hook would get them."""
    made = Tensor(m.tape.leaf(Kind.TENSOR, hook.span, "imagined"))
    args = Args(hook.span, hook.frame)
    match hook.kind:
        case "tensor":
            args.positional = [made]
        case "pre":
            args.positional = [hook.owner, (made,)]
        case "forward":
            args.positional = [hook.owner, (made,), *([Unknown("kwargs")] if hook.keywords else []), made]
        case _:
            args.positional = [hook.owner, (made,), (made,)]
    return args


# --- for the tape ----------------------------------------------------------------------------------------------------


def records(m: Machine) -> list[Hook]:
    """What became of every hook, at the end of the run."""
    seen_outside = exposure.seen_outside(m) if m.hooks else set()
    return [_record(m, hook, seen_outside) for hook in m.hooks]


def _record(m: Machine, hook: Registration, seen_outside: set[int]) -> Hook:
    span, time, left = hook.removed[0] if hook.removed else (None, 0, None)
    copied = hook.owner.cells.get(COPIED) if isinstance(hook.owner, Instance) else None
    return Hook(
        kind=hook.kind,
        span=hook.span,
        label=m.text(hook.span),
        time=hook.time,
        value=hook.value,
        removed=span,
        removed_at=time,
        left=left,
        stack=hook.stack,
        fired=tuple(hook.fired),
        calls=tuple(call for module, call in m.module_calls if module is hook.owner and hook.owner is not None),
        certain=hook.certain and not m.outside_code and id(hook.owner) not in seen_outside,
        copied=copied if isinstance(copied, Span) else None,
        made=_made(hook),
        shared=hook.shared,
        taken=hook.taken,
    )


def _made(hook: Registration) -> Span | None:
    """Where the module was made: the first of the calls that led to it and not to the registration as well."""
    if not isinstance(hook.owner, Instance):
        return None
    for made, registered in zip_longest(hook.owner.cells.get(MADE, ()), hook.stack):
        if made != registered:
            return made or hook.owner.span
    return hook.owner.span
