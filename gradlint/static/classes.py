"""Classes of the project: their order of bases, attribute lookup, binding, instances, dataclasses and named tuples."""

from __future__ import annotations

from functools import partial
from typing import Any

from gradlint.static import calls, kinds, lineage, modules, statements
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ClassObj,
    Frame,
    Function,
    Instance,
    Lib,
    Method,
    Super,
    Unknown,
    Val,
    Wrapped,
    options,
)  # fmt: skip
from gradlint.tape import Span


def define(m: Machine, frame: Frame, node: p.ClassDef) -> Val:
    """Run a class body; the result is the class, through its decorators."""
    from gradlint.static.expressions import evaluate

    bases = tuple(evaluate(m, frame, a.value) for a in node.bases if not a.keyword and not a.star)
    made = ClassObj(node, frame.module, bases)
    body = Frame(frame.module, node.scope, frame)
    body.cls = made
    body.cells["$class"] = True
    body.start = m.store.mark()
    body.function = None
    statements.block(m, body, node.body)
    for name, value in list(body.cells.items()):
        if isinstance(name, str) and not name.startswith("$") and value is not MISSING:
            m.set(made, name, value)
            _own(m, value, made)
    _fields(m, made, node)
    told = {a.keyword: evaluate(m, frame, a.value) for a in node.bases if a.keyword and a.keyword != "metaclass"}
    _tell_base(m, frame, made, told)
    for decorator in reversed(node.decorators):
        _decorate(m, frame, made, evaluate(m, frame, decorator))
    return made


def _tell_base(m: Machine, frame: Frame, made: ClassObj, told: dict[str, Val]) -> None:
    """`__init_subclass__` of a base gets every class below it: registries."""
    found, _ = find(m, made, "__init_subclass__", after=made)
    function = found.function if isinstance(found, Wrapped) else found
    if isinstance(function, Function):
        calls.call(m, Method(made, function), Args(m.span(frame, made.node.name_place), frame, [], told))


def _own(m: Machine, value: Val, cls: ClassObj) -> None:
    inner = value.function if isinstance(value, Wrapped) else value
    if isinstance(inner, Function) and inner.cls is None:
        _belongs(m, inner, cls)
    if isinstance(value, Wrapped) and isinstance(value.more, Function):
        _belongs(m, value.more, cls)


def _belongs(m: Machine, function: Function, cls: ClassObj) -> None:
    m.store.undo.append(partial(setattr, function, "cls", function.cls))
    function.cls = cls


def _fields(m: Machine, made: ClassObj, node: p.ClassDef) -> None:
    """The annotated names of a body, in order: fields of a dataclass or named tuple."""
    fields = tuple(s.target.id for s in node.body if isinstance(s, p.AnnAssign) and isinstance(s.target, p.Name))
    m.set(made, "$fields", fields)
    if any(isinstance(b, Lib) and b.name in ("typing.NamedTuple", "enum.Enum") for b in made.bases):
        m.set(made, "$record", True)


def _decorate(m: Machine, frame: Frame, made: ClassObj, decorator: Val) -> None:
    """A decorator on a class: dataclasses are known, others are called for what they do (registries) and ignored."""
    name = decorator.name if isinstance(decorator, Lib) else ""
    if isinstance(decorator, Instance) and isinstance(decorator.cls, Lib):
        name = decorator.cls.name
    if name.endswith("dataclass"):
        m.set(made, "$record", True)
    elif isinstance(decorator, (Function, Method)):
        calls.call(m, decorator, Args(m.span(frame, made.node.name_place), frame, [made]))


# --- lookup ----------------------------------------------------------------------------------------------------------


def order(cls: Val) -> list[Val]:
    """The classes in which attributes are looked up, the class first, libraries included."""
    if not isinstance(cls, ClassObj):
        return [cls]
    found: list[Val] = [cls]
    for base in cls.bases:
        for option in options(base):
            found.extend(order(option))
    return _keep_last(found)


def _keep_last(found: list[Val]) -> list[Val]:
    """A base shared by several parents comes after all of them."""
    kept: list[Val] = []
    for i, cls in enumerate(found):
        later = found[i + 1 :]
        if not any(_same_class(cls, other) for other in later):
            kept.append(cls)
    return kept


def _same_class(a: Val, b: Val) -> bool:
    return a is b or (isinstance(a, Lib) and isinstance(b, Lib) and a.name == b.name)


def find(m: Machine, cls: Val, name: str, after: Val = None) -> tuple[Val, Val]:
    """The attribute of a class by its order, and the class that has it; MISSING if none of the project has."""
    line = order(cls)
    if after is not None and after in line:
        line = line[line.index(after) + 1 :]
    for candidate in line:
        if isinstance(candidate, ClassObj):
            value = candidate.cells.get(name, MISSING)
            if value is not MISSING:
                return value, candidate
    return MISSING, None


