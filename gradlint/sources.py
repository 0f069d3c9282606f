"""What a run begins with: the rules and rows with the user's own, and the texts that can matter, with those around them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlint import config as settings
from gradlint import discovery, releases, requirements, suppress
from gradlint.catalog import Catalog, CatalogError, contradictions, read_models
from gradlint.config import Loaded
from gradlint.discovery import File, Found, shown
from gradlint.finding import FileError
from gradlint.releases import Pin
from gradlint.static.source import packed, unpacked
from gradlint.texts import Texts, parses

if TYPE_CHECKING:
    from gradlint.static import Source

#: characters of texts that are kept as they are: what goes beyond is deflated, and inflated when it is looked at
_PLAIN = 8_000_000
#: a file up to this size is parsed although it holds no word that matters: a syntax error in it is worth a word
_SMALL = 4096


def knowledge(
    loaded: Loaded, folder: Path | None = None, *, root: Path | None = None
) -> tuple[Catalog, tuple[str, ...]]:
    """The rules and rows with the user's own, and what is wrong with the settings; a model file with mistakes does not count.

    `folder` may hold a cache; what the project at `root` requires tells the releases of libraries that the settings do not.
    """
    own = Catalog.load(folder=folder)
    good: list[Path] = []
    problems = list(loaded.problems)
    for setting, path in loaded.models():
        try:
            rows = read_models([*good, path])
        except CatalogError as error:
            problems.append(f"{setting.where}: {error}")
            continue
        wrong = list(contradictions(path, rows.values(), own))
        problems += [f"{setting.where}: {told}" for told in wrong]
        good += [] if wrong else [path]
    made = Catalog.load(good, loaded.config.demands, folder=folder)
    pins, mistaken = _releases(loaded, made, root)
    if pins:
        made = Catalog.load(good, loaded.config.demands, pins=pins, folder=folder)
    return made, (*problems, *mistaken, *loaded.unknown_rules(made.rules))


def _releases(loaded: Loaded, catalog: Catalog, root: Path | None) -> tuple[list[Pin], list[str]]:
    """What is known of the releases of libraries, and what is wrong with what the settings say of them."""
    pins: list[Pin] = []
    problems: list[str] = []
    for setting in loaded.of("versions"):
        library = setting.keys[1].replace("-", "_")
        wrong = releases.told(setting.value)
        known = {row.name.split(".")[0] for row in catalog.rows()}
        if library not in known:
            wrong = f"no model knows a library '{library}'{settings.nearest(library, known)}"
        if wrong:
            problems.append(f"{setting.where}: {wrong}")
        else:
            file = shown(setting.file) if setting.file else ""
            pins.append(Pin(library, releases.specifier(setting.value), file, setting.line))
    given = {pin.library for pin in pins}
    required = requirements.pins(root, catalog.libraries() - given) if root is not None else ()
    return [*pins, *required], problems


def wrong_names(select: Iterable[str], ignore: Iterable[str], rules: Collection[str]) -> tuple[str, ...]:
    """What is wrong with the names of rules on the command line."""
    known = [*rules, settings.ALL]
    named = {"--select": select, "--ignore": ignore}
    return tuple(f"{flag}: {told}" for flag, names in named.items() for told in settings.unknown(names, known))


class Packed(Mapping[Path, str]):
    """Texts by their paths, unpacked one at a time."""

    def __init__(self) -> None:
        self.held: dict[Path, str | bytes] = {}
        self._plain = _PLAIN  #: characters that may still be kept as they are

    def put(self, path: Path, text: str) -> str | bytes:
        """Keep a text; returns it packed."""
        self._plain -= len(text)
        self.held[path] = packed(text, always=self._plain < 0)
        return self.held[path]

    def __getitem__(self, path: Path) -> str:
        return unpacked(self.held[path])

    def __iter__(self) -> Iterator[Path]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def gathered(
    found: Found, texts: Texts, excludes: Sequence[discovery.Patterns], catalog: Catalog
) -> tuple[list[Source], frozenset[str], list[FileError]]:
    """What has to be analysed, the names of what need not be, and what cannot be."""
    from gradlint.static import Source, hot, relevant, words_of

    sources: list[Source] = []
    gated: set[str] = set()
    errors: list[FileError] = []
    read: list[File] = []
    held = Packed()
    words = words_of(catalog.demands)
    marked: set[Path] = set()
    named: set[Path] = set()
    for file in found.files:
        text = texts.load(file.path, file.file)
        if isinstance(text, FileError):
            errors.append(text)
            continue
        read.append(file)
        texts.put(file.file, held.put(file.path, text))
        if suppress.MARK in text:  # perhaps with nothing to silence
            marked.add(file.path)
        if "torch" in text or ".detach(" in text or relevant(text, words):
            named.add(file.path)
    using = _callers(named, {file.path for file in found.files}, excludes, texts)
    for path, text in using.items():
        held.put(path, text)
    matters = hot(held, words) | marked
    if using:
        matters |= {file.path for file in read if file.named and file.path in named}  # a caller may ask through it
    for file in read:
        text = held[file.path]
        worth = file.path in matters or _worth_parsing(file, text)
        errors += texts.errors(file.file) if worth else ()
        if file.path in matters or (worth and not parses(text)):
            sources.append(Source(file.file, file.path, held.held[file.path], named=True))
        else:
            gated.add(file.file)
    sources += [Source(discovery.shown(path), path, held.held[path], named=False) for path in using]
    return sources, frozenset(gated), errors


def _callers(
    named: Collection[Path], listed: set[Path], excludes: Sequence[discovery.Patterns], texts: Texts
) -> dict[Path, str]:
    """The files of the project that use the named ones and are not to be linted themselves."""
    from gradlint.callers import callers
    from gradlint.static.disk import Disk
    from gradlint.static.files import Files

    return callers(named, listed, excludes, texts.read, Files(named, Disk()).find)


def _worth_parsing(file: File, text: str) -> bool:
    return file.named or len(text) <= _SMALL or "torch" in text
