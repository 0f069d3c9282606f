"""Run a program without torch in the machine and in CPython, and bring both sets of globals into one comparable form."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

from gradlint.catalog import Catalog
from gradlint.static import imports
from gradlint.static.imports import Project
from gradlint.static.machine import Machine
from gradlint.static.source import Source
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ClassObj,
    DictObj,
    Function,
    Instance,
    ListObj,
    Method,
    ModuleObj,
    Wrapped,
    content,
    dict_items,
    is_raw,
)  # fmt: skip

UNCOMPARED = "<not compared>"


def in_machine(text: str) -> dict[str, Any]:
    """The globals after a whole run in the abstract machine."""
    path = Path("/program.py")
    project = Project([Source("program.py", path, text)], lambda _: None)
    m = Machine(Catalog.load(), project, 1_000_000, whole=True)
    module = imports.load(m, path, as_main=True)
    assert isinstance(module, ModuleObj), project.failures
    return {
        k: comparable(v)
        for k, v in module.cells.items()
        if isinstance(k, str) and not k.startswith("__") and v is not MISSING
    }


def comparable(value: Any) -> Any:
    """A machine value as plain Python."""
    match value:
        case tuple():
            return tuple(comparable(v) for v in value)
        case ListObj(kind="set"):
            return {comparable(v) for v in content(value)}
        case ListObj():
            return [comparable(v) for v in content(value)]
        case DictObj():
            return {comparable(k): comparable(v) for k, v in dict_items(value)}
        case Instance():
            cells = {
                k: comparable(v)
                for k, v in value.cells.items()
                if isinstance(k, str) and not k.startswith("$") and v is not MISSING
            }
            return {"class": value.cls.node.name if isinstance(value.cls, ClassObj) else value.cls.name, **cells}
        case Function() | Method() | ClassObj() | Wrapped() | ModuleObj():
            return UNCOMPARED
    return value if is_raw(value) else f"<{type(value).__name__}>"


def in_python(text: str) -> dict[str, Any]:
    """The globals after a run in CPython."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, "program.py", "exec"), scope)
    return {k: plain(v) for k, v in scope.items() if not k.startswith("__")}


def plain(value: Any) -> Any:
    """A CPython value in the same form."""
    if isinstance(value, (tuple, list)):
        return type(value)(plain(v) for v in value) if type(value) in (tuple, list) else UNCOMPARED
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return {plain(v) for v in value}
    if is_raw(value):
        return value
    if isinstance(value, (type, types.FunctionType, types.MethodType, types.ModuleType, types.BuiltinFunctionType)):
        return UNCOMPARED
    if hasattr(value, "__dict__") and type(value).__module__ == "__main__":
        return {"class": type(value).__name__, **{k: plain(v) for k, v in vars(value).items()}}
    return UNCOMPARED


def differences(text: str) -> dict[str, tuple[Any, Any]]:
    """The globals on which the machine and CPython disagree: name -> (machine, CPython)."""
    ours, theirs = in_machine(text), in_python(text)
    wrong: dict[str, tuple[Any, Any]] = {}
    for name, expected in theirs.items():
        found = ours.get(name, "<missing>")
        if UNCOMPARED in (expected, found) and not isinstance(found, str):
            continue
        if expected == UNCOMPARED or found == UNCOMPARED:
            continue
        if type(found) is not type(expected) or found != expected:
            wrong[name] = (found, expected)
    return wrong
