"""Attributes that a layer of torch certainly lacks: code that asks for them first (`try: layer.weight_u`) then knows what to do."""

from __future__ import annotations

from gradlint.static.machine import Machine
from gradlint.static.values import Instance, Lib

REWRITTEN = "$rewritten"  #: cell of a module that a function of a library gave back: who knows what it hung on it
_NAMES = frozenset(("weight", "bias"))


def lacks(m: Machine, value: Instance, name: str) -> bool:
    """Whether nobody can have put this next to a layer's own weights (`weight_u`, `bias_mask`)."""
    if not (m.whole and isinstance(value.cls, Lib) and value.cls.name.startswith("torch.nn.")):
        return False
    if REWRITTEN in value.cells or id(value) in m.exposed or m.outside_code:
        return False
    row = m.catalog.row(value.cls.name)
    return (
        row is not None
        and row.module
        and _NAMES.issuperset(row.parameters)
        and name.startswith(tuple(f"{own}_" for own in row.parameters))
    )
