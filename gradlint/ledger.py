"""What is kept of single files, so that after a change only what depends on it is run again.

Of every file: its survey, its run as a script, its partial runs, each with what it rests on: the texts that were read and
what the search for modules asked of the disk. An entry holds while all of that is as it was; so a helper that changes
takes back the entries of all that loaded it, and a file that appears those of all that looked for it.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gradlint import cache
from gradlint.judging import Judged
from gradlint.static.disk import Disk
from gradlint.static.replay import order
from gradlint.static.source import Source
from gradlint.static.units import Begin, Crew, Survey
from gradlint.tape import Span

KEPT = 50_000  #: entries that a ledger holds at most

Fact = tuple[str, str, str]  #: "text" or "disk", a path, the digest of the text or what lay there
T = TypeVar("T")


class _Item(msgspec.Struct, frozen=True, array_like=True):
    """What is kept, and the facts that it rests on, by their position in the ledger."""

    facts: list[int]
    body: bytes  #: deflated: runs repeat themselves


class _Page(msgspec.Struct, frozen=True):
    """A ledger as it lies in the cache."""

    facts: list[Fact]
    items: dict[str, _Item]


class Ledger:
    """The entries of one state of gradlint and its settings; `digest` is of a file's text as it is now."""

    def __init__(self, folder: Path, key: str, digest: Callable[[Path], str]) -> None:
        self._folder = folder
        self._key = key
        self._digest = digest
        self._disk = Disk()
        self._page = _Page([], {})
        self._holding: dict[int, bool] = {}
        self._index: dict[Fact, int] = {}  #: the facts of new entries, each once
        self._new: dict[str, tuple[array[int], bytes]] = {}

    def open(self) -> None:
        """Read what is kept. Raises `CacheError`."""
        content = cache.load(self._folder, "ledger", self._key)
        if content is None:
            return
        try:
            self._page = msgspec.msgpack.decode(content, type=_Page)
        except msgspec.MsgspecError as error:
            raise cache.CacheError(f"a ledger is none: {error}") from error

    def get(self, name: str, kind: type[T]) -> tuple[T, list[Fact]] | None:
        """An entry that still holds, and what it rests on."""
        item = self._page.items.get(name)
        if item is None or not all(map(self._holds, item.facts)):
            return None
        try:
            value = msgspec.msgpack.decode(zlib.decompress(item.body), type=kind)
        except (msgspec.MsgspecError, zlib.error):
            return None
        return value, [self._page.facts[i] for i in item.facts]

    def put(self, name: str, value: object, facts: Iterable[Fact]) -> None:
        """Keep an entry. What cannot be written is not kept."""
        with suppress(UnicodeEncodeError):
            numbers = array("L", (self._index.setdefault(fact, len(self._index)) for fact in sorted(set(facts))))
            self._new[name] = numbers, zlib.compress(msgspec.msgpack.encode(value), 1)

    def close(self) -> None:
        """Write what is new beside what was there. Raises `CacheError`."""
        if not self._new:
            return
        items = {name: _Item(sorted(numbers), body) for name, (numbers, body) in islice(self._new.items(), KEPT)}
        for name, item in self._page.items.items():
            if name not in items and len(items) < KEPT:
                facts = (self._page.facts[i] for i in item.facts)
                items[name] = _Item(sorted(self._index.setdefault(f, len(self._index)) for f in facts), item.body)
        try:
            content = msgspec.msgpack.encode(_Page(list(self._index), items))
        except UnicodeEncodeError as error:
            raise cache.CacheError("a file's name cannot be written as UTF-8") from error
        cache.store(self._folder, "ledger", self._key, content)

    def text(self, path: str | Path) -> Fact:
        """What a file holds now."""
        return ("text", str(path), self._digest(Path(path)))

    def _holds(self, number: int) -> bool:
        if number not in self._holding:
            kind, path, known = self._page.facts[number]
            try:
                now = self._digest(Path(path)) if kind == "text" else self._disk.kind(path)
            except OSError:
                return False
            self._holding[number] = now == known
        return self._holding[number]


