"""The catalog: what gradlint knows about rules and library callables, read from `rules/`.

Knows the shape of a rule page (`rules/<slug>.md`) and of a model file (`rules/models/*.toml`), and nothing about torch:
no slug and no callable is named here. A new rule over a known cause is a new page; a new library is a new model file.
Every mistake in them is a `CatalogError` that names the file and the key or row.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from gradlint import __version__
from gradlint import cache as kept
from gradlint.finding import Contract, Severity
from gradlint.modelled import (
    CAUSES,
    CatalogError,
    Cause,
    FlowWord,
    Library,
    Row,
    contradictions,
    matches,
    parse,
    read,
    read_models,
)
from gradlint.releases import Pin, Span, exists, in_force, possible

__all__ = [
    "CAUSES", "SECTIONS", "Catalog", "CatalogError", "Cause", "Exports", "FixNote", "FlowWord", "Library", "Row", "Rule", "contradictions",
    "data_folder", "matches", "read_models", "read_rule",
]  # fmt: skip

SECTIONS = ("What it does", "Why it matters", "Bad", "Good", "Fix safety", "What it does not report")
EXPORTS = "exports.toml"  #: what star imports bind
PAGES = "rules/"  #: where `Rule.url` points; relative to the project

_SETTINGS = re.compile(r"^```toml\n.*?^```\n+", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"# (\S+)\n")
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


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


class Exports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `from module import *` binds, of what is known."""

    own: tuple[str, ...] = ()  #: names of the module itself
    named: dict[str, str] = {}  #: others, with what they stand for; nothing where that depends on the release
    also: tuple[str, ...] = ()  #: modules whose exports it hands on


