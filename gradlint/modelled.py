"""Model files: what single library callables do to the gradient, row by row (`rules/models/*.toml`, and the user's own).

Knows the shape of a row and nothing about torch. Every mistake is a `CatalogError` that names the file, the line and the row.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import msgspec

FlowWord = Literal["carries", "cuts", "zeroes", "unknown", "constant"]
Cause = Literal[
    "", "detach", "data-attribute", "numpy", "number", "rebuild", "grad-mode", "library", "non-differentiable",
    "custom-function", "zero-gradient", "no-create-graph", "remade",
]  # fmt: skip
Returns = Literal[
    "tensor", "array", "number", "scalar", "none", "self", "list", "tuple", "tensors", "unknown", "module", "image", "instance",
    "given", "chained",
]  # fmt: skip
Saves = Literal["", "input", "output", "both", "inner"]
ModeWord = Literal["", "no-grad", "enable-grad"]
DemandWord = Literal["", "root", "score", "input", "layer", "return"]

CAUSES: tuple[str, ...] = tuple(word for word in get_args(Cause) if word)
_VERSION = re.compile(r"\d+(\.\d+)*")
_ROW = re.compile(r'^(?:"([^"\n]+)"[ \t]*=|\["([^"\n]+)"\])', re.MULTILINE)
_LINE = re.compile(r"at line (\d+)")


class CatalogError(Exception):
    """A rule page or a model file is malformed; the message names the file and the key or row."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one library callable does to the gradient."""

    name: str
    flow: FlowWord = "carries"
    outputs: tuple[FlowWord, ...] = ()  #: flows of several outputs, in order; then the result is a tuple
    fields: tuple[str, ...] = ()  #: names of the outputs when the result is a named tuple
    when: str = ""  #: `outputs` and `fields` hold only when this argument is given and not None or False
    cause: Cause = ""  #: for cuts and zeroes: the cause that a rule page claims
    inputs: tuple[str, ...] = ()  #: names of the arguments that carry; empty: all tensor arguments
    signature: tuple[str, ...] = ()  #: parameter names in order, self excluded, where known
    returns: Returns = "tensor"
    inplace: bool = False  #: writes into self, or into the first argument
    attribute: bool = False  #: of an object: it is read, not called
    view: bool = False  #: the result shares self's storage
    saves: Saves = ""  #: what backward needs
    keeps: tuple[str, ...] = ()  #: "1:0": if argument 0 requires grad, 1 must not change before the backward
    mode: ModeWord = ""  #: the callee runs in this grad mode
    foreign: bool = False  #: a value-changing operation outside torch
    raises: bool = False  #: raises when a tensor argument requires grad
    module: bool = False  #: a class of modules
    parameters: tuple[str, ...] = ()  #: of a module class: its parameter attributes
    factory: bool = False  #: makes a fresh leaf; honours requires_grad=
    demand: DemandWord = ""  #: a call that itself asks for a gradient: of what (see `static/declared`)
    term: bool = False  #: the result is a sum of the inputs
    product: bool = False  #: the result is a product of the inputs
    aliases: tuple[str, ...] = ()  #: further qualified names with the same behaviour
    select: tuple[str, ...] = ()  #: arguments that only select: index, mask, condition
    defaults: dict[str, bool] = {}  #: flags that code asks about, and what they are where the call does not give them
    since: str = ""  #: the release of the library that brought this behaviour
    until: str = ""  #: the last release that had it, with all that begin like it
    former: tuple[Row, ...] = ()  #: what it did in other releases, the oldest first
    source: str = ""  #: where it is written that a release which is not the one here behaves so
    example: str = ""  #: a call of it over tensors x, y, z, for `gradlint models check`
    unproved: bool = False  #: nobody could run it: counts as unknown where it says that something is lost

    @property
    def refuses_none(self) -> bool:
        """Whether this is a function of torch that raises for None in the place of its first argument."""
        function = self.name.startswith("torch.") and not self.name.rpartition(".")[2][:1].isupper()
        return function and self.returns == "tensor" and self.flow != "constant" and not self.factory


