"""How values of several paths become one: two tensors make one node that carries from both, anything else a few alternatives."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from gradlint.static.budget import ALTERNATIVES
from gradlint.static.store import MISSING, Obj
from gradlint.static.values import Alt, Array, Image, Scalar, Tensor, Unknown, Val, is_number, is_raw, options

if TYPE_CHECKING:
    from gradlint.static.machine import Machine


def join_values(m: Machine, values: Sequence[Val]) -> Val:
    """One value for several; a path on which the value is missing does not count."""
    if len(values) == 1 and not isinstance(values[0], Alt):
        return values[0]
    distinct = _distinct([o for v in values if v is not MISSING for o in options(v)])
    if not distinct:
        return MISSING
    if len(distinct) == 1:
        return distinct[0]
    first = distinct[0]
    if isinstance(first, tuple) and all(isinstance(v, tuple) and len(v) == len(first) for v in distinct):
        return tuple(join_values(m, column) for column in zip(*distinct, strict=True))
    merged = _merge_tensors(m, distinct)
    if len(merged) == 1:
        return merged[0]
    if len(merged) <= ALTERNATIVES:
        return Alt(tuple(merged))
    m.bounds["alternatives"] += 1
    return _blur(m, merged)


def _distinct(values: Sequence[Val]) -> list[Val]:
    """The values without those that are certainly the same as one before."""
    if len(values) == 2:
        return [values[0]] if same(*values) else list(values)
    found: dict[Hashable, Val] = {}
    for value in values:
        found.setdefault(_identity(value), value)
    return list(found.values())


def _identity(value: Val) -> Hashable:
    """What two values share if and only if they are the same one."""
    if isinstance(value, Obj):
        return id(value)
    if isinstance(value, Scalar):
        return Scalar, value.node, value.least
    if isinstance(value, tuple):
        return tuple(map(_identity, value))
    return (type(value), value) if is_raw(value) else id(value)


def same(a: Val, b: Val) -> bool:
    """Whether two values are certainly the same one (identity, or equal constants of one type)."""
    if a is b:
        return True
    if isinstance(a, Scalar) and isinstance(b, Scalar):
        return (a.node, a.least) == (b.node, b.least)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return is_raw(a) and type(a) is type(b) and bool(a == b)


def _merge_tensors(m: Machine, values: list[Val]) -> list[Val]:
    """Tensors (with arrays and unknowns beside them) become one joined value; the rest stays apart."""
    groups: dict[type[Tensor | Array], list[Val]] = {}
    rest: list[Val] = []
    for value in values:
        if isinstance(value, (Tensor, Array)):
            groups.setdefault(type(value), []).append(value)
        else:
            rest.append(value)
    return [_phi(m, kind, group) for kind, group in groups.items()] + rest


def _phi(m: Machine, kind: type[Tensor | Array], group: list[Val]) -> Val:
    if len(group) == 1:
        return group[0]
    nodes = [n for n in (m.node_of(v) for v in group) if n is not None]
    if not nodes:
        return Image() if kind is Image else Array()
    last = m.tape.values[nodes[-1]]
    node = nodes[0] if len(set(nodes)) == 1 else m.tape.phi(nodes, last.span, last.label)
    return kind(node)


def _blur(m: Machine, values: list[Val]) -> Val:
    """More alternatives than anybody can follow: of those that nothing known went into nobody asks which they were."""
    nodes = [n for v in values for n in m.nodes(v) if m.tape.backed[n]]
    if all(is_number(v) or isinstance(v, (str, bytes)) or v is None for v in values):
        numbers = [n for v in values if (n := m.node_of(v)) is not None]
        return Scalar(m.tape.phi(numbers, m.tape.values[numbers[-1]].span, "number") if numbers else None)
    made = Unknown("one of many values")
    if nodes:
        made.cells["$node"] = m.tape.unknown(m.tape.values[nodes[-1]].span, made.label, nodes)
    return made
