"""Reading and writing names and attributes, truth and identity, and what a test tells about a name."""

from __future__ import annotations

from gradlint.static import (
    builtin,
    caching,
    calls,
    classes,
    containers,
    exchanged,
    flags,
    library,
    methods,
    modules,
    object_dicts,
    overwrites,
    tensors,
    unknowns,
)
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.counters import Count
from gradlint.static.lacking import lacks
from gradlint.static.machine import Machine
from gradlint.static.sites import below
from gradlint.static.store import MISSING, Obj
from gradlint.static.values import (
    TAKEN,
    Array,
    ClassObj,
    DictObj,
    Frame,
    Function,
    Instance,
    Lib,
    ListObj,
    Method,
    ModuleObj,
    Native,
    Partial,
    Raised,
    Scalar,
    Super,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    dict_items,
    is_raw,
    options,
    suite_of,
)  # fmt: skip
from gradlint.tape import Span

# --- reading ---------------------------------------------------------------------------------------------------------


def read(m: Machine, frame: Frame, value: Val, name: str, span: Span) -> Val:
    """`value.name`."""
    match value:
        case Tensor():
            return tensors.read(m, value, name, span)
        case Array():
            return tensors.read_array(m, value, name, span)
        case Unknown():
            return _of_unknown(m, value, name, span)
        case Instance():
            return _of_instance(m, frame, value, name, span)
        case ClassObj():
            return _of_class(m, frame, value, name)
        case ModuleObj():
            return _of_module(m, value, name)
        case Lib():
            return builtin.library(m, f"{value.name}.{name}")
        case Super():
            return _of_super(m, frame, value, name, span)
        case Function() | Method() | Partial() | Wrapped():
            return _of_function(m, value, name)
        case Scalar():
            return tensors.read_scalar(m, value, name, span)
        case None:
            return _of_none(m, name)
        case DictObj(named=True):
            return _of_named(m, frame, value, name, span)
    return Native(value, name)


def _of_named(m: Machine, frame: Frame, value: DictObj, name: str, span: Span) -> Val:
    """`cfg.lr` of a dict whose keys are read as attributes; a method where no key has that name."""
    if value.cells.get(("k", name), MISSING) is not MISSING:
        return containers.get_item(m, frame, value, name, span)
    return Native(value, name) if name in methods.DICT else Unknown(name, value, name)


def _of_none(m: Machine, name: str) -> Val:
    if name.startswith("__"):
        return Scalar()
    raise Raised(f"'NoneType' object has no attribute '{name}'", kind="AttributeError", place=m.absent)


def _of_unknown(m: Machine, value: Unknown, name: str, span: Span) -> Val:
    found = value.cells.get(name, MISSING)
    if found is not MISSING:
        return found
    special = unknowns.read_unknown(m, value, name, span)
    if special is not NotImplemented:
        return special
    made = Unknown(f"{value.label}.{name}", value, name)
    m.store.keep(value, name, made)  # reading again gives the same unknown
    return made


def _of_instance(m: Machine, frame: Frame, value: Instance, name: str, span: Span) -> Val:
    declared, owner = classes.find(m, value.cls, name)
    if isinstance(declared, Wrapped) and declared.kind == "property":
        return calls.call(m, declared.function, Args(span, frame, [value]))
    found = value.cells.get(name, MISSING)
    if found is not MISSING and not modules.is_behind(m, value, name, found):
        if found is None:
            m.note_absent(value, name)
        flags.read(m, value, name)
        return found
    if isinstance(declared, Wrapped) and declared.kind == caching.PROPERTY:
        return caching.read(m, frame, value, declared, name, span)
    if declared is not MISSING:
        if declared is None:
            m.note_absent(value, name)
        return classes.bind(m, declared, value, owner)
    if name == "__class__":
        return value.cls
    if name == "__dict__":
        return object_dicts.of_instance(m, value)
    special = modules.read(m, frame, value, name, span)
    if special is not NotImplemented:
        return special
    getter, owner = classes.find(m, value.cls, "__getattr__")
    if isinstance(getter, Lib) and "$inner" in value.cells:  # __getattr__ = dict.get
        getter, owner = Native(value.cells["$inner"], getter.name.rsplit(".", 1)[-1]), None
    if getter is not MISSING:
        return calls.call(m, classes.bind(m, getter, value, owner), Args(span, frame, [name]))
    return _unset(m, value, name)


def _unset(m: Machine, value: Instance, name: str) -> Val:
    """An attribute nobody set so far: unknown, and the same unknown next time."""
    if lacks(m, value, name):
        raise Raised(f"no attribute '{name}'", kind="AttributeError")
    base = classes.library_base(m, value.cls)
    own = not isinstance(value.cls, Lib) and modules.is_module(m, value)
    if base is not None and (not own or m.catalog.row(f"{base}.{name}") is not None):
        return Native(value, f"{base}.{name}")
    key = f"$unset {name}" if own else name  # a module's cells are its structure: what was only read is no part of that
    found = value.cells.get(key, MISSING)
    if found is MISSING:
        found = Unknown(name, value, name)
        m.store.keep(value, key, found)
    return found


