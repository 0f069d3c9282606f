"""Machines in which has been imported already what a file imports before it does anything: there its runs begin.

Importing a file of a package imports the package first, and most packages import all they hold. A file that lies in none most
often begins with an import, and so does what it imports. That part of a run is the same for many files, so it is made once:
what follows finds the machine as if it had made it itself, its steps counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gradlint.static import imports
from gradlint.static import program as p
from gradlint.static.budget import PARTIAL_RUN
from gradlint.static.machine import Machine
from gradlint.static.moments import Moment
from gradlint.static.values import Raised

if TYPE_CHECKING:
    from gradlint.catalog import Catalog
    from gradlint.static.imports import Project


_COSTLY = "steps of imports"  #: the bound of what imports may cost: where it is hit depends on what was imported when


class _Imported(NamedTuple):
    """How the machine stood when a module had been imported."""

    module: Path
    moment: Moment
    steps: int
    asked: dict[str, str]  #: of the disk


class Packages:
    """One machine, and the moments at which had been imported what the last file needs first, in that order."""

    def __init__(self, project: Project, catalog: Catalog) -> None:
        self._project = project
        self._catalog = catalog
        self._machine = self._fresh()
        self._imported: list[_Imported] = []
        self._begun: dict[Path, Path | None] = {}  #: file -> what it imports first

    def machine(self, path: Path) -> Machine:
        """A machine for the partial runs of a file. It ends those of the file before."""
        packages = self._around(path)
        try:
            if packages:
                self._reach(packages)
            else:
                self._begin(path)
        except Raised:  # so it will when the file itself is imported
            self._machine, self._imported = self._fresh(), []
        for imported in self._imported:
            self._project.disk.repeat(imported.asked)
        return self._machine

    def _reach(self, wanted: Sequence[Path]) -> None:
        """Bring the machine to where these modules have been imported, and nothing else."""
        known = [imported.module for imported in self._imported]
        shared = next((i for i, pair in enumerate(zip(wanted, known, strict=False)) if pair[0] != pair[1]), len(known))
        del self._imported[min(shared, len(wanted)) :]
        if self._imported:
            self._imported[-1].moment.back(self._machine)
            self._machine.steps = self._imported[-1].steps
        else:
            self._machine = self._fresh()
        for module in wanted[len(self._imported) :]:
            self._import(module)

    def _begin(self, path: Path) -> None:
        """Import what a file imports first, unless that leads back to the file."""
        with self._project.disk.unheard():
            self._reach(self._first(path))
        if self._circles(path):
            self._reach([])

    def _circles(self, path: Path) -> bool:
        """Whether what a file imports first has imported the file, or came to an end too soon."""
        return imports.loaded(self._machine, path) or self._machine.bounds[_COSTLY] > 0

    def _fresh(self) -> Machine:
        return Machine(self._catalog, self._project, PARTIAL_RUN, whole=False)

    def _import(self, module: Path) -> None:
        m = self._machine
        with self._project.disk.listening() as asked, m.importing():
            imports.load(m, module)
        self._imported.append(_Imported(module, Moment(m), m.steps, asked))

    def _around(self, path: Path) -> list[Path]:
        """The packages that a file lies in, the outermost first; not itself."""
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        found: list[Path] = []
        while self._project.disk.is_file(folder / "__init__.py"):
            found.insert(0, folder / "__init__.py")
            folder = folder.parent
        return found

    def _first(self, path: Path) -> list[Path]:
        """What a file imports before it does anything, what that imports first before it."""
        found: dict[Path, None] = {}
        inner = self._next(path)
        while inner is not None and inner != path and inner not in found:
            found[inner] = None
            inner = self._next(inner)
        return list(reversed(found))

    def _next(self, path: Path) -> Path | None:
        """What a file that lies in no package imports first."""
        if path not in self._begun:
            self._begun[path] = None if self._around(path) else self._begins_with(path)
        return self._begun[path]

    def _begins_with(self, path: Path) -> Path | None:
        """The module of the project that the first statements of a file import, if they import one."""
        program = self._project.program(path)
        for statement in program.body if program is not None else ():
            match statement:
                case p.ExprStmt(value=p.Const()):
                    continue
                case p.Import() | p.ImportFrom():
                    found = next(filter(None, imports.asked_for(self._project, path, statement)), None)
                    if found is not None:
                        return found
                case _:
                    return None
        return None
