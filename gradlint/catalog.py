"""The catalog: what gradlint knows about rules and library callables, read from `rules/`.

Knows the shape of a rule page (`rules/<slug>.md`) and of a model file (`rules/models/*.toml`), and nothing about torch:
no slug and no callable is named here. A new rule over a known cause is a new page; a new library is a new model file.
Every mistake in them is a `CatalogError` that names the file and the key or row.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from gradlint import __version__
from gradlint import cache as kept
from gradlint.finding import Contract, Severity

FlowWord = Literal["carries", "cuts", "zeroes", "unknown", "constant"]
Cause = Literal[
    "", "detach", "data-attribute", "numpy", "number", "rebuild", "grad-mode", "library", "non-differentiable",
    "custom-function", "zero-gradient", "no-create-graph", "remade",
]  # fmt: skip
Returns = Literal[
    "tensor", "array", "number", "scalar", "none", "self", "list", "tuple", "tensors", "unknown", "module", "image", "instance",
    "given",
]  # fmt: skip
Saves = Literal["", "input", "output", "both", "inner"]
ModeWord = Literal["", "no-grad", "enable-grad"]
DemandWord = Literal["", "root", "score", "input", "layer", "return"]

CAUSES: tuple[str, ...] = tuple(word for word in get_args(Cause) if word)
SECTIONS = ("What it does", "Why it matters", "Bad", "Good", "Fix safety", "What it does not report")
PAGES = "rules/"  #: where `Rule.url` points; relative to the project

_SETTINGS = re.compile(r"^```toml\n.*?^```\n+", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"# (\S+)\n")
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"\d+(\.\d+)*")
_ROW = re.compile(r'^"([^"\n]+)"[ \t]*=', re.MULTILINE)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


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
    since: str = ""  #: the release of the library that brought this behaviour
    until: str = ""  #: the last release that had it; the row still speaks, for code that uses it is that old
    example: str = ""  #: a call of it over tensors x, y, z, for `gradlint models check`
    unproved: bool = False  #: nobody could run it: counts as unknown where it says that something is lost


class FixNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fix, as a page declares it: how safe it is, and what it does."""

    applicability: Literal["safe", "unsafe", "display"]
    message: str


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule, as its page describes it."""

    slug: str
    contracts: tuple[Contract, ...]
    severity: Severity
    summary: str
    help: str
    text: str
    url: str
    causes: tuple[Cause, ...] = ()
    enabled: bool = True
    left: str = ""  #: why a finding is left alone where none of the fixes fits
    fix: dict[str, FixNote] = {}  #: the fixes that `gradlint/fixes` makes, by name

    @property
    def page(self) -> str:
        """The page for people: without its table of settings."""
        return _SETTINGS.sub("", self.text, count=1)


class Library(msgspec.Struct, forbid_unknown_fields=True):
    """The reserved table of a model file: which release the rows were proved against."""

    name: str
    version: str = ""
    generated: bool = False
    unproved: bool = False  #: all rows of the file are


class Catalog:
    """All rules and rows, by name; `extra` are the user's model files in it, `demands` what the user declares of functions."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        rows: Mapping[str, Row],
        extra: Iterable[Path] = (),
        demands: Iterable[str] = (),
    ) -> None:
        self.extra = tuple(extra)
        self.demands = tuple(demands)
        self.rules: dict[str, Rule] = dict(rules)
        self._rows: dict[str, Row] = {name: row for name, row in rows.items() if "*" not in name}
        self._patterns: dict[str, Row] = {name: row for name, row in rows.items() if "*" in name}
        self._matched: dict[str, Row | None] = {}
        self._by_contract = _claims(self.rules.values())

    @classmethod
    def load(cls, extra: Sequence[Path] = (), demands: Sequence[str] = (), *, folder: Path | None = None) -> Catalog:
        """Read gradlint's own data; rows of the user's `extra` model files replace rows of the same name.

        A cache in `folder` holds gradlint's own data ready for use; where it is of no use nothing but time is lost.
        """
        own = _own(folder)
        if not extra and not demands:
            return own
        return cls(own.rules, {**own._rows, **own._patterns, **read_models(extra)}, extra, demands)

    def rule(self, slug: str) -> Rule | None:
        """The rule of this name."""
        return self.rules.get(slug)

    def rule_for(self, contract: str, cause: str = "") -> Rule | None:
        """The rule that claims this cause under this contract, else the one that claims the contract as a whole."""
        return self._by_contract.get((contract, cause)) or self._by_contract.get((contract, ""))

    def row(self, name: str) -> Row | None:
        """The row of a qualified name or alias, else that of the most literal pattern that matches (`cv2.*`, `a.*.generate`)."""
        found = self._rows.get(name)
        if found is not None or not self._patterns:
            return found
        if name not in self._matched:
            fitting = [pattern for pattern in self._patterns if matches(pattern, name)]
            best = max(fitting, key=lambda pattern: (len(pattern) - pattern.count("*"), pattern), default="")
            self._matched[name] = self._patterns.get(best)
        return self._matched[name]

    def rows(self) -> list[Row]:
        """Every row once, sorted by name."""
        unique = {row.name: row for row in (*self._rows.values(), *self._patterns.values())}
        return [unique[name] for name in sorted(unique)]


