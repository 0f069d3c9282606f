"""Settings of scripts: `argparse` yields its defaults, so that a script's branches run as they do without arguments.

Settings written in the script itself (`SimpleNamespace(...)`, `EasyDict({...})`, `OmegaConf.create({...})`) are what they say.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable

from gradlint.static import containers, expected, object_dicts
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.sites import dotted
from gradlint.static.values import OPEN, Cell, DictObj, Instance, Lib, ListObj, Raised, Scalar, Unknown, Val, dict_items

PARSER = "argparse.ArgumentParser"
NAMESPACE = "argparse.Namespace"
NAMESPACES = (NAMESPACE, "types.SimpleNamespace")
NAMED_DICTS = (
    "easydict.EasyDict", "munch.Munch", "munch.munchify", "addict.Dict", "box.Box", "attrdict.AttrDict",
    "ml_collections.ConfigDict", "ml_collections.config_dict.ConfigDict", "omegaconf.OmegaConf.create",
)  # fmt: skip
#: errors by which an object says that it has no more, or no such thing
_PROTOCOL = ("StopIteration", "StopAsyncIteration", "AttributeError", "KeyError", "IndexError", "GeneratorExit")
_ACTIONS = {"store_true": False, "store_false": True, "count": 0}


def method(m: Machine, parser: Instance, name: str, args: Args) -> Val:
    """A method of a parser, a group or a subparser."""
    match name:
        case "add_argument":
            _add(m, parser, args)
            return Unknown("argument")
        case "add_argument_group" | "add_mutually_exclusive_group" | "add_subparsers" | "add_parser":
            return parser
        case "set_defaults":
            if args.rest:
                object_dicts.unsettle(m, parser)
            for key, value in args.keywords.items():
                m.set(parser, ("default", key), value)
            return None
        case "parse_args":
            return _namespace(m, parser, args)
        case "parse_known_args":
            return (_namespace(m, parser, args), ListObj([], "list", True))
    return Unknown(name)


def namespace(m: Machine, args: Args) -> Val:
    """`SimpleNamespace(lr=1e-3, **more)`: what is named; anything may lie behind a spread that is not known."""
    made = Instance(Lib(NAMESPACE if args.rest else "types.SimpleNamespace"), args.span)
    for key, value in args.keywords.items():
        m.set(made, key, value)
    return made


def named_dict(m: Machine, args: Args) -> Val:
    """`EasyDict({"lr": 1e-3}, bs=8)`: a dict whose keys are read as attributes, at every depth."""
    given = args.get(0)
    made = DictObj(named=True)
    if isinstance(given, DictObj):
        containers.update(m, made, given)
    elif given is not None:
        m.set(made, OPEN, True)
    for key, value in args.keywords.items():
        m.set(made, ("k", key), value)
    if args.rest:
        m.set(made, OPEN, True)
    for key, value in list(dict_items(made)):
        if isinstance(value, DictObj) and not value.named:
            m.set(made, ("k", key), named_dict(m, Args(args.span, args.frame, [value])))
    return made


def _parsed(parse: Callable[[str], object]) -> Callable[[Machine, Args], Val]:
    """`json.loads(text)` of a text that stands in the program; a file is not read."""

    def read(m: Machine, args: Args) -> Val:
        text = args.get(0)
        try:
            return _value(parse(text)) if isinstance(text, str) else Unknown("settings")
        except (ValueError, SyntaxError) as error:
            raise Raised(str(error), kind=type(error).__name__) from error

    return read


PARSED = {"json.loads": _parsed(json.loads), "ast.literal_eval": _parsed(ast.literal_eval)}


def _value(given: object) -> Val:
    match given:
        case dict():
            made = DictObj()
            made.cells.update({("k", key): _value(held) for key, held in given.items()})
            return made
        case list() | set():
            return ListObj([_value(held) for held in given], type(given).__name__)
        case tuple():
            return tuple(_value(held) for held in given)
    return given


def insisted(m: Machine, branch: tuple[p.Stmt, ...]) -> bool:
    """Whether the branch about to run refuses an option that nobody gave: then somebody gives it, and nobody knows what."""
    return bool(branch) and isinstance(branch[-1], (p.Raise, p.Assert)) and needed(m, m.absent)


def needed(m: Machine, place: Cell | None) -> bool:
    """Whether None was read there from an option that nobody gave, and without which the program ends: from now on it is given."""
    if place is None:
        return False
    holder, name = place
    options = isinstance(holder, Instance) and isinstance(holder.cls, Lib) and holder.cls.name == NAMESPACE
    if not options or holder.cells.get(name, m) is not None:
        return False
    m.set(holder, name, Scalar())
    return True


def refused(m: Machine, branch: tuple[p.Stmt, ...]) -> bool:
    """Whether the branch about to run ends a whole run that nobody would start like that: its default settings are refused."""
    if not m.whole or m.state.cells.get("trying") or expected.anything(m):
        return False
    last = branch[-1] if branch else None
    return isinstance(last, p.Raise) and last.value is not None and _named(last.value) not in _PROTOCOL


def _named(value: p.Expr) -> str:
    return dotted(value.func if isinstance(value, p.Call) else value).rsplit(".", 1)[-1]


def _add(m: Machine, parser: Instance, args: Args) -> None:
    names = [n for n in args.positional if isinstance(n, str)]
    if not names:
        return
    chosen = next((n for n in names if n.startswith("--")), names[0])
    given = args.keywords.get("dest")
    dest = given if isinstance(given, str) else chosen.lstrip("-").replace("-", "_")
    m.set(parser, ("default", dest), _default(args, optional=chosen.startswith("-")))


def _default(args: Args, optional: bool) -> Val:
    if "default" in args.keywords:
        return args.keywords["default"]
    action = args.keywords.get("action")
    if isinstance(action, str) and action in _ACTIONS:
        return _ACTIONS[action]
    return None if optional and args.keywords.get("required") is not True else Scalar()


def _namespace(m: Machine, parser: Instance, args: Args) -> Instance:
    """What was parsed; a namespace that was handed in keeps what it has."""
    made = Instance(Lib(NAMESPACE), args.span)
    for key, value in list(parser.cells.items()):
        if isinstance(key, tuple) and key[0] == "default":
            made.cells[key[1]] = containers.copied(value)
    given = args.get(1, "namespace")
    if isinstance(given, Instance):
        made.cells.update({k: v for k, v in given.cells.items() if isinstance(k, str) and not k.startswith("$")})
    if given is not None and (not isinstance(given, Instance) or given.cells.get(OPEN) is True):
        object_dicts.unsettle(m, made)
    return made
