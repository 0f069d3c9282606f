"""Handles that all objects of a class keep in one list (`handles = []` in the class body): each object removes those of the others."""

from __future__ import annotations

from gradlint.static import classes
from gradlint.static import program as p
from gradlint.static.values import ClassObj, DictObj, Instance, ListObj, Method, Val, content, dict_items
from gradlint.tape import Span

KEPT = "$kept"  #: the list that a handle was taken out of, to be removed


def shared(function: Val, handle: Instance) -> Span | None:
    """Where the class attribute is made that holds the handle of a hook which is a method; none if the object has its own."""
    receiver = function.receiver if isinstance(function, Method) else None
    lines = classes.order(receiver.cls) if isinstance(receiver, Instance) else []
    found = (_made(cls, handle) for cls in lines if isinstance(cls, ClassObj))
    return next((span for span in found if span is not None), None)


def _made(cls: ClassObj, handle: Instance) -> Span | None:
    names = {
        name for name, held in cls.cells.items()
        if held is handle.cells.get(KEPT) or any(item is handle for item in _items(held))
    }  # fmt: skip
    for statement in cls.node.body if names else ():
        targets = statement.targets if isinstance(statement, p.Assign) else ()
        targets = (statement.target,) if isinstance(statement, p.AnnAssign) else targets
        if any(isinstance(target, p.Name) and target.id in names for target in targets):
            return Span(cls.module.program.file, *statement.place)
    return None


def _items(held: Val) -> list[Val]:
    if isinstance(held, ListObj):
        return list(content(held))
    return [value for _, value in dict_items(held)] if isinstance(held, DictObj) else []