def matches(pattern: str, name: str) -> bool:
    """A `*` stands for any part of one segment of a name; alone at the end, for one segment or more."""
    wanted, given = pattern.split("."), name.split(".")
    if wanted[-1] == "*" and len(given) > len(wanted):
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        w in ("*", g) or ("*" in w and fnmatchcase(g, w)) for w, g in zip(wanted, given, strict=True)
    )


def data_folder() -> Path:
    """Where the pages and models lie: inside the installed package, or in the repository beside it."""
    package = Path(__file__).resolve().parent
    bundled = package / "_rules"
    return bundled if bundled.is_dir() else package.parent / "rules"


def read_rule(path: Path) -> Rule:
    """Read one rule page and check its shape."""
    text = _read(path)
    title = _TITLE.match(text)
    if title is None or title[1] != path.stem:
        raise CatalogError(f"{path}: the page must start with the line '# {path.stem}'")
    block = _TOML.search(text)
    if block is None:
        raise CatalogError(f"{path}: no ```toml block")
    _check_sections(path, text)
    fields = _parse(path, block[1])
    for reserved in ("slug", "text", "url") & fields.keys():
        raise CatalogError(f"{path}: key '{reserved}' is not for the page to set")
    return _rule(path, {**fields, "slug": path.stem, "text": text, "url": f"{PAGES}{path.name}"})


def read_models(paths: Iterable[Path]) -> dict[str, Row]:
    """Read model files; the result holds every row under its name and its aliases."""
    rows: dict[str, Row] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for row in _read_model(path):
            for name in (row.name, *row.aliases):
                if name in rows:
                    raise CatalogError(f"{path}: row '{row.name}': '{name}' is already in {origin[name]}")
                rows[name] = row
                origin[name] = path
    return rows


def contradictions(rows: Iterable[Row], own: Catalog) -> Iterator[str]:
    """What a user's rows say otherwise than gradlint's rows of torch, which were proved; to doubt one is no contradiction."""
    for row in rows:
        for name in (row.name, *row.aliases):
            known = own.row(name) if name.startswith("torch.") else None
            if known is None or known.unproved or known.until or "unknown" in (row.flow, known.flow):
                continue
            said, seen = (", ".join(r.outputs or (r.flow,)) for r in (row, known))
            if said != seen:
                yield (
                    f"row '{row.name}': says of {name}: {said}; torch was seen to do: {seen}"
                    ' (`gradlint models check` runs it, flow = "unknown" doubts it)'
                )


class Compiled(msgspec.Struct, frozen=True):
    """gradlint's own pages and rows as the cache holds them."""

    rules: list[Rule]
    rows: list[Row]


_loaded: list[Catalog] = []  #: gradlint's own data, once it was read


def _own(folder: Path | None) -> Catalog:
    if not _loaded:
        data = data_folder()
        pages, models = sorted(data.glob("*.md")), sorted(data.glob("models/*.toml"))
        found = _read_own(pages, models) if folder is None else _recalled(pages, models, folder)
        _loaded.append(found)
    return _loaded[0]


