"""Methods of lists, dicts, sets, tuples, strings and generators; those of tensors and library classes are passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlint.static import attributes, calls, containers, handles, hooks, library, modes, modules, overwrites, tensors
from gradlint.static.arguments import Args
from gradlint.static.joins import join_values
from gradlint.static.machine import Machine
from gradlint.static.operators import plain, short
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ITEMS,
    OPEN,
    Array,
    DictObj,
    Generator,
    Instance,
    ListObj,
    Mode,
    Native,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
)  # fmt: skip


def call(m: Machine, native: Native, args: Args) -> Val:
    """`receiver.name(args)`."""
    receiver = native.receiver
    match receiver:
        case Tensor():
            return tensors.method(m, receiver, native.name, args)
        case Array():
            return tensors.array_method(m, receiver, native.name, args)
        case ListObj():
            return _dispatch(m, {"list": LIST, "tuple": TUPLE}.get(receiver.kind, SET), receiver, native.name, args)
        case DictObj():
            return _dispatch(m, DICT, receiver, native.name, args)
        case tuple():
            return _dispatch(m, TUPLE, receiver, native.name, args)
        case str() | bytes():
            return _string(m, receiver, native.name, args)
        case Instance():
            return modules.method(m, receiver, native.name, args)
        case Mode():
            return modes.method(m, receiver, native.name)
        case Generator():
            return _generator(m, receiver, native.name, args)
        case Scalar() | int() | float() | bool():
            return tensors.scalar_method(m, receiver, native.name, args)
    return library.unresolved(m, native, args)


def _dispatch(
    m: Machine, table: dict[str, Callable[[Machine, Any, Args], Val]], receiver: Val, name: str, args: Args
) -> Val:
    run = table.get(name)
    if run is None:
        return calls.unknown_call(m, Native(receiver, name), args, m.text(args.span))
    return run(m, receiver, args)


# --- lists and sets --------------------------------------------------------------------------------------------------


def _append(m: Machine, receiver: ListObj, args: Args) -> Val:
    m.set(receiver, ITEMS, (*content(receiver), args.get(0)))
    attributes.capture_store(m, args.get(0), args.span, "append", m.text(args.span))
    return None


def _append_left(m: Machine, receiver: ListObj, args: Args) -> Val:
    m.set(receiver, ITEMS, (args.get(0), *content(receiver)))
    attributes.capture_store(m, args.get(0), args.span, "append", m.text(args.span))
    return None


def _insert(m: Machine, receiver: ListObj, args: Args) -> Val:
    known = list(content(receiver))
    index = args.get(0)
    known.insert(index if isinstance(index, int) else len(known), args.get(1))
    m.set(receiver, ITEMS, tuple(known))
    attributes.capture_store(m, args.get(1), args.span, "append", m.text(args.span))
    return None


def _extend(m: Machine, receiver: ListObj, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    m.set(receiver, ITEMS, (*content(receiver), *known))
    if not exact:
        m.set(receiver, OPEN, True)
    return None


def _pop(m: Machine, receiver: ListObj, args: Args) -> Val:
    known = list(content(receiver))
    index = args.get(0, default=-1)
    if isinstance(index, int) and -len(known) <= index < len(known):
        value = known.pop(index)
        overwrites.take_up(m, value)
        if hooks.is_handle(value):
            m.set(value, handles.KEPT, receiver)
        m.set(receiver, ITEMS, tuple(known))
        return value
    if not known and not containers.is_open(receiver):
        raise Raised("pop from empty list", kind="IndexError", place=(receiver, ITEMS))
    return join_values(m, known) if known else Unknown("element", receiver)


def _pop_left(m: Machine, receiver: ListObj, args: Args) -> Val:
    return _pop(m, receiver, Args(args.span, args.frame, [0]))


def _clear(m: Machine, receiver: ListObj, args: Args) -> Val:
    m.set(receiver, ITEMS, ())
    m.set(receiver, OPEN, False)
    return None


def _reverse(m: Machine, receiver: ListObj, args: Args) -> Val:
    m.set(receiver, ITEMS, content(receiver)[::-1])
    return None


def _sort(m: Machine, receiver: ListObj, args: Args) -> Val:
    known = content(receiver)
    if all(plain(v) for v in known) and "key" not in args.keywords:
        m.set(receiver, ITEMS, tuple(sorted(known, reverse=args.keywords.get("reverse") is True)))
    return None


def _remove(m: Machine, receiver: ListObj, args: Args) -> Val:
    from gradlint.static.joins import same

    known = list(content(receiver))
    for i, value in enumerate(known):
        if same(value, args.get(0)) or (plain(value) and plain(args.get(0)) and value == args.get(0)):
            del known[i]
            break
    m.set(receiver, ITEMS, tuple(known))
    return None


def _copy_list(m: Machine, receiver: ListObj, args: Args) -> Val:
    return ListObj(content(receiver), receiver.kind, containers.is_open(receiver))


def _index(m: Machine, receiver: Val, args: Args) -> Val:
    known = content(receiver) if isinstance(receiver, ListObj) else receiver
    if all(plain(v) for v in known) and plain(args.get(0)) and args.get(0) in known:
        return list(known).index(args.get(0))
    return Scalar()


def _count(m: Machine, receiver: Val, args: Args) -> Val:
    known = content(receiver) if isinstance(receiver, ListObj) else receiver
    return list(known).count(args.get(0)) if all(plain(v) for v in known) and plain(args.get(0)) else Scalar()


def _add(m: Machine, receiver: ListObj, args: Args) -> Val:
    grown = containers.make_set([*content(receiver), args.get(0)], True)
    m.set(receiver, ITEMS, content(grown))
    return None


def _set_operation(m: Machine, receiver: ListObj, args: Args) -> Val:
    others = [v for a in args.positional for v in containers.sequence(m, args.frame, a, args.span)[0]]
    return ListObj((*content(receiver), *others), "set", True)


def _get_position(m: Machine, receiver: Val, args: Args) -> Val:
    return containers.get_item(m, args.frame, receiver, args.get(0), args.span)


def _set_position(m: Machine, receiver: Val, args: Args) -> Val:
    containers.set_item(m, args.frame, receiver, args.get(0), args.get(1), args.span)
    return None


LIST: dict[str, Callable[[Machine, Any, Args], Val]] = {
    "append": _append, "appendleft": _append_left, "insert": _insert, "extend": _extend, "pop": _pop, "popleft": _pop_left,
    "clear": _clear, "reverse": _reverse, "sort": _sort, "remove": _remove, "copy": _copy_list, "index": _index,
    "count": _count, "__getitem__": _get_position, "__setitem__": _set_position,
}  # fmt: skip
SET: dict[str, Callable[[Machine, Any, Args], Val]] = {
    "add": _add, "update": _extend, "discard": _remove, "remove": _remove, "clear": _clear, "copy": _copy_list, "pop": _pop,
    "union": _set_operation, "intersection": _set_operation, "difference": _set_operation,
}  # fmt: skip
TUPLE: dict[str, Callable[[Machine, Any, Args], Val]] = {"index": _index, "count": _count, "__getitem__": _get_position}


# --- dicts -----------------------------------------------------------------------------------------------------------


def _listing(make: Callable[[Machine, DictObj, Args], Val]) -> Callable[[Machine, DictObj, Args], Val]:
    """A listing of a dict's content; that there is none may be for want of a hook."""

    def run(m: Machine, receiver: DictObj, args: Args) -> Val:
        if next(dict_items(receiver), None) is None and not containers.is_open(receiver):
            hooks.found_empty(m, receiver, args.span)
        return make(m, receiver, args)

    return run


