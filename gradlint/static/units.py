"""The work in units that know nothing of each other: a file as it is surveyed, one run from one beginning.

A unit is asked for by a file's path and answered by plain records, in this process or another. How answers are put together
is told by `replay`; running them is for `entries`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from gradlint.finding import FileError
from gradlint.tape import Span, Tape


class Wanted(msgspec.Struct, frozen=True):
    """A definition that may have to be run by itself: a function, or a class with its methods. Spans are those of names."""

    span: Span
    methods: tuple[Span, ...] | None = None
    others: tuple[Span, ...] = ()  #: the methods but for the constructor

    def called(self, called: AbstractSet[Span]) -> bool:
        """Whether nothing of it is left to be run."""
        return self.span in called if self.methods is None else all(m in called for m in self.methods)


class Part(msgspec.Struct, frozen=True):
    """A function or a method, as far as its text tells whether it leads to a demand."""

    span: Span  #: of its name
    name: str
    owner: str  #: its class
    asks: bool  #: for a gradient, itself
    minds: bool  #: see `mentions`
    uses: tuple[str, ...]
    reads: tuple[str, ...]
    own: tuple[str, ...]
    #: an attribute, whether of the object itself, the name of what is put there (`.name` for an attribute), whether that is
    #: called first
    keeps: tuple[tuple[str, bool, str, bool], ...]


class Names(msgspec.Struct, frozen=True):
    """By which names a file may come to a demand."""

    parts: tuple[Part, ...] = ()  #: its functions and methods; none if nothing is known of them
    bound: tuple[tuple[str, str], ...] = ()  #: names that imports bind, with the project files they come from
    classes: tuple[tuple[str, tuple[str, ...]], ...] = ()  #: its classes, with the names of their bases
    asking: tuple[str, ...] = ()  #: names of library objects that ask when they are called


class Hints(Names, frozen=True):
    """The same with what is wanted of the file; needed once, to choose (see `reaching`)."""

    wanted: tuple[Wanted, ...] = ()


H = TypeVar("H", bound=Names)


class Survey(msgspec.Struct, frozen=True):
    """What a file's text says before anything is run."""

    file: str
    read: bool = False  #: whether it could be lowered
    error: FileError | None = None
    imports: tuple[str, ...] = ()  #: what it may import, as it names it, with the leading dots
    guarded: bool = False  #: has an `if __name__ == ...`
    acts: bool = False  #: does something when it is run
    wanted: tuple[Wanted, ...] = ()  #: where nothing is known of them, or once they are chosen
    hints: bytes | Hints = b""  #: deflated: those of a large project take more room than all else that is known of it
    sites: list[tuple[Span, str]] = []
    asked: dict[str, str] = {}  #: path -> what lay there: what the search for modules asked of the disk


class Ran(msgspec.Struct):
    """One run: of a script, of a module up to its end (`key`: its file), or from one definition on (`key`: its name)."""

    key: Span
    called: set[Span] = set()
    measured: set[Span] = set()  #: functions called a loss whose value the run only looks at
    own_calls: set[Span] = set()  #: calls of the project's functions, whatever they are called
    reached: set[Span] = set()  #: demand sites
    budget: list[Span] = []
    bounds: dict[str, int] = {}  #: how often each bound of `budget` was hit
    errors: list[FileError] = []
    context: set[str] = set()  #: paths of the files that were loaded
    failed: bool = False  #: nothing can begin here
    asked: dict[
        str, str
    ] = {}  #: path -> what lay there; what the run of the module asked is told there and nowhere else
    tape: Tape | None = None


def packed(hints: Hints) -> bytes | Hints:
    """Hints to be kept; they stay as they are where the path of a file is not to be encoded."""
    try:
        return zlib.compress(msgspec.msgpack.encode(hints), 1)
    except UnicodeEncodeError:
        return hints


def hints(survey: Survey) -> Hints:
    """The hints of a survey."""
    return _unpacked(survey, Hints)


def names(survey: Survey) -> Names:
    """Of the hints the names alone: those of a whole project are looked at together."""
    return _unpacked(survey, Names)


def _unpacked(survey: Survey, kind: type[H]) -> H:
    held = survey.hints
    if isinstance(held, bytes):
        return msgspec.msgpack.decode(zlib.decompress(held), type=kind) if held else kind()
    assert isinstance(held, kind)
    return held


def whole_file(file: str) -> Span:
    """The key of a run of a module."""
    return Span(file, 0, 0, 0, 0)


Begin = Callable[[Path], None]  #: told of every file before it is dealt with


class Crew(Protocol):
    """Who runs the units. The answers come in any order, each with its file."""

    asked: dict[str, str]  #: what the search for modules asked of the disk, and was told

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand."""

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Ran]]:
        """The runs of some files as scripts."""

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """The partial runs of these files will be asked for; at least this was called before."""

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Ran]:
        """The partial runs of a file, given all that was called before; with `every` (see `replay.order`) all that may count."""

    def close(self) -> None:
        """Nothing more will be asked."""