class Remembering:
    """A crew that has only run what the ledger does not hold; `make` hires those who run it, `spare` one for what is left.

    What is done with the ledger is done inside of `trying`.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: Sequence[Source],
        make: Callable[[], Crew],
        spare: Callable[[], Crew],
        trying: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.asked: dict[str, str] = {}
        self._ledger = ledger
        self._trying = trying
        with trying():
            ledger.open()
        self._named = {s.path: s.named for s in sources}
        self._make = make
        self._spare = spare
        self._hired: dict[str, Crew] = {}
        self._rests: dict[Path, dict[Span, Judged]] = {}

    def close(self) -> None:
        """Send everybody home, and write down what is new."""
        for crew in self._hired.values():
            crew.close()
        with self._trying():
            self._ledger.close()

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""
        missing: list[Path] = []
        yield from self._known(paths, self._survey_of, Survey, begin, missing)
        for path, survey in self._crew("main").survey(missing, begin) if missing else ():
            if survey.error is None or survey.error.kind != "internal":
                self._keep(self._survey_of(path), path, survey, [survey])
            yield path, survey

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand."""
        return self._crew("main").leading(surveys)

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Judged]]:
        """The runs of some files as scripts."""
        missing: list[Path] = []
        yield from self._known(paths, "whole {}".format, Judged, begin, missing)
        for path, ran in self._crew("main").whole(missing, begin) if missing else ():
            assert isinstance(ran, Judged)
            self._keep(f"whole {path}", path, ran, [ran])
            yield path, ran

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """Find out of which files the partial runs are kept; the others are begun with."""
        missing: dict[Path, Survey] = {}
        for path, survey in surveys.items():
            held = self._recall(f"rest {path}", list[Judged])
            if held is not None:
                self._rests[path] = {ran.key: ran for ran in held}
            elif not all(wanted.called(called) for wanted in survey.wanted):
                missing[path] = survey
        if missing:
            self._crew("main").expect(missing, called, every=every)

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Judged]:
        """The partial runs of a file, given all that was called before."""
        held = self._rests.get(path, {})
        with suppress(KeyError):  # something that was called before is not any more
            return iter(list(order(survey, called, held.__getitem__, every=every)))
        crew = self._crew("spare" if path in self._rests else "main")
        made = list(crew.rest(path, survey, called, every=every))
        both = {**held, **{ran.key: ran for ran in made if isinstance(ran, Judged)}}
        self._keep(f"rest {path}", path, list(both.values()), list(both.values()))
        return (ran for ran in made if isinstance(ran, Judged))

    def _known(
        self, paths: Sequence[Path], name: Callable[[Path], str], kind: type[T], begin: Begin, missing: list[Path]
    ) -> Iterator[tuple[Path, T]]:
        """What is kept of some files; the others are put down as missing."""
        for path in paths:
            held = self._recall(name(path), kind)
            if held is None:
                missing.append(path)
            else:
                begin(path)
                yield path, held

    def _survey_of(self, path: Path) -> str:
        kind = "around" if path not in self._named else "named" if self._named[path] else "beside"
        return f"{kind} {path}"

    def _crew(self, name: str) -> Crew:
        if name not in self._hired:
            self._hired[name] = self._make() if name == "main" else self._spare()
        return self._hired[name]

    def _recall(self, name: str, kind: type[T]) -> T | None:
        held = self._ledger.get(name, kind)
        if held is None:
            return None
        value, facts = held
        self.asked.update((path, answer) for kind_, path, answer in facts if kind_ == "disk")
        return value

    def _keep(self, name: str, path: Path, value: Any, units: Sequence[Survey | Judged]) -> None:
        asked: Mapping[str, str] = {place: kind for unit in units for place, kind in unit.asked.items()}
        self.asked.update(asked)
        runs = [unit for unit in units if isinstance(unit, Judged)]
        if any(ran.errors or ran.broken for ran in runs):
            return
        read = {path.as_posix(), *(file for ran in runs for file in ran.context)}
        facts = (self._ledger.text(file) for file in read)
        self._ledger.put(name, value, (*facts, *(("disk", place, kind) for place, kind in asked.items())))