class Rows(Protocol):
    """Whoever knows rows by their names."""

    def row(self, name: str) -> Row | None:
        """The row of a name."""


class Library(msgspec.Struct, forbid_unknown_fields=True):
    """The reserved table of a model file: which release the rows were proved against."""

    name: str
    version: str = ""
    generated: bool = False
    unproved: bool = False  #: all rows of the file are


def matches(pattern: str, name: str) -> bool:
    """A `*` stands for any part of one segment of a name; alone at the end, for one segment or more."""
    wanted, given = pattern.split("."), name.split(".")
    if wanted[-1] == "*" and len(given) > len(wanted):
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        w in ("*", g) or ("*" in w and fnmatchcase(g, w)) for w, g in zip(wanted, given, strict=True)
    )


def read_models(paths: Iterable[Path]) -> dict[str, Row]:
    """Read model files; the result holds every row under its name and its aliases.

    Of several rows of one name it is that of the newest release, which knows the others.
    """
    rows: dict[str, Row] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        text = read(path)
        for row in _rows(path, text):
            for name in (row.name, *row.aliases):
                if name in rows:
                    raise CatalogError(
                        f"{_place(path, text, row.name)}: row '{row.name}': {_taken(name, row, origin, path)}"
                    )
                rows[name] = row
                origin[name] = path
    return rows


def _taken(name: str, row: Row, origin: Mapping[str, Path], path: Path) -> str:
    where = f"'{name}' is already in {origin[name]}" if origin[name] != path else f"'{name}' is there twice"
    return where if name == row.name else f"its alias {where}"


def contradictions(path: Path, rows: Iterable[Row], own: Rows) -> Iterator[str]:
    """What a user's rows say otherwise than gradlint's rows of torch, which were proved; to doubt one is no contradiction."""
    text = read(path)
    for row in {row.name: row for row in rows}.values():
        for name in (row.name, *row.aliases):
            known = own.row(name) if name.startswith("torch.") else None
            if known is None or known.unproved or known.until or row.until or "unknown" in (row.flow, known.flow):
                continue
            said, seen = (", ".join(r.outputs or (r.flow,)) for r in (row, known))
            if said != seen:
                yield (
                    f"{_place(path, text, row.name)}: row '{row.name}': says of {name}: {said}; torch was seen to do: {seen}"
                    ' (`gradlint models check` runs it, flow = "unknown" doubts it)'
                )


def _rows(path: Path, text: str) -> Iterator[Row]:
    """The rows of a file."""
    library, tables = _library(path, text)
    unproved = {"unproved": True} if library is not None and library.unproved else {}
    for name, body in tables.items():
        try:
            yield _releases(name, [{**unproved, **part} for part in _bodies(body)])
        except _RowError as error:
            raise CatalogError(f"{_place(path, text, name)}: row '{name}': {error}") from error


class _RowError(Exception):
    """What is wrong with a row."""


def _bodies(body: object) -> list[dict[str, Any]]:
    """The tables of a row: one, or one for each span of releases."""
    bodies: list[Any] = body if isinstance(body, list) and body else [body]
    for part in bodies:
        if not isinstance(part, dict):
            raise _RowError("must be a table, or a list of tables with 'since' and 'until'")
    return bodies


def _releases(name: str, bodies: Sequence[dict[str, Any]]) -> Row:
    """The row of the newest release, with those of the older ones."""
    *former, newest = [_row(name, body) for body in bodies]
    for older, newer in pairwise((*former, newest)):
        if older.aliases:
            raise _RowError("only its last table may have 'aliases': they count for all")
        if not older.until or not newer.since or not _before(older.until, newer.since):
            told = f"until '{older.until}', since '{newer.since}'"
            raise _RowError(f"its tables must stand in the order of their releases, which must not overlap: {told}")
    return msgspec.structs.replace(newest, former=tuple(former)) if former else newest


def _before(until: str, since: str) -> bool:
    """Whether all releases that begin like one come before another one."""
    last, first = ([int(part) for part in version.split(".")] for version in (until, since))
    return last < first[: len(last)]


