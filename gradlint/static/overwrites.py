"""Captures that are overwritten in place: what a hook or an attribute kept in a forward pass holds other numbers after it.

A capture is a reference. What is changed in place later in the same forward pass, by whatever name, changes the capture
too, and so does a change of what it is a detached alias of. It matters where the program takes the capture up again after
the pass. A tensor that passed a full backward hook is a view that must not be changed in place at all: that raises.
"""

from __future__ import annotations

from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import NODE, Tensor, Val
from gradlint.tape import Span

KEPT, OVERWRITTEN, TAKEN_UP, ALIASES, GUARDED = "$kept", "$overwritten", "$taken_up", "$aliases", "$guarded_view"


#: where the functions of torch.nn.functional have their flag `inplace`
FLAGS = {
    "relu": 1, "relu6": 1, "selu": 1, "silu": 1, "mish": 1, "hardswish": 1, "hardsigmoid": 1, "elu": 2, "celu": 2, "leaky_relu": 2,
    "hardtanh": 3, "threshold": 3, "rrelu": 4, "dropout": 3, "dropout1d": 3, "dropout2d": 3, "dropout3d": 3, "alpha_dropout": 3,
    "feature_alpha_dropout": 3,
}  # fmt: skip
TRAINING = 2  #: where dropout has its flag; without it, `alpha` kinds do nothing and the others write


def asked(op: str, args: Args) -> bool:
    """Whether a call (`torch.nn.functional.relu()`) says that it writes into what it is given."""
    place = FLAGS.get(_function(op))
    return (args.keywords.get("inplace") if place is None else args.get(place, "inplace")) is True


def certain(op: str, args: Args) -> bool:
    """Whether it does so whatever happens: dropout leaves its input alone in evaluation."""
    name = _function(op)
    if "dropout" not in name:
        return "dropout" not in op
    return args.get(TRAINING, "training", "alpha" not in name) is True and args.get(1, "p", 0.5) not in (0, 0.0)


def _function(op: str) -> str:
    """The last part of the name of a function of torch.nn.functional."""
    return op.removesuffix("()").rpartition(".")[2] if op.startswith("torch.nn.functional.") else ""


def keep(m: Machine, value: Tensor, span: Span, label: str) -> None:
    """A tensor is put somewhere during a forward pass."""
    if m.pass_begun and not m.doubt and m.tape.into[value.cells[NODE]]:
        m.set(value, KEPT, (span, label, m.pass_begun))


def alias(m: Machine, value: Tensor, made: Tensor) -> None:
    """`made` shares the storage of `value`: `.detach()`, `.data`."""
    m.set(value, ALIASES, (*_list(value, ALIASES), made))


def guard(m: Machine, value: Val, span: Span) -> Val:
    """What passes a full backward hook comes out as a view of its own, if it requires grad."""
    if isinstance(value, tuple):
        return tuple(guard(m, v, span) for v in value)
    if not isinstance(value, Tensor) or m.mode.enabled is False or m.tape.requires[value.cells[NODE]] != "yes":
        return value
    made = Tensor(value.cells[NODE])
    made.cells[GUARDED] = span
    return made


def written(m: Machine, value: Tensor, span: Span, made: Span | None = None) -> None:
    """A tensor is changed in place, perhaps by a layer that was made to do so."""
    if m.doubt or m.rehearsing:
        return
    hook = value.cells.get(GUARDED, MISSING)
    if isinstance(hook, Span) and m.mode.enabled is not False:
        _note(m, "written-view", hook, m.text(hook), span, span, made)
    for held in _sharing(value):
        _overwrite(m, held, span, made)


def unaliased(value: Tensor) -> Tensor:
    """The tensor whose detached alias this is; one that is none, itself."""
    while isinstance(value.cells.get("$alias"), Tensor):
        value = value.cells["$alias"]
    return value


def _sharing(value: Tensor) -> list[Tensor]:
    """The tensors whose numbers change with it: what it is an alias or a view of, and the aliases of that."""
    origin = unaliased(value)
    return [t for t in (origin, origin.base, *_list(origin, ALIASES)) if t is not None]


def _overwrite(m: Machine, held: Tensor, span: Span, made: Span | None) -> None:
    """The capture holds other numbers from now on, unless the program changes it by way of where it is kept."""
    kept = held.cells.get(KEPT)
    if not isinstance(kept, tuple) or OVERWRITTEN in held.cells or held.cells.get(TAKEN_UP) == m.statement_span():
        return
    if kept[2] == m.pass_begun:
        m.set(held, OVERWRITTEN, (*kept, span, made))


def take_up(m: Machine, value: Val) -> None:
    """A tensor is read from an attribute or a container."""
    if isinstance(value, Tensor) and KEPT in value.cells:
        m.set(value, TAKEN_UP, m.statement_span())


def use(m: Machine, value: Tensor) -> None:
    """A tensor is used: if it was taken up from where it was kept, after the pass that overwrote it, that is worth a note."""
    kept = value.cells.get(OVERWRITTEN, MISSING)
    if not isinstance(kept, tuple) or TAKEN_UP not in value.cells or m.doubt or m.rehearsing:
        return
    span, label, begun, cause, made = kept
    if m.pass_begun != begun:
        _note(m, "overwritten", span, label, cause, m.statement_span(), made)


def _note(m: Machine, kind: str, span: Span, label: str, cause: Span, used: Span, made: Span | None) -> None:
    m.tape.note(
        kind=kind,
        span=span,
        label=label,
        cause=cause,
        cause_label=m.text(cause),
        use=used,
        use_label=m.text(used),
        made=made,
    )


def _list(value: Tensor, key: str) -> tuple[Tensor, ...]:
    held = value.cells.get(key, MISSING)
    return held if isinstance(held, tuple) else ()
