"""`.grad`: reading it, using it, throwing it away, and when it is there.

Reading is not demanding: `x.grad` is a demand when the value is used as a tensor, not when it is tested or printed. A leaf
has no gradient before a backward reached it and after it was cleared; what only may have happened claims nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gradlint.static import exposure, hooks, needs, overwrites, training
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import record
from gradlint.static.store import MISSING
from gradlint.static.values import NODE, Alt, Tensor, Val, options
from gradlint.tape import Flow, Span

CLEARED, ZEROED = "$cleared", "$zeroed"  #: cells of a leaf and of its gradient: where and when; None: perhaps no longer
RETAINED = "$retained"  #: cell of a tensor: it keeps its gradient although it may be no leaf
MADE_AFTER = (
    "$made_after"  #: cell of a gradient: how many had been created; one that is created takes its place (torch 2.13)
)
CREATED = "created"  #: of the run: what was differentiated with a graph for the gradient, or perhaps with one
ASSIGNED = "assigned"  #: of the run: the leaves that the program trains by hand


# --- reading and using -----------------------------------------------------------------------------------------------


def read(m: Machine, value: Tensor, span: Span) -> Val:
    """`tensor.grad`: the same object every time; it becomes a demand when it is used."""
    given = value.cells.get("$grad", MISSING)
    m.looked_at.add(value.cells[NODE])
    if isinstance(given, Alt):  # thrown away in one branch of a condition
        return given
    created = len(m.state.cells.get(CREATED, ()))
    if given is MISSING or given is None or given.cells.get(MADE_AFTER, created) < created:
        node = value.cells[NODE]
        roots = m.state.cells["roots"]
        root, create = _last(m, roots)
        made = hooks.gradient(m, root, node, span, m.text(span), create)
        m.set(value, "$grad", made)
        m.set(made, "$grad_of", value)
        m.set(made, MADE_AFTER, created)
        given = made
    if "$grad_of" in given.cells:
        m.set(given, "$read", (span, m.tape.tick()))
    return given


def _last(m: Machine, roots: tuple[int, ...]) -> tuple[Sequence[int], bool | None]:
    """The root whose backward left a gradient, and whether that has a graph: gradients add up, so any backward may have made one."""
    created = m.state.cells.get(CREATED, ())
    if created:
        node, flag = created[-1]
        return (node,), flag
    outside = not m.whole and not roots  # the backward was done elsewhere, with a graph of its own or without
    return roots[-1:], None if outside else False


def guard(m: Machine, value: Tensor) -> bool | None:
    """`t.grad is None`: unknown, and from now on nobody demands it."""
    if value.cells.get("$grad_of", MISSING) is MISSING:
        return False
    m.set(value, "$guarded", True)
    _never_there(m, value)
    return None


def _never_there(m: Machine, value: Tensor) -> None:
    """A test of `.grad` demands nothing; of what certainly is no leaf it is in vain, and PyTorch warns (torch 2.13)."""
    owner, read_at, roots = value.cells["$grad_of"], value.cells.get("$read"), m.state.cells["roots"]
    if not (roots and m.whole and not m.doubt and isinstance(owner, Tensor) and isinstance(read_at, tuple)):
        return
    node = owner.cells[NODE]
    known = m.tape.values[node]
    plain = not (known.leaf or known.joined or owner.cells.get(RETAINED) or "$moved" in owner.cells)
    if plain and m.tape.requires[node] == "yes" and isinstance(read_at[0], Span) and _certain(m, owner):
        record(m, "grad-read", read_at[0], roots, [node], [known.label], retained=False, certain=False)


def use(m: Machine, value: Val, sure: bool = True) -> None:
    """A value is used in an operation: if it is an unguarded `.grad`, that reading was a demand.

    Unless the use is `sure` to need a tensor (an unknown call may only print it), nothing is said of the time.
    """
    if not isinstance(value, Tensor):
        return
    overwrites.use(m, value)
    read_at = value.cells.get("$read", MISSING)
    owner = value.cells.get("$grad_of", MISSING)
    if isinstance(owner, Tensor):
        m.tape.wanted.add(owner.cells[NODE])  # by whoever tests first whether it is there, too
    if not isinstance(read_at, tuple):
        _use_kept(m, value, sure)
    elif value.cells.get("$guarded") is not True:
        m.store.delete(value, "$read")
        span, time = (options(part)[0] for part in read_at)  # where branches met, one of the readings
        sure = sure and not isinstance(read_at[0], Alt)
        if not _demand(m, value.cells["$grad_of"], span, time, sure):
            _use_kept(m, value, sure)


def use_all(m: Machine, values: Iterable[Val]) -> None:
    """Values are handed to something unknown: that uses them."""
    for value in values:
        for option in options(value):
            use(m, option, sure=False)


def want_all(m: Machine, values: Iterable[Val]) -> None:
    """Gradients are handed to something nobody found: whoever does that wants them, and nothing is said of the time."""
    for value in values:
        for option in options(value):
            owner = option.cells.get("$grad_of") if isinstance(option, Tensor) else None
            if isinstance(owner, Tensor):
                m.tape.wanted.add(owner.cells[NODE])


def _demand(m: Machine, owner: Tensor, span: Span, time: int, sure: bool) -> bool:
    """Record the demand of a gradient that was read there and then; whether that tells of its time what there is to tell."""
    node = owner.cells[NODE]
    m.tape.wanted.add(node)
    known = m.tape.values[node]
    moved = owner.cells.get("$moved")
    retained = known.leaf or owner.cells.get(RETAINED) is True or moved == "no"
    roots = m.state.cells["roots"]
    cleared = _cleared(m, owner) if sure and retained else None
    fresh = cleared is None or cleared[1] < time
    early = sure and retained and not roots and _certain(m, owner)
    if not roots and not early:
        m.sites[span] = m.text(span)
        return True
    where, since = cleared if cleared is not None and fresh else (None, 0)
    record(
        m, "grad-read", span, roots, [node], [known.label], retained=retained, early=early, cleared=where, since=since,
        raises=sure and in_sight(m, [node]),
    )  # fmt: skip
    return fresh


def _use_kept(m: Machine, value: Tensor, sure: bool) -> None:
    """Another name for a gradient is used; the buffer may have been zeroed since."""
    seen = overwrites.unaliased(value)
    owner, zeroed = seen.cells.get("$grad_of", MISSING), seen.cells.get(ZEROED)
    if (
        sure
        and isinstance(owner, Tensor)
        and isinstance(zeroed, tuple)
        and isinstance(zeroed[1], int)
        and _certain(m, owner)
        and not _since(m, zeroed[1])
    ):
        node = owner.cells[NODE]
        roots, label = m.state.cells["roots"], m.tape.values[node].label
        record(
            m, "grad-read", m.statement_span(), roots, [node], [label],
            cleared=zeroed[0], since=zeroed[1], kept=seen.cells[NODE],
        )  # fmt: skip


def optimized(m: Machine, parameter: Tensor, span: Span) -> None:
    """An optimizer is given a tensor: one that certainly is no leaf it refuses (torch 2.13)."""
    node, moved = parameter.cells[NODE], parameter.cells.get("$moved", "yes")
    known = m.tape.values[node]
    refused = m.tape.requires[node] == "yes" and not known.leaf and moved != "no"
    if refused and parameter.cells.get(RETAINED) is not True and m.doubt == 0:
        record(m, "optimize", span, (), [node], [known.label], retained=False, certain=moved == "yes")


# --- when there is one -----------------------------------------------------------------------------------------------


def passed(m: Machine, roots: Sequence[int], create: bool | None = False) -> None:
    """A backward leaves gradients from now on; those that it was asked to `create` a graph for can be differentiated."""
    if create is not False:
        m.set(m.state, CREATED, (*m.state.cells.get(CREATED, ()), *((root, create) for root in roots)))
    m.set(m.state, "passes", (*m.state.cells.get("passes", ()), (m.tape.tick(), tuple(roots))))


def clear(m: Machine, value: Tensor, span: Span, to_none: bool | None) -> None:
    """The gradient is thrown away: it becomes None, or the same buffer holds zeros."""
    kept = value.cells.get("$grad", MISSING)
    at = None if m.doubt else (span, m.tape.tick())
    m.set(value, CLEARED, at)
    if to_none:
        m.set(value, "$grad", None)
    elif isinstance(kept, Tensor):
        m.set(kept, ZEROED, at if to_none is False else None)


def to_none(m: Machine, args: Args) -> Val:
    """The flag of `zero_grad(set_to_none=flag)` of a module or an optimizer; what it is by itself depends on the release."""
    return args.get(0, "set_to_none", m.catalog.default("torch.optim.Optimizer.zero_grad", "set_to_none"))


def clear_all(m: Machine, values: Iterable[Tensor], span: Span, flag: Val) -> None:
    """`zero_grad(set_to_none=flag)`."""
    values = list(values)
    training.cleared(m, values)
    for value in values:
        clear(m, value, span, flag if isinstance(flag, bool) else None)


def zero(m: Machine, value: Tensor, span: Span) -> bool:
    """`x.grad.zero_()` or `x.grad.data.zero_()`: whether the tensor is a gradient, which is cleared then."""
    seen = value
    while "$grad_of" not in seen.cells and isinstance(seen.cells.get("$alias"), Tensor):
        seen = seen.cells["$alias"]
    owner = seen.cells.get("$grad_of", MISSING)
    if not isinstance(owner, Tensor):
        return False
    if not m.state.cells["roots"]:
        use(m, seen)
    m.store.delete(seen, "$read")
    clear(m, owner, span, to_none=False)
    return True


def written(m: Machine, value: Tensor) -> None:
    """A gradient is written by hand: what was zeroed is filled again."""
    owner = value.cells.get("$grad_of", MISSING)
    if isinstance(owner, Tensor) and ZEROED in value.cells:
        m.set(value, ZEROED, None)
        m.set(owner, CLEARED, None)


def assign(m: Machine, value: Tensor, given: Val, span: Span) -> None:
    """`x.grad = given`."""
    if given is None:
        clear(m, value, span, to_none=True)
        return
    m.set(m.state, ASSIGNED, (*m.state.cells.get(ASSIGNED, ()), value.cells[NODE]))
    m.set(value, CLEARED, None)
    m.set(value, "$grad", given if isinstance(given, Tensor) else MISSING)


def replaced(m: Machine, old: object, new: Tensor) -> None:
    """Another tensor takes the place of a parameter that it was not computed from: the program trains it by hand."""
    if not isinstance(old, Tensor) or not m.tape.values[old.cells[NODE]].parameter:
        return
    made_of = [edge.src for edge in m.tape.into[new.cells[NODE]]]
    if old.cells[NODE] not in m.tape.ancestors(made_of):
        m.set(m.state, ASSIGNED, (*m.state.cells.get(ASSIGNED, ()), old.cells[NODE]))


def overwritten(m: Machine, value: Tensor, given: Iterable[int]) -> None:
    """A parameter gets new numbers in place, made from other parameters, once a backward was done: a moving average."""
    node = overwrites.unaliased(value).cells[NODE]
    if not m.tape.values[node].parameter or not m.state.cells.get("passes"):
        return
    sources = m.tape.ancestors(given, Flow.CUTS)
    if any(m.tape.values[v].parameter and v != node for v in sources):
        m.set(m.state, ASSIGNED, (*m.state.cells.get(ASSIGNED, ()), node))


def stepped(m: Machine, optimizer: Val, parameters: Sequence[Tensor], span: Span) -> None:
    """An optimizer steps: a demand of its own where what the last backward left was thrown away before any step used it."""
    for parameter in _given(m, parameters):
        needs.changed(m, parameter, span)
    _write_step(m, parameters, span)
    before, last = optimizer.cells.get("$stepped", 0), _last_pass(m, parameters)
    m.set(optimizer, "$stepped", m.tape.tick())
    cleared = [_cleared(m, p) for p in parameters]
    lost = [c for c in cleared if c is not None]
    if not lost or len(lost) < len(cleared) or not before < last < min(time for _, time in lost):
        return
    nodes = [p.cells[NODE] for p in parameters[:1]]
    labels = [m.tape.values[n].label for n in nodes]
    record(m, "grad-read", span, m.state.cells["roots"], nodes, labels, cleared=lost[0][0], since=lost[0][1])


def _write_step(m: Machine, parameters: Sequence[Tensor], span: Span) -> None:
    """A step adds to each parameter what its gradient is, past the graph: an inner loop cannot be differentiated through it."""
    passes = m.state.cells.get("passes", ())
    left = passes[-1][1] if passes and isinstance(passes[-1], tuple) else ()
    for parameter in parameters:
        assigned = parameter.cells.get("$grad", MISSING)
        sources = [assigned.cells[NODE]] if isinstance(assigned, Tensor) else left
        for source in sources:
            m.tape.write(source, parameter.cells[NODE], span, m.text(span), "rebuild")


def _given(m: Machine, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Those that certainly have a gradient: the last backward of all left one, and nobody threw it away."""
    passes = m.state.cells.get("passes", ())
    if not passes or not isinstance(passes[-1], tuple):
        return []
    reached = m.tape.ancestors(passes[-1][1], Flow.CARRIES)
    return [p for p in parameters if p.cells[NODE] in reached and _certain(m, p) and _cleared(m, p) is None]


