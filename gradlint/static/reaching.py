"""Which definitions lead to a demand: those that ask for a gradient, and those that use, by name, one that does.

A name means what its file holds or imports: of an imported definition every name of the file that defines it counts, and
those of the bases of its classes. A method is never looked for in a whole project, or half of it would be reached. What only
minds its arguments (NumPy raises for those that require grad) concerns those who call it and their callers: from further
away names lead there from everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from gradlint.static.units import Part, Survey, Wanted
from gradlint.tape import Span

NEAR = 2  #: how many calls away it counts what a function minds

Begins = Callable[[Part], bool]  #: whether a search begins at a function


class _File:
    """What is known of one file so far."""

    def __init__(self, parts: Sequence[Part], begins: Begins) -> None:
        self.open = [part for part in parts if not begins(part)]
        self.names: set[str] = set()  #: of functions and classes that lead to a demand
        self.attributes: set[str] = set()  #: under which methods and held objects do
        self.classes: set[str] = set()  #: those of them that are made or called as a whole
        for part in parts:
            if begins(part):
                self.add(part)

    def add(self, part: Part) -> None:
        """A definition leads to a demand."""
        if not part.owner:
            self.names.add(part.name)
        elif part.name == "forward" or part.name.startswith("__"):  # nobody writes it
            self.names.add(part.owner)
            self.classes.add(part.owner)
        else:
            self.attributes.add(part.name)


def narrowed(surveys: Mapping[Path, Survey]) -> dict[Path, Survey]:
    """The surveys, with nothing wanted but what can lead to a demand."""
    named = {path.as_posix(): survey for path, survey in surveys.items()}
    seen = _seen(named)
    leading = _Search(named, seen, lambda part: part.asks, asking=True).leading()
    leading |= _Search(named, seen, lambda part: part.minds).leading(NEAR)
    return {path: _only(survey, leading) for path, survey in surveys.items()}


def _only(survey: Survey, leading: set[Span]) -> Survey:
    if not survey.parts:
        return survey
    wanted = tuple(w for given in survey.wanted if (w := _part(given, leading)) is not None)
    return msgspec.structs.replace(survey, wanted=wanted, parts=(), bound=(), bases=(), asking=())


def _part(wanted: Wanted, leading: set[Span]) -> Wanted | None:
    """A definition with only the methods that are wanted."""
    if wanted.methods is None:
        return wanted if wanted.span in leading else None
    methods = tuple(span for span in wanted.methods if span in leading)
    return Wanted(wanted.span, methods, tuple(s for s in wanted.others if s in leading)) if methods else None


class _Search:
    """From some functions to all that lead there; with `asking` also from the objects of libraries that ask when they are called."""

    def __init__(
        self, surveys: Mapping[str, Survey], seen: Mapping[str, set[str]], begins: Begins, *, asking: bool = False
    ) -> None:
        self._surveys, self._seen = surveys, seen
        self._files = {path: _File(survey.parts, begins) for path, survey in surveys.items()}
        self._found = {part.span for survey in surveys.values() for part in survey.parts if begins(part)}
        for path, file in self._files.items() if asking else ():
            file.classes.update(surveys[path].asking)

    def leading(self, calls: int | None = None) -> set[Span]:
        """The places of their names, at most so many `calls` away."""
        while calls != 0 and self._step():
            calls = None if calls is None else calls - 1
        return self._found

    def _step(self) -> bool:
        """One call further; whether there is more."""
        more = [(file, *self._more(path, file)) for path, file in self._files.items() if file.open]
        for file, parts, kept in more:
            for part in parts:
                file.add(part)
                self._found.add(part.span)
            file.attributes |= kept
            if parts:
                file.open = [part for part in file.open if part.span not in self._found]
        return any(parts or kept for _, parts, kept in more)

    def _more(self, path: str, file: _File) -> tuple[list[Part], set[str]]:
        """The functions of a file that lead on, as is known now, and the attributes that hold what does."""
        names, attributes, classes = (self._all(path, what) for what in ("names", "attributes", "classes"))
        parts = [p for p in file.open if not (names.isdisjoint(p.uses) and attributes.isdisjoint(p.reads))]
        return parts, set(_kept(self._surveys[path].parts, names, attributes, classes)) - file.attributes

    def _all(self, path: str, what: str) -> set[str]:
        """What a file and those it sees know."""
        known: set[str] = getattr(self._files[path], what)
        return known.union(*(getattr(self._files[other], what) for other in self._seen[path]))


def _kept(parts: Iterable[Part], names: set[str], attributes: set[str], classes: set[str]) -> Iterable[str]:
    """The attributes that hold what leads to a demand."""
    held = {*names, *(f".{name}" for name in names | attributes)}
    made = {*classes, *(f".{name}" for name in classes)}
    return (attribute for part in parts for attribute, name, called in part.keeps if name in (made if called else held))


# --- what a file sees ------------------------------------------------------------------------------------------------


def _seen(surveys: Mapping[str, Survey]) -> dict[str, set[str]]:
    """For every file the others whose names mean something in it."""
    bound = {path: dict(survey.bound) for path, survey in surveys.items()}
    direct = {path: {_home(bound, home, name) for name, home in survey.bound} for path, survey in surveys.items()}
    below = {path: set(_below(path, survey, bound, direct[path])) for path, survey in surveys.items()}
    return {
        path: {far for near in homes | below[path] for far in _through(below, near)} & surveys.keys()
        for path, homes in direct.items()
    }


def _below(path: str, survey: Survey, bound: Mapping[str, Mapping[str, str]], direct: set[str]) -> Iterator[str]:
    """The files whose names are names of a file as well: those of bases, and what a package hands on."""
    yield from (_home(bound, bound[path][name], name) for name in survey.bases if name in bound[path])
    yield from (home for name, home in survey.bound if name == "*")
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