def _of_class(m: Machine, frame: Frame, value: ClassObj, name: str) -> Val:
    if name in ("__name__", "__qualname__"):
        return value.node.name
    found, _ = classes.find(m, value, name)
    if found is MISSING:
        base = classes.library_base(m, value)
        if base is None:
            return Unknown(f"{value.node.name}.{name}", value, name)
        return library.class_attribute(m, value, base, name)
    match found:
        case Wrapped(kind="classmethod"):
            return Method(value, found.function)
        case Wrapped(kind="staticmethod"):
            return found.function
    return found


def _of_module(m: Machine, value: ModuleObj, name: str) -> Val:
    found = value.cells.get(name, MISSING)
    if found is not MISSING:
        return found
    submodule = m.project.submodule(m, value, name)
    if submodule is not None:
        return submodule
    if name == "__name__":
        return value.program.name
    if name == "__dict__":
        return object_dicts.of_module(value)
    made = Unknown(f"{value.program.name}.{name}")
    m.store.keep(value, name, made)
    return made


def _of_super(m: Machine, frame: Frame, value: Super, name: str, span: Span) -> Val:
    found, owner = classes.find(m, _class_of(value.receiver), name, after=value.cls)
    if found is not MISSING:
        bound = classes.bind(m, found, value.receiver, owner)
        if isinstance(bound, Wrapped) and bound.kind in ("property", caching.PROPERTY):
            return calls.call(m, bound.function, Args(span, frame, [value.receiver]))
        return bound
    if isinstance(value.receiver, Instance):
        special = modules.read(m, frame, value.receiver, name, span) if name != "forward" else NotImplemented
        if special is not NotImplemented:
            return special
        base = classes.library_base(m, value.receiver.cls) or "builtins.object"
        return Native(value.receiver, f"{base}.{name}")
    return Unknown(f"super().{name}")


def _class_of(receiver: Val) -> Val:
    return receiver.cls if isinstance(receiver, Instance) else receiver


def _of_function(m: Machine, value: Val, name: str) -> Val:
    if isinstance(value, Obj) and name in value.cells:
        return value.cells[name]
    inner = value.function if isinstance(value, (Method, Partial, Wrapped)) else value
    match name:
        case "__name__" | "__qualname__":
            return inner.name if isinstance(inner, Function) else Scalar()
        case "__self__" if isinstance(value, Method):
            return value.receiver
        case "__wrapped__" | "__func__" | "func":
            return inner
        case "cache_clear" if (kept := caching.kept_by(value)) is not None:
            return Wrapped("native", None, lambda machine, args: caching.clear(machine, kept))
        case "setter" | "getter" | "deleter":
            return Native(value, f"property.{name}")
    return Unknown(name)


# --- writing ---------------------------------------------------------------------------------------------------------


def assign_name(m: Machine, frame: Frame, name: str, value: Val, span: Span) -> None:
    """Bind a name in its scope."""
    from gradlint.static.expressions import scope_of

    home = scope_of(frame, name)
    old = home.cells.get(name)
    if isinstance(value, Instance):
        exchanged.note(m, old, value, span)
        if value.span is None or (value.span.file, value.span.line) != (span.file, span.line):
            m.store.keep(value, TAKEN, span)
    m.set(home, name, value)
    if value is None:
        m.keep_absent(home, name)
    if isinstance(value, Tensor):
        present = old.cells["$node"] if isinstance(old, Tensor) else -1
        m.tape.capture(value.cells["$node"], "variable", span, name, present)


def assign(m: Machine, frame: Frame, target: p.Expr, value: Val) -> None:
    """`target = value` for any target."""
    from gradlint.static.expressions import evaluate

    span = m.span(frame, target)
    match target:
        case p.Name():
            assign_name(m, frame, target.id, value, span)
        case p.Attribute():
            receiver = evaluate(m, frame, target.value)
            for option in options(receiver):
                write(m, frame, option, target.attr, value, span)
        case p.Subscript():
            receiver = evaluate(m, frame, target.value)
            index = evaluate(m, frame, target.index)
            for option in options(receiver):
                containers.set_item(m, frame, option, index, value, span)
        case p.TupleExpr() | p.ListExpr():
            _unpack(m, frame, target.elements, value, span)
        case p.Starred():
            assign(m, frame, target.value, value)


def _unpack(m: Machine, frame: Frame, targets: tuple[p.Expr, ...], value: Val, span: Span) -> None:
    stars = [i for i, t in enumerate(targets) if isinstance(t, p.Starred)]
    if not stars:
        parts = containers.unpack(m, frame, value, len(targets), span)
        for target, part in zip(targets, parts, strict=True):
            assign(m, frame, target, part)
        return
    known, exact = containers.sequence(m, frame, value, span)
    head, tail = stars[0], len(targets) - stars[0] - 1
    if not exact or len(known) < head + tail:
        filler = known[0] if known else Unknown("element", value)
        known = [filler] * (head + tail + 1)
    middle = ListObj(known[head : len(known) - tail], "list", not exact)
    for target, part in zip(targets, [*known[:head], middle, *known[len(known) - tail :]], strict=True):
        assign(m, frame, target, part)


