"""What is not known of an object when one of its methods is run by itself: other methods may have run before."""

from __future__ import annotations

from collections.abc import Container, Iterator

from gradlint.static import classes
from gradlint.static import program as p
from gradlint.static.machine import Machine, defined
from gradlint.static.store import MISSING
from gradlint.static.values import OPEN, ClassObj, DictObj, Instance, ListObj, Unknown, Val, is_raw, options
from gradlint.tape import Span

HELD = 3  #: how deep the objects that an object holds are looked for


def walk(body: tuple[p.Stmt, ...]) -> Iterator[p.Stmt]:
    """All statements of a body, inner ones included."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "final"):
            yield from walk(getattr(statement, part, ()))
        for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from walk(inner.body)


def forget(m: Machine, made: Instance, method: str, ran: Container[Span]) -> None:
    """Of an object whose method is to be run: what its other methods assign; `ran` are those that its constructor has run.

    An object that the constructor made by way of such a method (`self.build_model()`) is there, and stays what it is; so
    does what it was given and handed on (`self.set_model(model)`), of which nothing is known anyway. A container is there,
    but who knows what it holds by now.
    """
    for name, has_run in _assigned(made, method, ran).items():
        present = made.cells.get(name, MISSING)
        if has_run and isinstance(present, (Instance, Unknown)):
            continue
        if has_run and isinstance(present, (ListObj, DictObj)):
            m.set(present, OPEN, True)
        else:
            m.set(made, name, Unknown(name, made, name))


def forget_held(m: Machine, made: Instance, ran: Container[Span]) -> None:
    """Of the objects that it holds: the numbers, texts and empty places that methods assign which have not run yet."""
    for held in _held(made, HELD, set()):
        for name, has_run in _assigned(held, "", ran).items():
            present = held.cells.get(name, MISSING)
            if not has_run and (present is MISSING or is_raw(present)):
                m.set(held, name, Unknown(name, held, name))


def _held(value: Val, depth: int, seen: set[int]) -> Iterator[Instance]:
    """The objects of the project's classes that an object or a container holds."""
    for inner in [
        o for v in value.cells.values() for item in (v if isinstance(v, tuple) else (v,)) for o in options(item)
    ]:
        if depth and isinstance(inner, (Instance, ListObj, DictObj)) and id(inner) not in seen:
            seen.add(id(inner))
            if isinstance(inner, Instance) and isinstance(inner.cls, ClassObj):
                yield inner
            yield from _held(inner, depth - 1, seen)


def _assigned(made: Instance, method: str, ran: Container[Span]) -> dict[str, bool]:
    """The attributes that methods other than `__init__` and the named one assign, and whether all of those have run."""
    names: dict[str, bool] = {}
    for cls in classes.order(made.cls):
        for other in cls.node.body if isinstance(cls, ClassObj) else ():
            if isinstance(other, p.FunctionDef) and other.name not in ("__init__", method):
                for name in _targets(other):
                    names[name] = names.get(name, True) and defined(other, cls.module.program.file) in ran
    return names


def _targets(method: p.FunctionDef) -> Iterator[str]:
    """The attributes of self that a method assigns."""
    for statement in walk(method.body):
        match statement:
            case p.Assign():
                targets: tuple[p.Expr, ...] = statement.targets
            case p.AugAssign() | p.AnnAssign():
                targets = (statement.target,)
            case _:
                continue
        for target in targets:
            if isinstance(target, p.Attribute) and isinstance(target.value, p.Name) and target.value.id == "self":
                yield target.attr
