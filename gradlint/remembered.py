"""What is kept of an analysis, and when it still holds.

The key of an entry: gradlint itself, the user's model files and declared demands, the working directory, and every text
that is run. Beside the answer lie the texts that were read for context and every question put to the disk; it holds only
while all of them are answered as before. Selections, severities and suppressions are applied afterwards and need no key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gradlint import __version__, cache
from gradlint.catalog import data_folder
from gradlint.discovery import shown
from gradlint.finding import FileError, Finding, Site
from gradlint.static import Crew, Result, Source
from gradlint.static.disk import Disk
from gradlint.tape import Span

if TYPE_CHECKING:
    from gradlint.catalog import Catalog
    from gradlint.texts import Texts


class Answer(msgspec.Struct, frozen=True):
    """What the static half and the engine found out, without the tapes."""

    errors: list[FileError]
    analysed: set[str]
    context: set[str]
    sites: list[tuple[Span, str]]
    budget: list[Span]
    findings: list[Finding]
    judged: list[Site]
    broken: list[FileError] = []  #: runs that could not be judged

    @property
    def result(self) -> Result:
        """As the static half tells it."""
        return Result([], self.errors, self.analysed, self.context, self.sites, set(), self.budget)


class Entry(msgspec.Struct, frozen=True):
    """An answer, and what it rests on besides its key."""

    answer: Answer
    texts: dict[str, str]  #: file read for context -> digest of its text; empty for one that could not be read
    asked: dict[str, str]  #: path -> what lay there


class Answers:
    """The cache for one run; whatever is wrong with it is noted and costs nothing but time."""

    def __init__(self, folder: Path | None, sources: Sequence[Source], catalog: Catalog, texts: Texts) -> None:
        self._texts = texts
        self._digests: dict[str, str] = {}  #: of the texts that were read for context
        self._known: dict[Path, str] = {}  #: digests of whatever texts
        self.notes: list[str] = []
        self._folder = folder if sources else None
        self._state = state(catalog) if self._folder else ""
        self._key = key(sources, self._state) if self._folder else ""
        self._sources = {s.path: s for s in sources}

    def read(self, path: Path) -> str | None:
        """The text of a file that the static half asks for, and a note that it was read."""
        text = self._texts.read(path)
        self._digests[str(path)] = _digest(text)
        return text

    def recalled(self) -> Answer | None:
        """The answer that still holds; of nothing to run it is known what it gives."""
        if not self._sources:
            return Answer([], set(), set(), [], [], [], [])
        if self._folder is None:
            return None
        try:
            return recall(self._folder, self._key, self._texts.read)
        except cache.CacheError as error:
            self._note(error)
            return None

    def keep(self, answer: Answer, result: Result) -> None:
        """Keep an answer, unless the run was ended, or a defect of gradlint shows in it."""
        if self._folder is None or result.left or answer.broken or any(e.kind == "internal" for e in answer.errors):
            return
        try:
            remember(self._folder, self._key, Entry(answer, self._digests, result.asked))
        except cache.CacheError as error:
            self._note(error)

    def remembering(
        self, sources: Sequence[Source], make: Callable[[bool], Crew], spare: Callable[[bool], Crew]
    ) -> Crew:
        """A crew that has run what is not kept; `spare` hires one for what turns out to be missing.

        Both are told whether facts are wanted: what the units asked of the disk.
        """
        if self._folder is None:
            return make(False)
        from gradlint.ledger import Ledger, Remembering

        ledger = Ledger(self._folder, self._state, self._digest_of)
        return Remembering(ledger, sources, lambda: make(True), lambda: spare(True), self._trying)

    def _digest_of(self, path: Path) -> str:
        """The digest of a file's text as it is now."""
        if path not in self._known:
            self._known[path] = _digest(self._sources[path].text if path in self._sources else self.read(path))
        return self._known[path]

    @contextmanager
    def _trying(self) -> Iterator[None]:
        """What is done with the cache may fail."""
        try:
            yield
        except cache.CacheError as error:
            self._note(error)

    def _note(self, error: cache.CacheError) -> None:
        told = f"{shown(self._folder)}: the cache is not used: {error}" if self._folder else str(error)
        self.notes += [] if told in self.notes else [told]


def state(catalog: Catalog) -> str:
    """What every answer rests on: gradlint itself, what the user told it of libraries, the working directory."""
    pins = (part for pin in catalog.pins for part in (pin.library, pin.text))
    return cache.digest(*_itself(), str(Path.cwd()), *_contents(catalog.extra), "", *catalog.demands, "", *pins)


def key(sources: Sequence[Source], about: str) -> str:
    """What an answer is filed under; `about` is the state."""
    ordered = sorted(sources, key=lambda s: s.path.as_posix())
    given = (part for s in ordered for part in (s.file, str(s.path), s.text, str(s.named)))
    return cache.digest(about, *given)


def recall(folder: Path, name: str, read: Callable[[Path], str | None]) -> Answer | None:
    """The answer that still holds, None where there is none. Raises `CacheError`."""
    content = cache.load(folder, "answer", name)
    if content is None:
        return None
    try:
        entry = msgspec.msgpack.decode(content, type=Entry)
    except msgspec.MsgspecError as error:
        raise cache.CacheError(f"an entry is no answer: {error}") from error
    return entry.answer if _holds(entry, read) else None


def remember(folder: Path, name: str, entry: Entry) -> None:
    """Keep an answer. Raises `CacheError`."""
    try:
        content = msgspec.msgpack.encode(entry)
    except UnicodeEncodeError as error:
        raise cache.CacheError("a file's name cannot be written as UTF-8") from error
    cache.store(folder, "answer", name, content)


def _holds(entry: Entry, read: Callable[[Path], str | None]) -> bool:
    disk = Disk()
    try:
        if any(disk.kind(path) != kind for path, kind in entry.asked.items()):
            return False
    except OSError:
        return False
    texts = ((digest, read(Path(path))) for path, digest in entry.texts.items())
    return all(digest == _digest(text) for digest, text in texts)


def _digest(text: str | None) -> str:
    return "" if text is None else cache.digest(text)


def _itself() -> Iterator[str]:
    """gradlint as it is installed: an edited file has another time or size, so an editable install is safe as well."""
    yield from (__version__, sys.version)
    spec = find_spec("libcst")  # found, not loaded
    files = [Path(spec.origin)] if spec is not None and spec.origin is not None else []
    rules, package = data_folder(), Path(__file__).resolve().parent
    files += [*package.rglob("*.py"), *rules.glob("*.md"), *rules.glob("*.toml"), *rules.glob("models/*.toml")]
    for file in sorted(files):
        found = file.stat()
        yield f"{file}:{found.st_size}:{found.st_mtime_ns}"


def _contents(models: Iterable[Path]) -> Iterator[bytes]:
    for path in models:
        try:
            yield path.read_bytes()
        except OSError:
            yield b""
