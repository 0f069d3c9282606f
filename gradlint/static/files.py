"""Which file a module name means: beside the importing file, in a folder above it, in `src/`; else it is a library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

from gradlint.static.disk import Disk

Answers = dict[Path, str]  #: what was asked of the disk, and was told
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEVELS = 6  #: how many folders above a file belong to its project, unless a project file is met first
ROOT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", ".git")


class Files:
    """Names to files; `known` are files that count although they may not be on disk."""

    def __init__(self, known: Collection[Path], disk: Disk) -> None:
        self.known = known
        self.disk = disk
        self._found: dict[tuple[Path, tuple[str, ...], int], tuple[Path | None, Answers]] = {}
        self._searched: dict[tuple[Path, tuple[str, ...]], tuple[Path | None, Answers]] = {}
        self._above: dict[Path, tuple[list[Path], Answers]] = {}

    def find(self, importer: Path, parts: tuple[str, ...], level: int = 0) -> Path | None:
        """The file that `import a.b.c` means in `importer`; None for a library."""
        return self._known(self._found, (importer, parts, level), lambda: self._find(importer, parts, level))

    def _known(self, memory: dict[K, tuple[V, Answers]], key: K, find: Callable[[], V]) -> V:
        """What was found before, with what had to be asked for it, or what is found now."""
        held = memory.get(key)
        if held is None:
            with self.disk.listening() as heard:
                found = find()
            memory[key] = found, heard
            return found
        self.disk.repeat(held[1])
        return held[0]

    def _find(self, importer: Path, parts: tuple[str, ...], level: int) -> Path | None:
        if level:
            base = importer.parent
            for _ in range(level - 1):
                base = base.parent
            return self.inside(base, parts)
        found = (self.inside(base, parts) for base in self._bases(importer.parent))
        return next((f for f in found if f is not None and f != importer), None)

    def inside(self, base: Path, parts: tuple[str, ...]) -> Path | None:
        """The file of a module, looked for in one folder."""
        return self._known(self._searched, (base, parts), lambda: self._look(base.joinpath(*parts), bool(parts)))

    def _look(self, stem: Path, named: bool) -> Path | None:
        candidates = (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if named else (stem / "__init__.py",)
        return next((c for c in candidates if self.disk.is_file(c) or c in self.known), None)

    def _bases(self, folder: Path) -> list[Path]:
        return self._known(self._above, folder, lambda: list(self._search_path(folder)))

    def _search_path(self, folder: Path) -> Iterator[Path]:
        """The folders in which an absolute import is looked for, the nearest first."""
        for _ in range(LEVELS):
            yield folder
            if folder.name in ("site-packages", "dist-packages"):
                return
            yield folder / "src"
            if self._is_root(folder) or folder == folder.parent:
                return
            folder = folder.parent

    def _is_root(self, folder: Path) -> bool:
        """Whether a project begins there: a package may have a `setup.py` of its own."""
        return not self.disk.kind(folder / "__init__.py") and any(self.disk.kind(folder / n) for n in ROOT_FILES)
