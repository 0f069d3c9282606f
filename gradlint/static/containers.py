"""Lists, dicts, sets, tuples and their items; iterating; the methods of containers and strings.

An `$open` container may hold more than is known. What cannot be told apart becomes unknown, never an error, except where
Python certainly raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlint.static import attributes, calls, counters, hooks, object_dicts, overwrites, tensors, turns, unknowns
from gradlint.static.arguments import Args
from gradlint.static.budget import CONTENT, UNKNOWN_KEYS, UNROLL_KNOWN, UNROLL_OPEN
from gradlint.static.joins import join_values, same
from gradlint.static.machine import Machine
from gradlint.static.operators import plain
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ITEMS,
    NUMBER,
    OPEN,
    Alt,
    Array,
    DictObj,
    Frame,
    Function,
    Generator,
    Instance,
    Lib,
    ListObj,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
    is_raw,
    options,
)  # fmt: skip
from gradlint.tape import Span

_LONGEST = 10 * CONTENT  #: items of a sequence that is put together of others


class Slice:
    """`lower:upper:step`."""

    __slots__ = ("lower", "step", "upper")

    def __init__(self, lower: Val, upper: Val, step: Val) -> None:
        self.lower, self.upper, self.step = lower, upper, step

    def known(self) -> slice | None:
        """Python's slice, if all parts are known."""
        parts = (self.lower, self.upper, self.step)
        return slice(*parts) if all(p is None or isinstance(p, int) for p in parts) else None


def is_open(value: Val) -> bool:
    """Whether a container may hold more than is known."""
    return value.cells.get(OPEN) is True


def make_set(values: list[Val], exact: bool) -> ListObj:
    """A set: equal constants once."""
    kept: list[Val] = []
    for value in values:
        if not any(same(value, other) for other in kept):
            kept.append(value)
    return ListObj(kept, "set", not exact)


# --- iterating -------------------------------------------------------------------------------------------------------


def sequence(m: Machine, frame: Frame, value: Val, span: Span) -> tuple[list[Val], bool]:
    """The elements of an iterable, and whether these are exactly all."""
    match value:
        case tuple():
            return list(value), True
        case ListObj():
            return list(content(value)), not is_open(value)
        case DictObj():
            return [k for k, _ in dict_items(value)], not is_open(value)
        case str() | bytes() | range() if len(value) <= CONTENT:
            return list(value), True
        case Generator():
            return calls.run_generator(m, value), True
        case Alt():
            return _one_of(m, [sequence(m, frame, o, span) for o in value.options if o is not None])
        case Tensor() | Array():
            return [tensors.element(m, value, None, span)], False
        case Instance():
            return _iterate_instance(m, frame, value, span)
        case Unknown():
            return [unknowns.element_of_unknown(m, value, span)], False
        case None:
            raise Raised("'NoneType' object is not iterable", kind="TypeError", place=m.absent)
    return [Scalar()] if isinstance(value, (range, str, bytes, Scalar)) else [Unknown("element", value)], False


def _one_of(m: Machine, known: list[tuple[list[Val], bool]]) -> tuple[list[Val], bool]:
    """The elements of one of several iterables: as many as the longest has, each what any of them may have there."""
    if len(known) == 1:
        return known[0]
    longest = max((elements for elements, _ in known), key=len, default=[])
    return [
        join_values(m, [elements[min(i, len(elements) - 1)] for elements, _ in known if elements])
        for i in range(len(longest))
    ], False


def _iterate_instance(m: Machine, frame: Frame, value: Instance, span: Span) -> tuple[list[Val], bool]:
    from gradlint.static import modules

    if "$inner" in value.cells:
        return sequence(m, frame, value.cells["$inner"], span)
    known = modules.iterate(m, value, span)
    if known is not NotImplemented:
        return known  # type: ignore[no-any-return]
    if isinstance(value.cells.get("$tuple"), tuple):
        return [value.cells.get(n, Unknown(n)) for n in value.cells["$tuple"]], True
    made = calls.special_method(m, frame, value, "__iter__", span)
    if made is not NotImplemented and made is not value:
        return sequence(m, frame, made, span)
    item = calls.special_method(m, frame, value, "__getitem__", span, Scalar())
    if item is not NotImplemented:
        return [item], False
    following = calls.special_method(m, frame, value, "__next__", span)
    return [Unknown("element", value) if following is NotImplemented else following], False