def _items(m: Machine, receiver: DictObj, args: Args) -> Val:
    return ListObj([(k, v) for k, v in dict_items(receiver)], "list", containers.is_open(receiver))


def _keys(m: Machine, receiver: DictObj, args: Args) -> Val:
    return ListObj([k for k, _ in dict_items(receiver)], "list", containers.is_open(receiver))


def _values(m: Machine, receiver: DictObj, args: Args) -> Val:
    return ListObj([v for _, v in dict_items(receiver)], "list", containers.is_open(receiver))


def _get(m: Machine, receiver: DictObj, args: Args) -> Val:
    key, default = args.get(0), args.get(1, "default")
    if plain(key):
        found = receiver.cells.get(("k", key), MISSING)
        if found is not MISSING:
            return found
        return join_values(m, [Unknown("item", receiver), default]) if containers.is_open(receiver) else default
    return join_values(m, [*(v for _, v in dict_items(receiver)), default])


def _set_default(m: Machine, receiver: DictObj, args: Args) -> Val:
    key = args.get(0)
    if plain(key):
        found = receiver.cells.get(("k", key), MISSING)
        if found is not MISSING:
            return found
    containers.set_key(m, receiver, key, args.get(1), args.span)
    return args.get(1)


def _pop_key(m: Machine, receiver: DictObj, args: Args) -> Val:
    found = _get(m, receiver, args)
    if plain(args.get(0)):
        m.store.delete(receiver, ("k", args.get(0)))
    return found


