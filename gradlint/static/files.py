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
        self._folders = {folder for path in known for folder in path.parents}
        self._found: dict[tuple[Path, tuple[str, ...], int], tuple[Path | None, tuple[Answers, ...]]] = {}
        self._searched: dict[tuple[Path, tuple[str, ...]], tuple[Path | None, Answers]] = {}
        self._above: dict[Path, tuple[list[Path], Answers]] = {}

    def find(self, importer: Path, parts: tuple[str, ...], level: int = 0) -> Path | None:
        """The file that `import a.b.c` means in `importer`; None for a library."""
        key = (importer, parts, level)
        held = self._found.get(key)
        if held is None:
            held = self._found[key] = self._find(importer, parts, level)
        if self.disk.hearing:
            for answers in held[1]:
                self.disk.repeat(answers)
        return held[0]

    def _find(self, importer: Path, parts: tuple[str, ...], level: int) -> tuple[Path | None, tuple[Answers, ...]]:
        """The file, and what had to be asked for it: the parts that other questions rest on as well."""
        if level:
            bases, used = [importer.parents[level - 1]] if level <= len(importer.parents) else [], []
        else:
            bases, above = self._bases(importer.parent)
            used = [above]
        for base in bases:
            found, answers = self._inside(base, parts)
            used.append(answers)
            if found is not None and (level or found != importer):
                return found, tuple(used)
        return None, tuple(used)

    def inside(self, base: Path, parts: tuple[str, ...]) -> Path | None:
        """The file of a module, looked for in one folder."""
        found, answers = self._inside(base, parts)
        self.disk.repeat(answers)
        return found

    def _inside(self, base: Path, parts: tuple[str, ...]) -> tuple[Path | None, Answers]:
        return self._known(self._searched, (base, parts), lambda: self._look(base, parts))

    def _known(self, memory: dict[K, tuple[V, Answers]], key: K, find: Callable[[], V]) -> tuple[V, Answers]:
        """What was found before, with what had to be asked for it, or what is found now."""
        held = memory.get(key)
        if held is None:
            with self.disk.listening() as heard:
                found = find()
            held = memory[key] = found, heard
        return held

    def _look(self, base: Path, parts: tuple[str, ...]) -> Path | None:
        if len(parts) > 1 and not self._is_folder(base / parts[0]):  # most often a library: one question for all of it
            return None
        stem = base.joinpath(*parts)
        candidates = (stem.with_name(f"{stem.name}.py"), stem / "__init__.py") if parts else (stem / "__init__.py",)
        return next((c for c in candidates if self.disk.is_file(c) or c in self.known), None)

    def _is_folder(self, path: Path) -> bool:
        return self.disk.kind(path) == "other" or path in self._folders

    def _bases(self, folder: Path) -> tuple[list[Path], Answers]:
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
