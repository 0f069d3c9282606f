"""`obj.__dict__` and `vars(obj)`: an object's attributes as a dict, where what is written comes into the object.

Settings are often completed so: from a file that nobody reads here. What a setting was before may have been replaced.
"""

from __future__ import annotations

from gradlint.static import program as p
from gradlint.static.joins import join_values
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING, Obj
from gradlint.static.values import OPEN, VIEW, DictObj, Instance, Lib, ModuleObj, Unknown, Val, dict_items, is_raw

#: classes of objects that hold nothing but settings
SETTINGS = ("argparse.Namespace", "types.SimpleNamespace", "argparse.ArgumentParser")


def of_instance(m: Machine, value: Instance) -> DictObj:
    """`obj.__dict__`, as it is now; what is written into it is written into the object.

    Not where that is a module: it does not register what comes in that way (`self.__dict__["teacher"] = net`).
    """
    from gradlint.static import modules

    made = DictObj()
    for key, held in list(value.cells.items()):
        if isinstance(key, str) and not key.startswith("$") and held is not MISSING:
            made.cells["k", key] = held
    made.cells[OPEN] = True
    if not modules.is_module(m, value):
        made.cells[VIEW] = value
    return made


def of_module(module: ModuleObj) -> DictObj:
    """`module.__dict__`, as it is now; what came by a star may be more than is known."""
    made = DictObj()
    for name, held in list(module.cells.items()):
        if isinstance(name, str) and held is not MISSING:
            made.cells["k", name] = held
    imported = (s for s in module.program.body if isinstance(s, p.ImportFrom))
    if any(alias.name == "*" for statement in imported for alias in statement.names):
        made.cells[OPEN] = True
    return made


def replace(m: Machine, value: Instance, given: Val) -> None:
    """`obj.__dict__ = given`."""
    if isinstance(given, DictObj):
        for key, held in dict_items(given):
            if isinstance(key, str):
                m.set(value, key, held)
    if not isinstance(given, DictObj) or given.cells.get(OPEN) is True:
        unsettle(m, value)


def shown(m: Machine, view: DictObj, key: Val, value: Val) -> None:
    """`view[key] = value` comes into the object that the dict shows the attributes of; the key may be any."""
    holder = view.cells.get(VIEW)
    if isinstance(holder, Instance) and isinstance(key, str):
        m.set(holder, key, value)
    elif isinstance(holder, Instance):
        unsettle(m, holder)


def unsettle(m: Machine, holder: Obj) -> None:
    """Names that nobody knows were set: each setting of a dict, or of an object that holds only settings, may be another by now."""
    if isinstance(holder, Instance) and not (isinstance(holder.cls, Lib) and holder.cls.name in SETTINGS):
        return
    for key, held in list(holder.cells.items()):
        named = isinstance(key, tuple) or not (isinstance(key, str) and key.startswith("$"))
        if named and is_raw(held):
            m.set(holder, key, join_values(m, [held, Unknown("setting")]))
    m.set(holder, OPEN, True)
