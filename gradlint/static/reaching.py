"""Which definitions lead to a demand: those that ask for a gradient, and those that use, by name, one that does.

A name means what its file holds or imports: of an imported definition every name of the file that defines it counts, and
those of the bases of its classes. A method is never looked for in a whole project, or half of it would be reached. What only
minds its arguments (NumPy raises for those that require grad) concerns those who call it and their callers: from further
away names lead there from everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from gradlint.static.units import Names, Part, Survey, Wanted, hints, names
from gradlint.tape import Span

NEAR = 2  #: how many calls away it counts what a function minds
FAR = 6  #: how many calls away from a demand a run by itself still tells something

ANYBODY = ""  #: stands for the class of an object of which nothing is known

Begins = Callable[[Part], bool]  #: whether a search begins at a function


class _File:
    """What is known of one file so far."""

    def __init__(self, parts: list[Part]) -> None:
        self.open = parts  #: of which nothing is known
        self.names: set[str] = set()  #: of functions and classes that lead to a demand
        self.attributes: set[str] = set()  #: under which methods and held objects do
        self.classes: set[str] = set()  #: those of them that are made or called as a whole

    def add(self, part: Part) -> None:
        """A definition leads to a demand."""
        if not part.owner:
            self.names.add(part.name)
        elif part.name == "forward" or part.name.startswith("__"):  # nobody writes it
            self.names.add(part.owner)
            self.classes.add(part.owner)
        else:
            self.attributes.add(part.name)


def leading(surveys: Mapping[Path, Survey]) -> set[Span]:
    """The places of the names of all definitions that can lead to a demand."""
    named = {path.as_posix(): names(survey) for path, survey in surveys.items()}
    seen = _View(named)
    asking = _Search(named, seen, lambda part: part.asks, asking=True).leading(FAR)
    return asking | _Search(named, seen, lambda part: part.minds).leading(NEAR)


def narrowed(survey: Survey, leading: AbstractSet[Span]) -> Survey:
    """A survey, with nothing wanted but what can lead to a demand."""
    if not survey.hints:
        return survey
    wanted = tuple(w for given in hints(survey).wanted if (w := _part(given, leading)) is not None)
    return msgspec.structs.replace(survey, wanted=wanted, hints=b"")


def _part(wanted: Wanted, leading: AbstractSet[Span]) -> Wanted | None:
    """A definition with only the methods that are wanted."""
    if wanted.methods is None:
        return wanted if wanted.span in leading else None
    methods = tuple(span for span in wanted.methods if span in leading)
    return Wanted(wanted.span, methods, tuple(s for s in wanted.others if s in leading)) if methods else None


class _Search:
    """From some functions to all that lead there; with `asking` also from the objects of libraries that ask when they are called."""

    def __init__(self, surveys: Mapping[str, Names], seen: _View, begins: Begins, *, asking: bool = False) -> None:
        self._surveys, self._seen = surveys, seen
        self._files = {path: _File([p for p in survey.parts if not begins(p)]) for path, survey in surveys.items()}
        self._families = _Families(surveys, seen)
        self._found: set[Span] = set()
        #: attributes that lead on, with the class that has them: the files where that is so
        self._owned: dict[tuple[str, str], set[str]] = {}
        for path, survey in surveys.items():
            self._add(path, filter(begins, survey.parts))
        for path, file in self._files.items() if asking else ():
            file.classes.update(surveys[path].asking)

    def leading(self, calls: int | None = None) -> set[Span]:
        """The places of their names, at most so many `calls` away."""
        while calls != 0 and self._step():
            calls = None if calls is None else calls - 1
        return self._found

    def _step(self) -> bool:
        """One call further; whether there is more."""
        more = [(path, file, *self._more(path, file)) for path, file in self._files.items() if file.open]
        for path, file, parts, kept in more:
            self._add(path, parts)
            for owner, name in kept:
                file.attributes.add(name)
                self._owned.setdefault((owner, name), set()).add(path)
            if parts:
                file.open = [part for part in file.open if part.span not in self._found]
        return any(parts or kept for _, _, parts, kept in more)

    def _add(self, path: str, parts: Iterable[Part]) -> None:
        """Definitions of a file that lead to a demand."""
        for part in parts:
            self._files[path].add(part)
            self._found.add(part.span)
            if part.owner:
                self._owned.setdefault((part.owner, part.name), set()).add(path)

    def _more(self, path: str, file: _File) -> tuple[list[Part], set[tuple[str, str]]]:
        """The functions of a file that lead on, as is known now, and the attributes that hold what does."""
        names, attributes, classes = (self._all(path, what) for what in ("names", "attributes", "classes"))
        parts = [
            p
            for p in file.open
            if not (names.isdisjoint(p.uses) and attributes.isdisjoint(p.reads))
            or (not attributes.isdisjoint(p.own) and self._own(path, p, attributes))
        ]
        kept = set(_kept(self._surveys[path].parts, names, attributes, classes))
        return parts, {held for held in kept if path not in self._owned.get(held, ())}

    def _own(self, path: str, part: Part, attributes: set[str]) -> bool:
        """Whether one of the attributes that a method reads from its own object leads to a demand."""
        told = (
            (cls, name) for name in attributes.intersection(part.own) for cls in self._families.of(path, part.owner)
        )
        homes = (self._owned.get(held, ()) for held in told)
        return any(self._seen.sees(path, home) for files in homes for home in files)

    def _all(self, path: str, what: str) -> set[str]:
        """What a file and those it sees know."""
        known: set[str] = getattr(self._files[path], what)
        return known.union(*(getattr(self._files[other], what) for other in self._seen.of(path)))


def _kept(parts: Iterable[Part], names: set[str], attributes: set[str], classes: set[str]) -> Iterable[tuple[str, str]]:
    """The attributes that hold what leads to a demand, each with the class that keeps it."""
    held = {*names, *(f".{name}" for name in names | attributes)}
    made = {*classes, *(f".{name}" for name in classes)}
    return (
        (part.owner if own else ANYBODY, attribute)
        for part in parts
        for attribute, own, name, called in part.keeps
        if name in (made if called else held)
    )


class _Families:
    """The classes whose attributes an object's own methods may meet: its own, its bases, those that derive from it in its file."""

    def __init__(self, surveys: Mapping[str, Names], seen: _View) -> None:
        self._surveys, self._seen = surveys, seen
        self._homes: dict[str, list[tuple[str, tuple[str, ...]]]] = {}  #: name of a class -> where, its bases
        for path, survey in surveys.items():
            for name, bases in survey.classes:
                self._homes.setdefault(name, []).append((path, bases))
        self._known: dict[tuple[str, str], set[str]] = {}

    def of(self, path: str, owner: str) -> set[str]:
        """The names of the relatives of a class that a file defines."""
        key = path, owner
        if key not in self._known:
            self._known[key] = self._above(path, owner) | self._below(path, owner) | {ANYBODY}
        return self._known[key]

    def _above(self, path: str, owner: str) -> set[str]:
        found, todo = {owner}, [owner]
        while todo:
            homes = self._homes.get(todo.pop(), ())
            more = {base for home, bases in homes if self._seen.sees(path, home) for base in bases} - found
            found |= more
            todo += more
        return found

    def _below(self, path: str, owner: str) -> set[str]:
        found = {owner}
        while more := {n for n, bases in self._surveys[path].classes if n not in found and not found.isdisjoint(bases)}:
            found |= more
        return found


