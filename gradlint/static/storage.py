"""Tensors that certainly share their numbers: views, and detached aliases.

Autograd counts the writes of a storage, by whatever name they come; `.data` counts its own. A reshape may copy, a move may
hand back the tensor itself: these are shared perhaps, and so not here. A view of a leaf is written as the leaf itself would be.
"""

from __future__ import annotations

from collections.abc import Iterator

from gradlint.catalog import Row
from gradlint.static import containers, exposure
from gradlint.static.machine import Machine
from gradlint.static.modes import SWITCHED
from gradlint.static.store import MISSING
from gradlint.static.values import NODE, Scalar, Tensor, Val, options
from gradlint.tape import Span

ORIGIN, SHARED, VIEW = "$origin", "$shared", "$view_of"
INSIDE_UNKNOWN = "inside_unknown"  #: of the run: how many `with` blocks of unknown contexts are open
#: rows of views that copy where they have to
PERHAPS = frozenset(("reshape", "flatten", "ravel", "contiguous", "meshgrid", "as_subclass", "copy"))
MOST = 32  #: tensors of one storage that are followed


def view(m: Machine, made: Val, value: Val, row: Row | None = None) -> None:
    """`made` is a view of `value`, if the row says so or there is none."""
    certainly = row is None or (row.view and row.name.rsplit(".", 1)[-1] not in PERHAPS)
    if certainly and isinstance(made, Tensor) and isinstance(value, Tensor) and made is not value:
        made.cells[VIEW] = value
        share(m, made, value)


def share(m: Machine, made: Tensor, value: Tensor) -> None:
    """`made` has the numbers of `value`, and its count of writes."""
    origin = value.cells.get(ORIGIN, value)
    known = _known(origin)
    if len(known) < MOST:
        made.cells[ORIGIN] = origin
        m.set(origin, SHARED, (*known, made))


def sharing(value: Tensor) -> Iterator[Tensor]:
    """All tensors that a write into this one changes, itself first."""
    yield value
    origin = value.cells.get(ORIGIN, value)
    yield from (t for t in (origin, *_known(origin)) if t is not value)


def basic(index: Val) -> bool:
    """Whether `tensor[index]` is a view: numbers, slices, `None` and `...` only; a list, a mask or indices make a copy."""
    if isinstance(index, tuple):
        return all(basic(part) for part in index)
    number = isinstance(index, int) and not isinstance(index, bool)
    return number or isinstance(index, (containers.Slice, Scalar)) or index is None or index is Ellipsis


def refused(m: Machine, value: Tensor, span: Span) -> None:
    """A tensor is written in place while gradients are on: a leaf that requires grad, or a view of one, refuses it."""
    if not m.whole or m.doubt or m.rehearsing or m.outside_code or not _grad_on(m) or m.state.cells.get("trying"):
        return
    leaf = value
    while isinstance(leaf.cells.get(VIEW), Tensor):
        leaf = leaf.cells[VIEW]
    known = m.tape.values[leaf.cells[NODE]]
    sure = all(m.tape.requires[t.cells[NODE]] == "yes" for t in (value, leaf)) and not known.joined
    if sure and known.leaf and id(leaf) not in exposure.seen_outside(m):
        m.tape.note(kind="written-leaf", span=span, label=m.text(span), cause=known.span, cause_label=known.label)


def _grad_on(m: Machine) -> bool:
    """Whether gradients are certainly on: no flag and no context that nobody knows has a say."""
    return m.mode.enabled is True and m.mode.label != SWITCHED and not m.state.cells.get(INSIDE_UNKNOWN)


def _known(origin: Tensor) -> tuple[Tensor, ...]:
    """What was seen to share; where branches met, all that either of them saw."""
    held = origin.cells.get(SHARED, MISSING)
    seen = [part for way in options(held) if isinstance(way, tuple) for part in way]
    return tuple(dict.fromkeys(t for part in seen for t in options(part) if isinstance(t, Tensor)))
