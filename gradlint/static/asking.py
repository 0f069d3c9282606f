"""What the rows of libraries and the user's declarations say about names: which of them ask for a gradient in a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from gradlint.static.mentions import Known, asking
from gradlint.static.words import words_of

if TYPE_CHECKING:
    from gradlint.catalog import Catalog

Imported = Collection[tuple[str, str]]  #: names with the dotted names of what they stand for


class Libraries:
    """The rows that ask for a gradient, by the library they belong to."""

    def __init__(self, catalog: Catalog) -> None:
        self._exported = catalog.exported
        self._words = words_of(catalog.demands)
        self._rows: dict[str, list[list[str]]] = {}
        self._called: set[str] = set(self._words)
        for row in catalog.rows():
            for name in (row.name, *row.aliases) if row.demand else ():
                parts = name.split(".")
                self._rows.setdefault(parts[0], []).append(parts)
                if row.demand == "return":
                    self._called.add(parts[-1])

    def known(self, imported: Imported, foreign: Callable[[str], bool]) -> tuple[Known, set[str]]:
        """What is known of names in a file, and those of what asks when it is called; `foreign` tells libraries from the project."""
        imported = [*imported, *self._starred(imported, foreign)]
        methods, objects = self._asked(imported, foreign)
        arrays = {name for name, full in imported if full == "numpy"}
        return Known(asking(imported) | methods | objects | {*self._words}, self._called, arrays), objects

    def _starred(self, imported: Imported, foreign: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """The names that stars of libraries bind."""
        for name, full in imported:
            module = full.removesuffix(".*")
            if name == "*" and foreign(module.split(".")[0]):
                yield from (self._exported(module) or {}).items()

    def _asked(self, imported: Imported, foreign: Callable[[str], bool]) -> tuple[set[str], set[str]]:
        """The names of methods that ask, and those of objects that do when they are called."""
        methods: set[str] = set()
        objects: set[str] = set()
        roots = {full.split(".")[0] for _, full in imported} & self._rows.keys()
        for root in filter(foreign, sorted(roots)):
            for *holder, last in self._rows[root]:
                if "*" in last:  # whatever comes from there
                    objects |= {name for name, full in imported if full.split(".")[0] == root}
                elif last.startswith("__"):
                    objects |= {holder[-1], *_aliases(imported, holder[-1])}
                else:
                    methods |= {last, *_aliases(imported, last)}
        return methods, objects


def _aliases(imported: Imported, last: str) -> Iterable[str]:
    return (name for name, full in imported if full.rpartition(".")[2] == last)