# --- what a file sees ------------------------------------------------------------------------------------------------


class _View:
    """For every file the others whose names mean something in it: bits of a number, for in a large project most see most."""

    def __init__(self, surveys: Mapping[str, Names]) -> None:
        bound = {path: dict(survey.bound) for path, survey in surveys.items()}
        direct = {path: {_home(bound, home, name) for name, home in survey.bound} for path, survey in surveys.items()}
        below = {path: set(_below(path, survey, bound, direct[path])) for path, survey in surveys.items()}
        self._files = list(surveys)
        self._bits = {path: 1 << i for i, path in enumerate(self._files)}
        known: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        for path, homes in direct.items():
            self._seen[path] = 0
            for near in homes | below[path]:
                if near not in known:
                    known[near] = sum(self._bits.get(far, 0) for far in _through(below, near))
                self._seen[path] |= known[near]

    def of(self, path: str) -> Iterator[str]:
        """The files that a file sees."""
        left = self._seen[path]
        while left:
            lowest = left & -left
            yield self._files[lowest.bit_length() - 1]
            left ^= lowest

    def sees(self, path: str, home: str) -> bool:
        """Whether a file is another one, or sees it."""
        return path == home or bool(self._seen[path] & self._bits[home])


def _below(path: str, known: Names, bound: Mapping[str, Mapping[str, str]], direct: set[str]) -> Iterator[str]:
    """The files whose names are names of a file as well: those of bases, and what a package hands on."""
    yield from (
        _home(bound, bound[path][name], name) for _, bases in known.classes for name in bases if name in bound[path]
    )
    yield from (home for name, home in known.bound if name == "*")
    if path.endswith("/__init__.py"):
        yield from direct


def _home(bound: Mapping[str, Mapping[str, str]], path: str, name: str) -> str:
    """The file that defines a name which is imported from `path`."""
    known: set[str] = set()
    while path not in known and name in bound.get(path, ()):
        known.add(path)
        path = bound[path][name]
    return path


def _through(below: Mapping[str, set[str]], path: str) -> set[str]:
    """A file and those of the bases of its classes, to any depth."""
    found, todo = {path}, [path]
    while todo:
        more = below.get(todo.pop(), set()) - found
        found |= more
        todo += more
    return found