def write(m: Machine, frame: Frame, receiver: Val, name: str, value: Val, span: Span) -> None:
    """`receiver.name = value`."""
    match receiver:
        case Tensor():
            tensors.write(m, receiver, name, value, span)
            return
        case Instance():
            if _property_set(m, frame, receiver, name, value, span):
                return
            modules.before_write(m, receiver, name, value, span)
            flags.set_on_module(m, frame, receiver, name, value, span)
            if name == "__dict__":
                object_dicts.replace(m, receiver, value)
            elif not _set_by_class(m, frame, receiver, name, value, span):
                m.set(receiver, name, value)
            if value is None:
                m.keep_absent(receiver, name)
        case Unknown() | ClassObj() | ModuleObj() | Function():
            if isinstance(receiver, Unknown):
                flags.set_on_unknown(m, receiver, name, value, span)
            if isinstance(receiver, Unknown) and unknowns.write_unknown(m, receiver, name, value, span):
                return
            m.set(receiver, name, value)
        case DictObj(named=True):
            containers.set_item(m, frame, receiver, name, value, span)
            return
    capture_store(m, value, span, "attribute", m.text(span))


def capture_store(m: Machine, value: Val, span: Span, kind: str, label: str, home: int = -1) -> None:
    """Note on the tape that a tensor (or a few of them in a container) was put somewhere; `home` tells dicts apart."""
    kind = "hook" if m.state.cells.get("hook") else kind
    held = content(value)[:4] if isinstance(value, ListObj) else value[:4] if isinstance(value, tuple) else (value,)
    for option in (o for v in held for o in options(v)):
        if isinstance(option, (Tensor, Array)) or (isinstance(option, Scalar) and option.node is not None):
            node = m.node_of(option)
            if node is not None:
                m.tape.capture(node, kind, span, label, home=home)
            if isinstance(option, Tensor):
                overwrites.keep(m, option, span, label)


def _property_set(m: Machine, frame: Frame, receiver: Instance, name: str, value: Val, span: Span) -> bool:
    declared, _ = classes.find(m, receiver.cls, name)
    if isinstance(declared, Wrapped) and declared.kind == "property" and declared.more is not None:
        calls.call(m, declared.more, Args(span, frame, [receiver, value]))
        return True
    return False


def _set_by_class(m: Machine, frame: Frame, receiver: Instance, name: str, value: Val, span: Span) -> bool:
    """Run the `__setattr__` of a class of the project that asks for this name; whether it put something there."""
    declared, owner = classes.find(m, receiver.cls, "__setattr__")
    if not isinstance(declared, Function):
        return False
    asked = (constant.text for test in below(suite_of(declared), p.Compare) for constant in below(test, p.Const))
    if repr(name) not in asked:
        return False
    before = receiver.cells.get(name, MISSING)
    calls.call(m, classes.bind(m, declared, receiver, owner), Args(span, frame, [name, value]))
    return receiver.cells.get(name, MISSING) is not before


# --- truth and identity ----------------------------------------------------------------------------------------------


def truth(m: Machine, value: Val) -> bool | None:
    """The truth of one value (not an Alt)."""
    match value:
        case tuple():
            return bool(value)
        case ListObj():
            return True if content(value) else (None if value.cells.get("$open") is True else False)
        case DictObj():
            known = next(dict_items(value), None) is not None
            return True if known else (None if value.cells.get("$open") is True else False)
        case Function() | ClassObj() | ModuleObj() | Method() | Partial():
            return True
        case Instance():
            return modules.truth(m, value)
        case Count():
            return True if value.least and value > 0 else None
        case Scalar():
            return True if value.least is not None and value.least > 0 else None
    return bool(value) if is_raw(value) else None


def identity(m: Machine, op: str, left: Val, right: Val) -> Val:
    """`left is right`, as far as it is known."""
    if right is None and isinstance(left, Scalar) and left.about and left.about[0] == "requires_grad":
        return Scalar(about=("not requires_grad", left.about[1])) if op == "is" else left  # `t.grad_fn is None`
    answers = {_identical(m, a, b) for a in options(left) for b in options(right)}
    if len(answers) != 1 or None in answers:
        return Scalar()
    return answers.pop() is (op == "is")


def _identical(m: Machine, left: Val, right: Val) -> bool | None:
    if right is None or left is None:
        other = left if right is None else right
        guarded: Val = tensors.guard_none(m, other)
        return (
            guarded
            if guarded is not NotImplemented
            else (None if isinstance(other, (Unknown, Scalar)) else other is None)
        )
    if (
        isinstance(left, Obj)
        and isinstance(right, Obj)
        and not isinstance(left, Unknown)
        and not isinstance(right, Unknown)
    ):
        return left is right
    if isinstance(left, bool) and isinstance(right, bool):
        return left is right
    if isinstance(left, Lib) and isinstance(right, Lib):
        return left.name == right.name
    return None
