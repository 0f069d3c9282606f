"""Data loaders: the batches that iterating one gives, made of the items of its dataset."""

from __future__ import annotations

from gradlint.static import calls, classes
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.recording import Input
from gradlint.static.rows import compute
from gradlint.static.store import MISSING
from gradlint.static.tensors import element
from gradlint.static.unknowns import promoted
from gradlint.static.values import (
    NODE,
    WHOLE,
    Alt,
    Array,
    DictObj,
    Frame,
    Instance,
    ListObj,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
)  # fmt: skip
from gradlint.tape import Kind, Span


def batches(m: Machine, value: Instance, span: Span) -> tuple[list[Val], bool]:
    """What iterating a DataLoader gives: the dataset's items."""
    dataset = promoted(value.cells["$dataset"])
    if isinstance(dataset, Instance) and "$tensors" in dataset.cells and value.cells.get("$collate") is None:
        row = tuple(
            element(m, t, Scalar(), span) if isinstance(t, Tensor) else Unknown("item", t)
            for t in dataset.cells["$tensors"]
        )
        return [ListObj(row)], False
    if isinstance(dataset, Instance) and value.cells.get("$collate") is None:
        getter, owner = classes.find(m, dataset.cls, "__getitem__")
        if getter is not MISSING:
            frame = Frame(owner.module, owner.module.program.scope)
            item = calls.call(m, classes.bind(m, getter, dataset, owner), Args(span, frame, [Scalar()]))
            return [_collated(m, item, span)], False
    if isinstance(dataset, ListObj):
        return [_collated(m, v, span) for v in content(dataset)][:1] or [_batch(m, span)], False
    if isinstance(dataset, (Tensor, Alt)) and value.cells.get("$collate") is None:
        return [m.alternatives(dataset, lambda whole: _rows(m, whole, span))], False
    return [_batch(m, span)], False


def _rows(m: Machine, whole: Val, span: Span) -> Val:
    """A batch of the rows of a tensor, which hangs on the tensor."""
    return _collated(m, element(m, whole, Scalar(), span), span) if isinstance(whole, Tensor) else _batch(m, span)


def _batch(m: Machine, span: Span) -> Unknown:
    """A batch of unknown shape: whatever its parts are, they are data without a graph or parameters behind them."""
    made = Unknown("batch")
    made.cells[NODE] = m.tape.leaf(Kind.TENSOR, span, "batch")
    made.cells[WHOLE] = True
    return made


def _collated(m: Machine, item: Val, span: Span) -> Val:
    """One batch of items: numbers and arrays become plain tensors, tensors are stacked."""
    if isinstance(item, tuple):
        return ListObj([_collated(m, v, span) for v in item])
    if isinstance(item, Tensor) and (m.tape.into[item.cells[NODE]] or m.tape.requires[item.cells[NODE]] != "no"):
        return Tensor(compute(m, "batch", [Input(item.cells[NODE])], span))
    if isinstance(item, (int, float, Scalar, Array, Tensor)):
        return Tensor(m.tape.leaf(Kind.TENSOR, span, "batch"))
    if isinstance(item, DictObj):
        made = DictObj()
        for key, value in dict_items(item):
            made.cells["k", key] = _collated(m, value, span)
        made.cells["$open"] = item.cells.get("$open", False)
        return made
    return _batch(m, span) if isinstance(item, Unknown) else item