def rounds(m: Machine, frame: Frame, value: Val, span: Span, limit: int) -> tuple[list[Val], bool]:
    """The elements a loop runs over: all of a short known sequence, else two that stand for any, or one (see `turns`)."""
    if isinstance(value, range):
        if len(value) <= limit // 2:
            return list(value), True
        first = value[0] if value.step > 0 else None
        return [Scalar()] if turns.once(m, span) else counters.numbered(first, 2), False
    known, exact = sequence(m, frame, value, span)
    if exact and not known and isinstance(value, (ListObj, DictObj)):
        hooks.found_empty(m, value, span)
    for element in known if isinstance(value, ListObj) else ():
        overwrites.take_up(m, element)
    if exact and len(known) <= (limit if isinstance(value, (str, bytes)) else max(limit, UNROLL_KNOWN)):
        return known, True
    if not known:
        return _any(m, span, [Unknown("element", value), Unknown("element", value)])
    if len(known) == 1:
        again, _ = (
            sequence(m, frame, value, span) if isinstance(value, (Unknown, Tensor, Array, Instance)) else (known, False)
        )
        return _any(m, span, [known[0], again[0]])
    if len(known) <= max(limit, UNROLL_OPEN):
        return known, False
    return _any(m, span, [known[0], Unknown("element", value)])  # they need not be alike


def _any(m: Machine, span: Span, two: list[Val]) -> tuple[list[Val], bool]:
    """What stands for any number of elements."""
    return two[:1] if turns.once(m, span) else two, False


def unpack(m: Machine, frame: Frame, value: Val, count: int, span: Span) -> list[Val]:
    """`count` parts of a value, for an assignment to as many targets."""
    if isinstance(value, Alt):
        rows = [unpack(m, frame, o, count, span) for o in value.options if o is not None]
        return [join_values(m, [row[i] for row in rows]) for i in range(count)]
    if isinstance(value, (Tensor, Array)):
        return [tensors.element(m, value, i, span) for i in range(count)]
    if isinstance(value, Unknown):
        return [get_item(m, frame, value, i, span) for i in range(count)]
    known, exact = sequence(m, frame, value, span)
    if exact and len(known) != count:
        raise Raised(f"expected {count} values, got {len(known)}", kind="ValueError")
    return [known[i] if i < len(known) else (known[0] if known else Unknown("element", value)) for i in range(count)]


# --- items -----------------------------------------------------------------------------------------------------------


def get_item(m: Machine, frame: Frame, value: Val, index: Val, span: Span) -> Val:
    """`value[index]`."""
    if isinstance(index, Alt):
        return m.alternatives(index, lambda i: get_item(m, frame, value, i, span))
    match value:
        case tuple() | ListObj() | str() | range() | bytes():
            return get_position(m, value, index)
        case DictObj():
            return _get_key(m, frame, value, index, span)
        case Tensor() | Array():
            return tensors.element(m, value, index, span)
        case Unknown():
            return _get_unknown(m, value, index, span)
        case Instance():
            return _get_instance(m, frame, value, index, span)
        case Lib():
            return value
        case None:
            raise Raised("'NoneType' object is not subscriptable", kind="TypeError", place=m.absent)
    return Scalar() if isinstance(value, Scalar) else Unknown("item", value)


def get_position(m: Machine, value: Val, index: Val) -> Val:
    """`sequence[index]`."""
    known = content(value) if isinstance(value, ListObj) else value
    if isinstance(index, Slice):
        cut = index.known()
        if cut is None or (isinstance(value, ListObj) and is_open(value)):
            return ListObj(known, "list", True) if not isinstance(value, (str, bytes, range)) else Scalar()
        if not isinstance(value, ListObj):
            return known[cut]
        return counters.as_long(ListObj(known[cut] or (known if counters.GROWN in value.cells else ())), value)
    if isinstance(index, int):
        if -len(known) <= index < len(known):
            return known[index]
        if isinstance(value, ListObj) and is_open(value):
            return join_values(m, list(known)) if known else Unknown("element", value)
        place = (value, ITEMS) if isinstance(value, ListObj) else None
        raise Raised("index out of range", kind="IndexError", place=place)
    if isinstance(value, (str, bytes, range)):
        return Scalar()
    return join_values(m, list(known)) if known else Unknown("element", value)


def _get_key(m: Machine, frame: Frame, value: DictObj, key: Val, span: Span) -> Val:
    if plain(key) or not isinstance(key, (Scalar, Unknown)):
        found = value.cells.get(("k", _hashable(key)), MISSING)
        if found is not MISSING:
            if found is None:
                m.absent = (value, ("k", _hashable(key)))
            return found
        if value.factory is not None:
            made = calls.call(m, value.factory, Args(span, frame))
            m.set(value, ("k", _hashable(key)), made)
            return made
        if not is_open(value):
            raise Raised(f"no key {key!r}", kind="KeyError", place=(value, ("k", _hashable(key))))
        return Unknown(f"[{key!r}]" if plain(key) else "item", value)
    known = [v for _, v in dict_items(value)]
    if value.factory is not None and not known:
        known = [calls.call(m, value.factory, Args(span, frame))]
        m.set(value, ("k", key), known[0])
    return join_values(m, known) if known else Unknown("item", value)