class Catalog:
    """All rules and rows, by name; `extra` are the user's model files in it, `demands` what the user declares of functions."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        rows: Mapping[str, Row],
        extra: Iterable[Path] = (),
        demands: Iterable[str] = (),
        exports: Mapping[str, Exports] = {},
    ) -> None:
        self.exports = exports
        self.extra = tuple(extra)
        self.demands = tuple(demands)
        self.pins: tuple[Pin, ...] = ()  #: what is known of the releases of libraries
        self.rules: dict[str, Rule] = dict(rules)
        self._rows: dict[str, Row] = {name: row for name, row in rows.items() if "*" not in name}
        self._patterns: dict[str, Row] = {name: row for name, row in rows.items() if "*" in name}
        self._matched: dict[str, Row | None] = {}
        self._in_force: dict[str, Row] = {}
        self._spans: dict[str, list[Span] | None] = {}
        self._by_contract = _claims(self.rules.values())

    @classmethod
    def load(
        cls,
        extra: Sequence[Path] = (),
        demands: Sequence[str] = (),
        *,
        pins: Sequence[Pin] = (),
        folder: Path | None = None,
    ) -> Catalog:
        """Read gradlint's own data; rows of the user's `extra` model files replace rows of the same name.

        `pins` tell which releases of libraries are possible: all where nothing is known. A cache in `folder` holds gradlint's
        own data ready for use; where it is of no use nothing but time is lost.
        """
        own = _own(folder)
        if extra or demands:
            made = cls(own.rules, {**own._rows, **own._patterns, **read_models(extra)}, extra, demands, own.exports)
        elif pins:
            made = copy.copy(own)
            made._matched, made._in_force, made._spans = {}, {}, {}
        else:
            return own
        made.pins = tuple(pins)
        return made

    def exported(self, module: str) -> dict[str, str] | None:
        """The names that a star import binds, with what they stand for; None where nobody described the module."""
        found = self.exports.get(module)
        if found is None:
            return None
        handed = {name: full for part in found.also for name, full in (self.exported(part) or {}).items()}
        return {**handed, **{name: f"{module}.{name}" for name in found.own}, **found.named}

    def meant(self, name: str) -> str:
        """What a qualified name stands for: another one where its module only hands it on, and no row has it."""
        owner, _, last = name.rpartition(".")
        found = self.exports.get(owner)
        if found is None or name in self._rows:
            return name
        if last not in found.named and found.also:
            return next(
                (full for part in found.also if (full := self.meant(f"{part}.{last}")) != f"{part}.{last}"), name
            )
        return found.named.get(last) or name

    def rule(self, slug: str) -> Rule | None:
        """The rule of this name."""
        return self.rules.get(slug)

    def rule_for(self, contract: str, cause: str = "") -> Rule | None:
        """The rule that claims this cause under this contract, else the one that claims the contract as a whole."""
        return self._by_contract.get((contract, cause)) or self._by_contract.get((contract, ""))

    def row(self, name: str) -> Row | None:
        """The row of a qualified name or alias, else that of the most literal pattern that matches (`cv2.*`, `a.*.generate`).

        Of a row that holds for some releases only, what it says under those that are possible.
        """
        found = self.written(name)
        if found is None or not (found.since or found.until):
            return found
        if found.name not in self._in_force:
            self._in_force[found.name] = in_force(found, self._possible(found))
        return self._in_force[found.name]

    def written(self, name: str) -> Row | None:
        """The same row as it stands in its file: that of the newest release, with the others in it."""
        found = self._rows.get(name)
        if found is not None or not self._patterns:
            return found
        if name not in self._matched:
            fitting = [pattern for pattern in self._patterns if matches(pattern, name)]
            best = max(fitting, key=lambda pattern: (len(pattern) - pattern.count("*"), pattern), default="")
            self._matched[name] = self._patterns.get(best)
        return self._matched[name]

    def default(self, name: str, flag: str) -> bool | None:
        """What a flag of a callable is where a call does not give it; None where that depends on the release."""
        row = self.row(name)
        return row.defaults.get(flag) if row is not None else None

    def exists(self, name: str) -> bool | None:
        """Whether a callable is there under the releases that are possible; None where only some have it."""
        row = self.written(name)
        return None if row is None else exists(row, self._possible(row))

    def rows(self) -> list[Row]:
        """Every row once, sorted by name."""
        unique = {row.name: row for row in (*self._rows.values(), *self._patterns.values())}
        return [unique[name] for name in sorted(unique)]

    def libraries(self) -> set[str]:
        """The libraries whose releases matter."""
        rows = (*self._rows.values(), *self._patterns.values())
        return {row.name.split(".")[0] for row in rows if row.since or row.until}

    def _possible(self, row: Row) -> list[Span] | None:
        library = row.name.split(".")[0]
        if library not in self._spans:
            self._spans[library] = possible(pin for pin in self.pins if pin.library == library)
        return self._spans[library]


def data_folder() -> Path:
    """Where the pages and models lie: inside the installed package, or in the repository beside it."""
    package = Path(__file__).resolve().parent
    bundled = package / "_rules"
    return bundled if bundled.is_dir() else package.parent / "rules"


def read_rule(path: Path) -> Rule:
    """Read one rule page and check its shape."""
    text = read(path)
    title = _TITLE.match(text)
    if title is None or title[1] != path.stem:
        raise CatalogError(f"{path}: the page must start with the line '# {path.stem}'")
    block = _TOML.search(text)
    if block is None:
        raise CatalogError(f"{path}: no ```toml block")
    _check_sections(path, text)
    fields = parse(path, block[1])
    for reserved in ("slug", "text", "url") & fields.keys():
        raise CatalogError(f"{path}: key '{reserved}' is not for the page to set")
    return _rule(path, {**fields, "slug": path.stem, "text": text, "url": f"{PAGES}{path.name}"})


class Compiled(msgspec.Struct, frozen=True):
    """gradlint's own pages and rows as the cache holds them."""

    rules: list[Rule]
    rows: list[Row]
    exports: dict[str, Exports]


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
    return Catalog({rule.slug: rule for rule in rules}, read_models(models), exports=_read_exports())


def _read_exports() -> dict[str, Exports]:
    path = data_folder() / EXPORTS
    tables = parse(path, read(path))
    try:
        return msgspec.convert(tables, dict[str, Exports])
    except msgspec.ValidationError as error:
        raise CatalogError(f"{path}: {error}") from error


def _recalled(pages: Sequence[Path], models: Sequence[Path], folder: Path) -> Catalog:
    """What the cache holds of exactly these files, else what they say."""
    texts = [part for path in (*pages, *models, data_folder() / EXPORTS) for part in (path.name, path.read_bytes())]
    key = kept.digest(__version__, *texts)
    with suppress(kept.CacheError, msgspec.MsgspecError):
        content = kept.load(folder, "catalog", key)
        if content is not None:
            return _assembled(msgspec.msgpack.decode(content, type=Compiled))
    made = _read_own(pages, models)
    with suppress(kept.CacheError):
        kept.store(
            folder,
            "catalog",
            key,
            msgspec.msgpack.encode(Compiled([*made.rules.values()], made.rows(), dict(made.exports))),
        )
    return made


def _assembled(compiled: Compiled) -> Catalog:
    rows = {name: row for row in compiled.rows for name in (row.name, *row.aliases)}
    return Catalog({rule.slug: rule for rule in compiled.rules}, rows, exports=compiled.exports)


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
