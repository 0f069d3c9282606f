"""Kinds of plain Python: what `isinstance` says of a value about the classes of the standard library, asked of Python itself.

A name that is none of these gets no answer here.
"""

from __future__ import annotations

import builtins
import collections
import collections.abc
import functools
import numbers
import types
import typing

from gradlint.static.values import ClassObj, DictObj, Function, Generator, ListObj, Method, Partial, Val, is_raw

_MODULES = {
    "builtins": builtins, "collections": collections, "collections.abc": collections.abc, "functools": functools,
    "numbers": numbers, "types": types, "typing": typing,
}  # fmt: skip
#: what a value of these kinds is an instance of
_CLASSES: dict[type, type] = {
    Function: types.FunctionType, Method: types.MethodType, Partial: functools.partial, ClassObj: type,
    Generator: types.GeneratorType,
}  # fmt: skip
#: the methods by which an object of any class counts as one of these, and tensors do
_BY_METHOD = {
    "Callable": "__call__", "Iterable": "__iter__", "Sized": "__len__", "Container": "__contains__",
    "Iterator": "__next__", "Reversible": "__reversed__",
}  # fmt: skip
_OF_TENSORS = frozenset(("Iterable", "Sized", "Container", "Reversible"))
_BY_MANY = frozenset(("Hashable", "Collection"))


def named(name: str) -> type | None:
    """The class of the standard library with this qualified name (`typing.List` is `list`), where it is one of plain kinds."""
    owner, _, last = name.rpartition(".")
    if last == "NoneType":
        return types.NoneType
    found = getattr(_MODULES.get(owner or "builtins"), last, None)
    found = typing.get_origin(found) or found
    return found if isinstance(found, type) else None


def of_value(value: Val, wanted: type) -> bool | None:
    """Whether a value of plain Python is an instance of `wanted`; None where the machine does not tell."""
    if is_raw(value) or isinstance(value, tuple):
        return isinstance(value, wanted)
    if isinstance(value, ListObj):
        own = named(value.kind) or named(f"collections.{value.kind}")
        return None if own is None else issubclass(own, wanted)
    if isinstance(value, DictObj):  # or one of its subclasses
        return True if issubclass(dict, wanted) else None if issubclass(wanted, dict) else False
    own = _CLASSES.get(type(value))
    return None if own is None else issubclass(own, wanted)


def by_method(name: str) -> str | None:
    """The method that makes an object of a project's class one of this kind; None for kinds that go by their bases."""
    return _BY_METHOD.get(_abstract(name))


def by_many(name: str) -> bool:
    """Whether an object is one of this kind by several methods."""
    return _abstract(name) in _BY_MANY


def of_tensors(name: str) -> bool:
    """Whether tensors count as one of this kind by their methods."""
    return _abstract(name) in _OF_TENSORS or by_many(name)


def _abstract(name: str) -> str:
    owner, _, last = name.rpartition(".")
    return last if owner in ("collections", "collections.abc", "typing") else ""
