"""What code outside the project has got hold of: a model given to an unknown call may be called, trained or hooked there.

Facts that begin with "never" end where such code may have acted. Only grows, in whatever branch: that makes for silence.
"""

from __future__ import annotations

from collections.abc import Iterable

from gradlint.static.machine import Machine, held
from gradlint.static.program import FunctionDef
from gradlint.static.values import (
    Alt,
    Function,
    Instance,
    Lib,
    ListObj,
    Method,
    Native,
    Partial,
    Unknown,
    Val,
    content,
)

REACH = 5_000  #: objects that are looked at for what they hold


def root_of(value: Val) -> Val:
    """What an unknown was read from in the end: the model a layer belongs to."""
    seen = 0
    while seen < 20:
        seen += 1
        if isinstance(value, Unknown) and value.origin is not None:
            value = value.origin
        elif isinstance(value, (Native, Method)):
            value = value.receiver
        else:
            return value
    return value


def expose(m: Machine, values: Iterable[Val]) -> None:
    """These values went to code nobody knows; a function of the project may be called there, with whatever it can reach."""
    todo, seen = [*values], set[int]()
    while todo and len(seen) < REACH:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        match value:
            case Alt():
                todo.extend(value.options)
            case Instance():
                m.exposed.setdefault(id(value), value)
            case Method():
                todo.append(value.receiver)
                m.outside_code = True
            case Function() if isinstance(value.node, FunctionDef):
                m.outside_code = True
            case Partial():
                todo += (value.function, *value.args)
            case tuple():
                todo.extend(value)
            case ListObj():
                todo.extend(content(value))


def seen_outside(m: Machine) -> set[int]:
    """The identities of all objects that can be reached from what code outside has got."""
    return {id(value) for value in objects_outside(m)}


def objects_outside(m: Machine) -> list[Val]:
    """All objects that can be reached from what code outside has got."""
    found: dict[int, Val] = {}
    todo: list[Val] = list(m.exposed.values())
    while todo and len(found) < REACH:
        value = todo.pop()
        if id(value) in found or isinstance(value, (Lib, str, int, float)) or value is None:
            continue
        found[id(value)] = value
        todo.extend(held(value))
    return list(found.values())