def _pop_item(m: Machine, receiver: DictObj, args: Args) -> Val:
    known = list(dict_items(receiver))
    if not known:
        return (Unknown("key"), Unknown("item", receiver))
    m.store.delete(receiver, ("k", known[-1][0]))
    return known[-1]


def _update(m: Machine, receiver: DictObj, args: Args) -> Val:
    for given in args.positional:
        containers.update(m, receiver, given)
    for key, value in args.keywords.items():
        containers.set_key(m, receiver, key, value, args.span)
    return None


def _clear_dict(m: Machine, receiver: DictObj, args: Args) -> Val:
    for key, _ in list(dict_items(receiver)):
        m.store.delete(receiver, ("k", key))
    m.set(receiver, OPEN, False)
    return None


def _copy_dict(m: Machine, receiver: DictObj, args: Args) -> Val:
    made = DictObj(receiver.factory)
    containers.update(m, made, receiver)
    return made


def _from_keys(m: Machine, receiver: DictObj, args: Args) -> Val:
    made = DictObj()
    for key in containers.sequence(m, args.frame, args.get(0), args.span)[0]:
        containers.set_key(m, made, key, args.get(1), args.span)
    return made


DICT: dict[str, Callable[[Machine, Any, Args], Val]] = {
    "items": _listing(_items), "keys": _listing(_keys), "values": _listing(_values),
    "get": _get, "setdefault": _set_default, "pop": _pop_key,
    "popitem": _pop_item, "update": _update, "clear": _clear_dict, "copy": _copy_dict, "__getitem__": _get_position,
    "__setitem__": _set_position, "fromkeys": _from_keys,
}  # fmt: skip


LARGEST_TEXT = 10_000_000  #: characters that a method of a text may have to write

# --- strings and generators ------------------------------------------------------------------------------------------


def _string(m: Machine, receiver: str | bytes, name: str, args: Args) -> Val:
    given = [content(a) if isinstance(a, ListObj) else a for a in args.positional]
    bearable = (len(receiver) + 1) * (
        1 + sum(map(_size, given))
    ) <= LARGEST_TEXT  # `replace`, `join`, `ljust` may multiply
    if hasattr(receiver, name) and all(plain(a) for a in given) and bearable and not args.rest and not args.keywords:
        try:
            result = getattr(receiver, name)(*given)
        except Exception:
            return Scalar()
        return ListObj(result) if isinstance(result, list) else short(result)
    return ListObj([Scalar()], "list", True) if name in ("split", "splitlines") else Scalar()


def _size(value: Val) -> int:
    """How much an argument may make of a text: its length, or the number it is."""
    if isinstance(value, int):
        return abs(value)
    if isinstance(value, (tuple, list)):
        return len(value) + sum(map(_size, value))
    return len(value) if isinstance(value, (str, bytes)) else 1


def _generator(m: Machine, receiver: Generator, name: str, args: Args) -> Val:
    if name in ("__next__", "send"):
        done = calls.run_generator(m, receiver)
        return done.pop(0) if done else Unknown("element")
    return receiver if name == "__iter__" else None
