"""Which definitions lead to a demand: those that ask for a gradient, and those that use, by name, one that does.

A name means what its file holds or imports: of an imported definition every name of the file that defines it counts, and
those of the bases of its classes. A method is never looked for in a whole project, or half of it would be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from gradlint.static.units import Part, Survey, Wanted
from gradlint.tape import Span


class _File:
    """What is known of one file so far."""

    def __init__(self, survey: Survey) -> None:
        self.open = [part for part in survey.parts if not part.asks]
        self.names: set[str] = set()  #: of functions and classes that lead to a demand
        self.attributes: set[str] = set()  #: under which methods and held objects do
        self.classes: set[str] = set(survey.asking)  #: those of them that are made or called as a whole
        for part in survey.parts:
            if part.asks:
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
    leading = _leading({path.as_posix(): survey for path, survey in surveys.items()})
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


def _leading(surveys: Mapping[str, Survey]) -> set[Span]:
    """The places of the names of all functions that lead to a demand."""
    found = {part.span for survey in surveys.values() for part in survey.parts if part.asks}
    files = {path: _File(survey) for path, survey in surveys.items()}
    seen = _seen(surveys)
    grown = True
    while grown:
        grown = False
        for path, file in files.items():
            if not file.open:
                continue
            names = file.names.union(*(files[other].names for other in seen[path]))
            attributes = file.attributes.union(*(files[other].attributes for other in seen[path]))
            classes = file.classes.union(*(files[other].classes for other in seen[path]))
            more = [p for p in file.open if not (names.isdisjoint(p.uses) and attributes.isdisjoint(p.reads))]
            for part in more:
                file.add(part)
                found.add(part.span)
            kept = set(_kept(surveys[path].parts, names, attributes, classes)) - file.attributes
            file.attributes |= kept
            if more or kept:
                grown = True
                file.open = [part for part in file.open if part.span not in found]
    return found


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
