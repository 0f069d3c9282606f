"""Settings of scripts: `argparse` yields its defaults, so that a script's branches run as they do without arguments."""

from __future__ import annotations

from gradlint.static import containers
from gradlint.static.arguments import Args
from gradlint.static.machine import Machine
from gradlint.static.values import Instance, Lib, ListObj, Scalar, Unknown, Val

PARSER = "argparse.ArgumentParser"
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
            for key, value in args.keywords.items():
                m.set(parser, ("default", key), value)
            return None
        case "parse_args":
            return _namespace(parser, args)
        case "parse_known_args":
            return (_namespace(parser, args), ListObj([], "list", True))
    return Unknown(name)


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


def _namespace(parser: Instance, args: Args) -> Instance:
    made = Instance(Lib("argparse.Namespace"), args.span)
    for key, value in list(parser.cells.items()):
        if isinstance(key, tuple) and key[0] == "default":
            made.cells[key[1]] = containers.copied(value)
    return made