def _read_own(pages: Iterable[Path], models: Iterable[Path]) -> Catalog:
    rules = [read_rule(path) for path in pages]
    return Catalog({rule.slug: rule for rule in rules}, read_models(models))


def _recalled(pages: Sequence[Path], models: Sequence[Path], folder: Path) -> Catalog:
    """What the cache holds of exactly these files, else what they say."""
    texts = [part for path in (*pages, *models) for part in (path.name, path.read_bytes())]
    key = kept.digest(__version__, *texts)
    with suppress(kept.CacheError, msgspec.MsgspecError):
        content = kept.load(folder, "catalog", key)
        if content is not None:
            return _assembled(msgspec.msgpack.decode(content, type=Compiled))
    made = _read_own(pages, models)
    with suppress(kept.CacheError):
        kept.store(folder, "catalog", key, msgspec.msgpack.encode(Compiled([*made.rules.values()], made.rows())))
    return made


def _assembled(compiled: Compiled) -> Catalog:
    rows = {name: row for row in compiled.rows for name in (row.name, *row.aliases)}
    return Catalog({rule.slug: rule for rule in compiled.rules}, rows)


def _claims(rules: Iterable[Rule]) -> dict[tuple[str, str], Rule]:
    """Index rules by contract and cause. Findings of contract "other" name their rule themselves."""
    claims: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        for key in ((contract, cause) for contract in rule.contracts for cause in rule.causes or ("",)):
            if key[0] == "other":
                continue
            if key in claims:
                cause = f" with cause '{key[1]}'" if key[1] else ""
                raise CatalogError(f"{rule.url}: contract '{key[0]}'{cause} is already claimed by {claims[key].url}")
            claims[key] = rule
    return claims


def _check_sections(path: Path, text: str) -> None:
    found = tuple(_HEADING.findall(_CODE.sub("", text)))
    if found != SECTIONS:
        raise CatalogError(f"{path}: sections must be {', '.join(SECTIONS)}; found {', '.join(found) or 'none'}")


def _rule(path: Path, fields: Mapping[str, object]) -> Rule:
    try:
        rule = msgspec.convert(fields, Rule)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path}: {error}") from error
    for key, value in (("contracts", rule.contracts), ("summary", rule.summary), ("help", rule.help)):
        if not value:
            raise CatalogError(f"{path}: key '{key}' is empty")
    return rule


def _read_model(path: Path) -> list[Row]:
    library, tables = _library(path)
    unproved = {"unproved": True} if library is not None and library.unproved else {}
    return [_row(path, name, {**unproved, **body} if isinstance(body, dict) else body) for name, body in tables.items()]


def _library(path: Path) -> tuple[Library | None, dict[str, Any]]:
    """What a model file says of itself, and its rows as they stand there."""
    tables = _parse(path, _read(path))
    try:
        return msgspec.convert(tables.pop("library", None), Library | None), tables
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path}: table 'library': {error}") from error


def _row(path: Path, name: str, body: object) -> Row:
    if not isinstance(body, dict) or "name" in body:
        raise CatalogError(f"{path}: row '{name}' must be a table without a key 'name'")
    try:
        row = msgspec.convert({**body, "name": name}, Row)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path}: row '{name}': {error}") from error
    wrong = _contradiction(row)
    if wrong:
        raise CatalogError(f"{path}: row '{name}': {wrong}")
    return _silent(row) if row.unproved else row


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


def _silent(row: Row) -> Row:
    """A row that nobody proved: its result is of unknown making, and it asks for nothing."""
    return msgspec.structs.replace(
        row, flow="unknown", outputs=(), fields=(), when="", cause="", mode="", demand="", raises=False, factory=False
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read: {error}") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):  # late: a run that the cache answers reads no TOML
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        names = _ROW.findall(text)
        twice = next((name for name in names if names.count(name) > 1), None)
        told = f"row '{twice}' is there twice" if twice else "not valid TOML"
        raise CatalogError(f"{path}: {told}: {error}") from error
