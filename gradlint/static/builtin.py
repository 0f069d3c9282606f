"""What a bare name or a library name means, kinds of values, decorators, contexts and exceptions of plain Python."""

from __future__ import annotations

import builtins
import math
from typing import Any

from gradlint.static import caching, calls, classes, kinds, methods, modes, tensors
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.store import MISSING
from gradlint.static.values import (
    IDENTITY,
    Alt,
    Array,
    ClassObj,
    DictObj,
    Frame,
    Function,
    Instance,
    Lib,
    ListObj,
    Method,
    Mode,
    Native,
    Partial,
    Scalar,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    options,
)  # fmt: skip
from gradlint.tape import Span

CONSTANTS: dict[str, Any] = {
    "math.pi": math.pi, "math.e": math.e, "math.inf": math.inf, "numpy.pi": math.pi, "numpy.inf": math.inf, "numpy.e": math.e,
    "torch.pi": math.pi, "torch.inf": math.inf, "typing.TYPE_CHECKING": False, "numpy.newaxis": None, "builtins.Ellipsis": ...,
    "builtins.NotImplemented": Scalar(), "builtins.__debug__": True,
}  # fmt: skip


def named(m: Machine, name: str) -> Val:
    """A built-in by its bare name, MISSING if there is none."""
    return Lib(f"builtins.{name}") if hasattr(builtins, name) else MISSING


def library(m: Machine, name: str) -> Val:
    """A library thing by qualified name: a known constant, or a reference; what a module only hands on by its own name."""
    name = m.catalog.meant(name)
    found = CONSTANTS.get(name, MISSING)
    return Lib(name) if found is MISSING else found


# --- kinds ---

_PYTHON_KINDS = ("int", "float", "str", "bool", "bytes", "complex", "tuple", "range")
#: what numbers and texts may be as well
_NUMBERS = ("numbers.", "numpy.", "typing.", "collections.")


def is_instance(m: Machine, value: Val, kind: Val) -> bool | None:
    """`isinstance(value, kind)`, None where it is not known."""
    if isinstance(kind, (tuple, ListObj)):
        answers = {is_instance(m, value, k) for k in (kind if isinstance(kind, tuple) else content(kind))}
        return True if True in answers else (None if None in answers else False)
    if isinstance(value, Unknown) or isinstance(kind, (Unknown, Scalar)):
        return None
    name = kind.name.removeprefix("builtins.") if isinstance(kind, Lib) else ""
    if isinstance(value, Scalar):
        return None if name in _PYTHON_KINDS or name.startswith(_NUMBERS) or not name else False
    match value:
        case Tensor():
            return tensors.is_instance(m, value, name)
        case Array():
            return True if "ndarray" in name else None
        case Instance():
            return classes.is_subclass(value.cls, kind)
        case Native() if isinstance(value.receiver, Instance):
            return None  # an attribute of a library object, which may be anything
        case Lib() | Alt():
            return None
    python = kinds.named(name) if name else None
    if python is not None:
        return kinds.of_value(value, python)
    return None if isinstance(value, DictObj) and value.named else False


def instance_test(m: Machine, value: Val, kind: Val) -> Val:
    """What `isinstance(value, kind)` gives, where it is the same whichever of its alternatives the value is."""
    answers = {is_instance(m, option, kind) for option in options(value)}
    return answers.pop() if len(answers) == 1 and None not in answers else Scalar()


def identity(m: Machine, args: Args) -> Val:
    """Equal for the same object: `id(p) in ids` chooses parameters."""
    value = args.get(0)
    if not isinstance(value, (Instance, Tensor)):
        return Scalar()
    if IDENTITY not in value.cells:
        m.store.keep(value, IDENTITY, m.tape.tick())
    return value.cells[IDENTITY]


# --- decorators ------------------------------------------------------------------------------------------------------

_TRANSPARENT = (
    "functools.wraps", "abc.abstractmethod", "typing.overload", "torch.jit.script",
    "torch.compile", "typing.override", "typing.final", "numba.jit", "torch.jit.export", "torch.jit.ignore", "torch.jit.unused",
)  # fmt: skip


def decorate(m: Machine, frame: Frame, decorator: Val, function: Val, span: Span) -> Val:
    """What a decorator makes of a function."""
    if isinstance(decorator, Mode):
        return Wrapped("mode", function, decorator)
    if isinstance(decorator, Native) and decorator.name in ("property.setter", "property.getter", "property.deleter"):
        return _property_part(decorator, function)
    name = decorator.name if isinstance(decorator, Lib) else _maker(decorator)
    short = name.removeprefix("builtins.")
    if short in ("property", "abc.abstractproperty"):
        return Wrapped("property", function)
    if short in (*caching.FUNCTIONS, *caching.PROPERTIES):
        return caching.keeping(caching.PROPERTY if short in caching.PROPERTIES else caching.FUNCTION, function, span)
    if short in ("staticmethod", "classmethod"):
        return Wrapped(short, function)
    if name in ("contextlib.contextmanager", "contextlib.asynccontextmanager"):
        return function
    mode = modes.from_name(m, name, span)
    if mode is not None:
        return Wrapped("mode", function, mode)
    if isinstance(decorator, (Function, Method, Partial, ClassObj)):
        return calls.call(m, decorator, Args(span, frame, [function]))
    return function


def _maker(decorator: Val) -> str:
    """The name of the library call that made a decorator: `functools.wraps(f)`, `torch.inference_mode()`."""
    if isinstance(decorator, Instance) and isinstance(decorator.cls, Lib):
        return decorator.cls.name
    if isinstance(decorator, Unknown):
        return decorator.label
    return ""


def _property_part(decorator: Native, function: Val) -> Val:
    existing = decorator.receiver
    if decorator.name == "property.setter":
        return Wrapped("property", existing.function, function)
    return Wrapped("property", function if decorator.name == "property.getter" else existing.function, existing.more)


# --- methods, contexts, exceptions -----------------------------------------------------------------------------------


def method(m: Machine, native: Native, args: Args) -> Val:
    """A method of a built-in kind or of a library class."""
    return methods.call(m, native, args)


def enter(m: Machine, frame: Frame, context: Val, span: Span) -> Val:
    """`with context as value` for contexts of libraries: the value."""
    if isinstance(context, Instance):
        return context.cells.get("$enter", context)
    return context if isinstance(context, (Unknown, Tensor)) else Unknown("context", context)


def exception_bases(kind: str) -> set[str]:
    """The names of an exception class and its bases."""
    found = getattr(builtins, kind, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return {c.__name__ for c in found.__mro__}
    return {kind, "Exception", "BaseException"}
