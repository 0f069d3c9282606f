"""Modules that a program imports by a name it has as text: `importlib.import_module(f"models.{name}")`."""

from __future__ import annotations

from gradlint.static import imports
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.values import ListObj, Unknown, Val, content


def by_name(m: Machine, args: Args) -> Val:
    """`importlib.import_module(name, package)`."""
    package = args.get(1, "package")
    return m.alternatives(args.get(0, "name"), lambda name: _imported(m, args, _absolute(name, package)))


def _absolute(name: Val, package: Val) -> Val:
    """The whole name: one dot in front stands for the package that is given beside it."""
    if isinstance(name, str) and name.startswith("."):
        return f"{package}{name}" if isinstance(package, str) and not name.startswith("..") else ""
    return name


def by_keyword(m: Machine, args: Args) -> Val:
    """`__import__(name, ...)`: the first package, or the module itself where names are taken from it."""
    wanted = args.get(3, "fromlist", ())
    whole = bool(content(wanted) if isinstance(wanted, ListObj) else wanted)
    return m.alternatives(args.get(0, "name"), lambda name: _imported(m, args, name, whole))


def _imported(m: Machine, args: Args, name: Val, whole: bool = True) -> Val:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        return Unknown("module", args.get(0))
    return imports.module(m, args.frame, name, whole)


FUNCTIONS = {"importlib.import_module": by_name, "builtins.__import__": by_keyword}
