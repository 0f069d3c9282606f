"""Machines in which a package has been imported already: there the runs of all its files begin.

Importing a file of a package imports the package first, and most packages import all they hold. That part of a run is the
same for every file, so it is made once: what follows finds the machine as if it had made it itself, its steps counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gradlint.static import imports
from gradlint.static.budget import PARTIAL_RUN
from gradlint.static.machine import Machine
from gradlint.static.moments import Moment
from gradlint.static.values import Raised

if TYPE_CHECKING:
    from gradlint.catalog import Catalog
    from gradlint.static.imports import Project


class _Imported(NamedTuple):
    """How the machine stood when a package had been imported."""

    package: Path
    moment: Moment
    steps: int
    asked: dict[Path, str]  #: of the disk


class Packages:
    """One machine, and the moments at which the packages around the last file had been imported, the outermost first."""

    def __init__(self, project: Project, catalog: Catalog) -> None:
        self._project = project
        self._catalog = catalog
        self._machine = self._fresh()
        self._imported: list[_Imported] = []

    def machine(self, path: Path) -> Machine:
        """A machine for the partial runs of a file. It ends those of the file before."""
        wanted = self._around(path)
        known = [imported.package for imported in self._imported]
        shared = next((i for i, pair in enumerate(zip(wanted, known, strict=False)) if pair[0] != pair[1]), len(known))
        del self._imported[min(shared, len(wanted)) :]
        if self._imported:
            self._imported[-1].moment.back(self._machine)
            self._machine.steps = self._imported[-1].steps
        else:
            self._machine = self._fresh()
        try:
            for package in wanted[len(self._imported) :]:
                self._import(package)
        except Raised:  # so it will when the file itself is imported
            self._machine, self._imported = self._fresh(), []
        for imported in self._imported:
            self._project.disk.repeat(imported.asked)
        return self._machine

    def _fresh(self) -> Machine:
        return Machine(self._catalog, self._project, PARTIAL_RUN, whole=False)

    def _import(self, package: Path) -> None:
        m = self._machine
        with self._project.disk.listening() as asked, m.importing():
            imports.load(m, package)
        self._imported.append(_Imported(package, Moment(m), m.steps, asked))

    def _around(self, path: Path) -> list[Path]:
        """The packages that a file lies in, the outermost first; not itself."""
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        found: list[Path] = []
        while self._project.disk.is_file(folder / "__init__.py"):
            found.insert(0, folder / "__init__.py")
            folder = folder.parent
        return found
