"""Functions outside torch, and the torch functions that compute the same: the data is in `rules/replacements.toml`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

from gradlint.catalog import data_folder
from gradlint.finding import Edit, Position, Range
from gradlint.fixes._keywords import with_keyword
from gradlint.fixes._source import Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Replacement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A torch function, and what the arguments of the original are called there; see the file."""

    torch: str
    parameters: dict[str, str]
    keywords: dict[str, str] = {}
    added: str = ""
    numbers: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


class _Distributions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rsample: frozenset[str]


class Replacements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the file holds."""

    functions: dict[str, Replacement]
    distributions: _Distributions


@cache
def replacements() -> Replacements:
    """What replaces what."""
    text = (data_folder() / "replacements.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Replacements)


def replaced(source: Source, call: ast.Call) -> list[Edit] | None:
    """The edits that make a call of `math` or NumPy one of torch; None where an argument means something else there."""
    found = replacements().functions.get(source.qualified(call.func))
    if found is None or not call.args or len(call.args) > len(found.parameters):
        return None
    if isinstance(call.args[0], ast.Constant) or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    names = {**found.parameters, **found.keywords}
    given = dict(zip(found.parameters, call.args, strict=False))
    named = {k.arg: k.value for k in call.keywords if k.arg is not None}
    understood = len(named) == len(call.keywords) and named.keys() <= names.keys() - given.keys()
    told = {**given, **named}
    if not understood or not told.keys() >= set(found.required):
        return None
    if not all(_is_number(told[name]) for name in found.numbers if name in told):
        return None
    if any(_is_number(told[name]) for name in found.tensors if name in told):
        return None
    return [*_function(source, call, found), *_arguments(source, call, found, names)]


def _function(source: Source, call: ast.Call, found: Replacement) -> list[Edit]:
    module, _, name = found.torch.partition(".")
    alias, imported = source.module(module)
    return [source.replaced(call.func, f"{alias}.{name}"), *imported]


def _arguments(source: Source, call: ast.Call, found: Replacement, names: Mapping[str, str]) -> Iterator[Edit]:
    """The names of the arguments in torch, and what has to be added to them."""
    for name, value in zip(found.parameters, call.args, strict=False):
        if names[name]:
            yield source.inserted(source.place(value).start, f"{names[name]}=")
    for keyword in call.keywords:
        start = source.place(keyword).start
        length = len(keyword.arg or "")
        content = names[keyword.arg or ""]
        end = Position(start.line, start.column + length) if content else source.place(keyword.value).start
        yield Edit(source.file, Range(start, end), content)
    if found.added:
        word, _, content = found.added.partition("=")
        yield with_keyword(source, call, word, content)


def _is_number(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and (inner.value is None or isinstance(inner.value, int | float))