def _hashable(key: Val) -> Any:
    if isinstance(key, tuple):
        return tuple(_hashable(k) for k in key)
    return key


def _get_unknown(m: Machine, value: Unknown, index: Val, span: Span) -> Val:
    key = ("i", index) if plain(index) else None
    if key is not None and value.cells.get(key, MISSING) is not MISSING:
        return value.cells[key]
    made = unknowns.item_of_unknown(m, value, index, span)
    if key is not None:
        m.store.keep(value, key, made)  # the same item at every reading
    return made


def _get_instance(m: Machine, frame: Frame, value: Instance, index: Val, span: Span) -> Val:
    from gradlint.static import modules

    made = calls.special_method(m, frame, value, "__getitem__", span, index)
    if made is not NotImplemented:
        return made
    if "$inner" in value.cells:
        return get_item(m, frame, value.cells["$inner"], index, span)
    special = modules.get_item(m, value, index, span)
    if special is not NotImplemented:
        return special
    if isinstance(value.cells.get("$tuple"), tuple) and isinstance(index, int):
        return value.cells.get(value.cells["$tuple"][index])
    return Unknown("item", value)


def set_item(m: Machine, frame: Frame, receiver: Val, index: Val, value: Val, span: Span) -> None:
    """`receiver[index] = value`."""
    match receiver:
        case ListObj():
            set_position(m, receiver, index, value)
        case DictObj():
            set_key(m, receiver, index, value, span)
            return
        case Tensor() | Array():
            tensors.set_element(m, receiver, index, value, span)
            return
        case Unknown():
            if plain(index):
                m.set(receiver, ("i", index), value)
        case Instance() if "$inner" in receiver.cells:  # a class that derives from a dict or a list
            for inner in options(receiver.cells["$inner"]):
                set_item(m, frame, inner, index, value, span)
            return
        case Instance():
            from gradlint.static import modules

            if modules.set_item(m, receiver, index, value, Args(span, frame)) is NotImplemented:
                calls.special_method(m, frame, receiver, "__setitem__", span, index, value)
    attributes.capture_store(m, value, span, "item", m.text(span))


def set_position(m: Machine, receiver: ListObj, index: Val, value: Val) -> None:
    """`list[index] = value`."""
    known = list(content(receiver))
    part = index.known() if isinstance(index, Slice) else None
    given = content(value) if isinstance(value, ListObj) else value
    if isinstance(index, int) and -len(known) <= index < len(known):
        known[index] = value
    elif part is not None and isinstance(given, tuple) and _fits(known, part, given):
        known[part] = given
    else:
        known = [join_values(m, [v, value]) for v in known] or [value]
        m.set(receiver, OPEN, True)
    m.set(receiver, ITEMS, tuple(known))


def _fits(known: list[Val], part: slice, given: tuple[Val, ...]) -> bool:
    """Whether the items can take the place of a part: one with a step only changes as many for as many."""
    return part.step in (None, 1) or len(known[part]) == len(given)


def set_key(m: Machine, receiver: DictObj, key: Val, value: Val, span: Span) -> None:
    """`receiver[key] = value` for a dict; under an unknown key it may be any, so it may replace what another one holds."""
    apart = True
    if isinstance(key, (Scalar, Unknown, Alt)):
        m.set(receiver, OPEN, True)
        others = [(k, v) for k, v in dict_items(receiver) if isinstance(k, (Scalar, Unknown, Alt)) and k is not key]
        for other, held in others:
            m.set(receiver, ("k", other), join_values(m, [held, value]))
        apart = len(others) < UNKNOWN_KEYS  # else it is what any of the others may be
    if apart:
        m.set(receiver, ("k", _hashable(key)), value)
    object_dicts.shown(m, receiver, key, value)  # `module._parameters[name] = tensor`
    if NUMBER not in receiver.cells:
        m.store.keep(receiver, NUMBER, m.tape.tick())
    attributes.capture_store(m, value, span, "item", m.text(span), receiver.cells[NUMBER])


def update(m: Machine, receiver: DictObj, given: Val) -> None:
    """`receiver.update(given)`."""
    if isinstance(given, DictObj):
        for key, value in dict_items(given):
            m.set(receiver, ("k", key), value)
            object_dicts.shown(m, receiver, key, value)
        if is_open(given):
            m.set(receiver, OPEN, True)
    elif isinstance(given, (ListObj, tuple)):
        for pair in content(given) if isinstance(given, ListObj) else given:
            if isinstance(pair, tuple) and len(pair) == 2:
                m.set(receiver, ("k", _hashable(pair[0])), pair[1])
    else:
        object_dicts.unsettle(m, receiver)
        object_dicts.shown(m, receiver, given, given)