def _last_pass(m: Machine, parameters: Sequence[Tensor]) -> int:
    """The moment of the last backward, if it reached one of these; 0 if there is none."""
    passes = m.state.cells.get("passes", ())
    if not passes or not isinstance(passes[-1], tuple):
        return 0
    time, roots = passes[-1]
    reached = m.tape.ancestors(roots)
    return int(time) if any(p.cells[NODE] in reached for p in parameters) else 0


def _cleared(m: Machine, owner: Tensor) -> tuple[Span, int] | None:
    """Where and when the gradient was certainly thrown away, if no backward followed."""
    at = owner.cells.get(CLEARED)
    if not isinstance(at, tuple) or not isinstance(at[1], int) or not _certain(m, owner) or _since(m, at[1]):
        return None
    return None if m.tape.values[owner.cells[NODE]].time > at[1] else at


def _since(m: Machine, time: int) -> bool:
    """Whether there was a backward after that moment."""
    return any(at > time for at, _ in m.state.cells.get("passes", ()))


def _certain(m: Machine, owner: Tensor) -> bool:
    """Whether it is known all along what happened to this leaf, and that it requires grad."""
    return m.tape.requires[owner.cells[NODE]] == "yes" and in_sight(m, [owner.cells[NODE]])


def in_sight(m: Machine, nodes: Collection[int]) -> bool:
    """A whole run, no condition, no code from outside: what happened to these tensors is known all along."""
    if not m.whole or m.doubt or m.rehearsing or m.state.cells.get("trying") or m.outside_code:
        return False
    outside = {v.cells[NODE] for v in exposure.objects_outside(m) if isinstance(v, Tensor)}
    return outside.isdisjoint(nodes) and not any(m.tape.values[n].joined for n in nodes)