def _library(path: Path, text: str) -> tuple[Library | None, dict[str, Any]]:
    """What a model file says of itself, and its rows as they stand there."""
    tables = parse(path, text)
    about = tables.pop("library", None)
    try:
        return msgspec.convert(about, Library | None), tables
    except msgspec.ValidationError as error:
        told = _mistake(about, Library) or str(error)
        raise CatalogError(f"{_place(path, text, 'library')}: table 'library': {told}") from error


def _row(name: str, body: dict[str, Any]) -> Row:
    if "name" in body or "former" in body:
        raise _RowError(f"key '{'name' if 'name' in body else 'former'}' is not for the file to set")
    try:
        row = msgspec.convert({**body, "name": name}, Row)
    except msgspec.ValidationError as error:
        raise _RowError(_mistake(body, Row) or str(error)) from error
    wrong = _contradiction(row)
    if wrong:
        raise _RowError(wrong)
    return silent(row) if row.unproved else row


def _mistake(body: object, kind: type[msgspec.Struct]) -> str:
    """What is wrong with a table, and what would be right."""
    from gradlint.config import mistake, nearest  # late: few files have mistakes

    if not isinstance(body, dict):
        return "must be a table"
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for key, value in body.items():
        if key not in fields:
            return f"unknown key '{key}'{nearest(key, fields)}"
        wrong = mistake(value, fields[key].type)
        if wrong:
            return f"key '{key}': {wrong}"
    return ""


def _place(path: Path, text: str, name: str) -> str:
    """File and line of a row."""
    from gradlint.config import line_of

    return f"{path}:{line_of(text, (name,))}"


def _contradiction(row: Row) -> str:
    """What keys of a row do not fit each other, or nothing."""
    bare = next((name for name in (row.name, *row.aliases) if "." not in name), None)
    if bare is not None:
        return f"'{bare}' is no qualified name, such as library.function"
    for word in ("cuts", "zeroes"):
        if not row.cause and (row.flow == word or word in row.outputs):
            return f"flow '{word}' needs a key 'cause'"
    if row.fields and len(row.fields) != len(row.outputs):
        return "as many 'fields' as 'outputs' are needed"
    for key, names in (
        ("inputs", row.inputs),
        ("select", row.select),
        ("when", (row.when,) if row.when and not row.module else ()),
    ):
        strange = next((name for name in names if name not in ("self", *row.signature, *row.parameters)), None)
        if strange is not None:
            return f"key '{key}' names '{strange}', which is not in 'signature'"
    if row.demand in ("root", "score", "input", "layer") and not row.inputs:
        return f"demand '{row.demand}' needs a key 'inputs'"
    for key, version in (("since", row.since), ("until", row.until)):
        if version and not _VERSION.fullmatch(version):
            return f"key '{key}' is no version: '{version}'"
    return ""


def silent(row: Row) -> Row:
    """A row that nobody proved: its result is of unknown making, and it asks for nothing."""
    return msgspec.structs.replace(
        row, flow="unknown", outputs=(), fields=(), when="", cause="", mode="", demand="", raises=False, factory=False
    )


def read(path: Path) -> str:
    """A text of gradlint's data or the user's."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read: {error}") from error


def parse(path: Path, text: str) -> dict[str, Any]:
    """A text as TOML."""
    if sys.version_info >= (3, 11):  # late: a run that the cache answers reads no TOML
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(_unreadable(path, text, str(error))) from error
    except RecursionError as error:
        raise CatalogError(f"{path}: not valid TOML: nested too deeply") from error


def _unreadable(path: Path, text: str, told: str) -> str:
    """What is wrong with a text that is no TOML, with its line and the row that begins last before it."""
    found = _LINE.search(told)
    line = int(found[1]) if found else text.count("\n") + 1
    begun = [name or header for name, header in _ROW.findall("\n".join(text.split("\n")[:line]))]
    twice = bool(begun) and begun.count(begun[-1]) > 1
    row = f"row '{begun[-1]}'{' is there twice' if twice else ''}: " if begun else ""
    return f"{path}:{line}: {row}{'' if twice else 'not valid TOML: '}{told}"