def delete_item(m: Machine, receiver: Val, index: Val) -> None:
    """`del receiver[index]`."""
    if isinstance(receiver, DictObj):
        m.store.delete(receiver, ("k", _hashable(index)))
    elif isinstance(receiver, ListObj) and isinstance(index, int):
        known = list(content(receiver))
        if -len(known) <= index < len(known):
            del known[index]
        m.set(receiver, ITEMS, tuple(known))
    elif isinstance(receiver, ListObj) and isinstance(index, Slice) and index.known() is not None:
        known = list(content(receiver))
        del known[index.known()]  # type: ignore[arg-type]
        m.set(receiver, ITEMS, tuple(known))
        if index.known() == slice(None):
            m.set(receiver, OPEN, False)
    elif isinstance(receiver, ListObj):
        m.set(receiver, OPEN, True)


def contains(m: Machine, op: str, item: Val, container: Val) -> Val:
    """`item in container`."""
    answer = _contains(item, container)
    if answer is None:
        return Scalar()
    return answer if op == "in" else not answer


def _contains(item: Val, container: Val) -> bool | None:
    if not plain(item) and not isinstance(item, (Lib, Function)):
        return None
    match container:
        case DictObj():
            known = [k for k, _ in dict_items(container)]
        case ListObj():
            known = list(content(container))
        case tuple():
            known = list(container)
        case _:
            return None
    if any(same(item, k) or (plain(k) and plain(item) and k == item) for k in known):
        return True
    certain = all(plain(k) for k in known) and not (isinstance(container, (DictObj, ListObj)) and is_open(container))
    return False if certain else None


def equal(op: str, left: ListObj, right: ListObj) -> Val:
    """`==` of two lists, where all of both is known."""
    ours, theirs = content(left), content(right)
    if (
        is_open(left)
        or is_open(right)
        or not (plain(ours) and plain(theirs))
        or left.kind != right.kind
        or left.kind == "set"
    ):
        return Scalar()
    return (ours == theirs) is (op == "==")


def binary(m: Machine, op: str, left: Val, right: Val) -> Val:
    """`+`, `*`, `|`, `%` on containers and strings; NotImplemented for anything else."""
    match (op, left, right):
        case ("+", ListObj(), ListObj()):
            return _joined(content(left), content(right), left.kind, is_open(left) or is_open(right))
        case ("+", tuple(), tuple()):
            return left + right if len(left) + len(right) <= _LONGEST else _joined(left, right, "list", True)
        case ("*", ListObj(), int()) if right <= CONTENT:
            return ListObj(content(left) * right, "list", is_open(left))
        case ("*", ListObj(), _):
            return ListObj(content(left), "list", True)
        case ("*", tuple(), int()) if right <= CONTENT:
            return left * right
        case ("|", DictObj(), DictObj()):
            made = DictObj()
            update(m, made, left)
            update(m, made, right)
            return made
        case ("-" | "&" | "|" | "^", ListObj(kind="set"), ListObj()):
            return ListObj((*content(left), *content(right)), "set", True)
        case ("%" | "+", str(), _) | ("+", _, str()):
            return Scalar()
    return NotImplemented


def _joined(left: Sequence[Val], right: Sequence[Val], kind: str, is_open: bool) -> ListObj:
    """Two sequences after one another; of one that gets too long the beginning is kept."""
    items = (*left, *right)
    return ListObj(items[:_LONGEST], kind, is_open or len(items) > _LONGEST)


def extend_in_place(m: Machine, frame: Frame, op: str, present: Val, value: Val, span: Span) -> Val:
    """`list += iterable` and `dict |= dict` change the object itself."""
    if isinstance(present, ListObj) and op == "+":
        known, exact = sequence(m, frame, value, span)
        m.set(present, ITEMS, (*content(present), *known)[:_LONGEST])
        if not exact or len(content(present)) == _LONGEST:
            m.set(present, OPEN, True)
        return present
    if isinstance(present, DictObj) and op == "|":
        update(m, present, value)
        return present
    return NotImplemented


def copied(value: Val) -> Val:
    """A list that does not share its content with the original."""
    return ListObj(content(value), value.kind, is_open(value)) if isinstance(value, ListObj) else value


def is_container(value: Val) -> bool:
    """Something with items of its own."""
    return isinstance(value, (tuple, ListObj, DictObj)) or (is_raw(value) and isinstance(value, (str, bytes)))