def bind(m: Machine, value: Val, receiver: Val, owner: Val) -> Val:
    """What an attribute found on the class is when read through an instance."""
    match value:
        case Function():
            return Method(receiver, value)
        case Wrapped(kind="staticmethod"):
            return value.function
        case Wrapped(kind="classmethod"):
            return Method(receiver.cls if isinstance(receiver, Instance) else receiver, value.function)
        case Wrapped(kind="property" | "cached_property"):
            return value
        case Wrapped():
            return Method(receiver, value)
    return value


def library_base(m: Machine, cls: Val) -> str | None:
    """The first library class among the bases, by name (object aside)."""
    return next((c.name for c in order(cls) if isinstance(c, Lib) and c.name != "builtins.object"), None)


def unknown_base(cls: Val) -> bool:
    """Whether some base is not known at all."""
    return any(isinstance(c, Unknown) for c in order(cls))


def is_subclass(cls: Val, wanted: Val) -> bool | None:
    """Whether `cls` derives from `wanted`; None where a base is unknown."""
    line = order(cls)
    if any(_same_class(c, wanted) for c in line):
        return True
    if isinstance(wanted, Lib) and wanted.name == "builtins.object":
        return True
    if isinstance(wanted, Lib) and modules.library_subclass(line, wanted.name):
        return True
    method = kinds.by_method(wanted.name) if isinstance(wanted, Lib) else None
    if method is not None and any(isinstance(c, ClassObj) and method in c.cells for c in line):
        return True
    if isinstance(wanted, Unknown) or any(isinstance(c, Unknown) for c in line):
        return None
    if isinstance(wanted, Lib) and kinds.by_many(wanted.name):
        return None
    if not isinstance(wanted, Lib):
        return False
    told = {
        lineage.derives(lineage.canonical(c.name), lineage.canonical(wanted.name)) for c in line if isinstance(c, Lib)
    }
    return True if True in told else None if None in told else False


# --- instances -------------------------------------------------------------------------------------------------------


def instantiate(m: Machine, cls: ClassObj, args: Args) -> Val:
    """`cls(...)`."""
    constructor, owner = find(m, cls, "__new__")
    if isinstance(constructor, (Function, Wrapped)):
        made = calls.call(m, constructor, args.prepend(cls))
        if not isinstance(made, Instance):
            return made
    else:
        made = Instance(cls, args.span)
    modules.begin(m, made)
    init, owner = find(m, cls, "__init__")
    if init is not MISSING:
        calls.call(m, bind(m, init, made, owner), args)
        return made
    if any(isinstance(c, ClassObj) and c.cells.get("$record") is True for c in order(cls)):
        _fill_record(m, cls, made, args)
        return made
    base = library_base(m, cls)
    if base is not None:
        return modules.library_init(m, made, base, args)
    return made


def _fill_record(m: Machine, cls: ClassObj, made: Instance, args: Args) -> None:
    """Fields of a dataclass or NamedTuple from the arguments and the defaults."""
    names: list[str] = []
    for candidate in reversed(order(cls)):
        if isinstance(candidate, ClassObj):
            names.extend(n for n in candidate.cells.get("$fields", ()) if n not in names)
    for i, name in enumerate(names):
        if i < len(args.positional):
            value = args.positional[i]
        elif name in args.keywords:
            value = args.keywords[name]
        else:
            value = _default(m, cls, name, args)
        m.set(made, name, value)
    m.set(made, "$tuple", tuple(names))
    post, owner = find(m, cls, "__post_init__")
    if post is not MISSING:
        calls.call(m, bind(m, post, made, owner), Args(args.span, args.frame))


def _default(m: Machine, cls: ClassObj, name: str, args: Args) -> Val:
    value, _ = find(m, cls, name)
    if value is MISSING:
        return Unknown(name)
    if isinstance(value, Instance) and isinstance(value.cls, Lib) and value.cls.name == "dataclasses.field":
        if "default_factory" in value.kwargs:
            return calls.call(m, value.kwargs["default_factory"], Args(args.span, args.frame))
        return value.kwargs.get("default", Unknown(name))
    return value


def zero_argument_super(m: Machine, frame: Frame) -> Val:
    """`super()` inside a method."""
    scope: Frame | None = frame
    while scope is not None and scope.receiver is None:
        scope = scope.parent
    if scope is None or scope.cls is None:
        return Unknown("super()")
    return Super(scope.function.cls if scope.function and scope.function.cls else scope.cls, scope.receiver)


def describe(cls: Any, span: Span) -> str:
    """A class's name for messages."""
    return cls.node.name if isinstance(cls, ClassObj) else str(getattr(cls, "name", "object")).rsplit(".", 1)[-1]
