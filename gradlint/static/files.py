"""Which file a module name means: beside the importing file, in a folder above it, in `src/`; else it is a library."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from pathlib import Path
from typing import TypeVar

from gradlint.static.disk import Answers, Disk

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEVELS = 6  #: how many folders above a file belong to its project, unless a project file is met first
#: modules that everything imports: a file of a package that is called like one of them is meant by its whole name only
COMMON = frozenset((
    "abc", "collections", "contextlib", "copy", "dataclasses", "datetime", "enum", "functools", "inspect", "itertools", "json",
    "logging", "math", "numpy", "operator", "random", "string", "time", "torch", "types", "typing", "warnings",
))  # fmt: skip
ROOT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
REMEMBERED = 10_000  #: answers that are kept of one kind of question


class Files:
    """Names to files; `known` are files that count although they may not be on disk."""

    def __init__(self, known: Collection[Path], disk: Disk) -> None:
        self.disk = disk
        self._known_files = {path.as_posix() for path in known}
        self._folders = {folder.as_posix() for path in known for folder in path.parents}
        self._found: dict[tuple[Path, tuple[str, ...], int], tuple[Path | None, tuple[Answers, ...]]] = {}
        self._searched: dict[tuple[str, tuple[str, ...]], tuple[Path | None, Answers]] = {}
        self._above: dict[Path, tuple[list[str], Answers]] = {}
        self._packages: dict[str, tuple[bool, Answers]] = {}

    def find(self, importer: Path, parts: tuple[str, ...], level: int = 0) -> Path | None:
        """The file that `import a.b.c` means in `importer`; None for a library."""
        key = (importer, parts, level)
        held = self._found.get(key)
        if held is None:
            _make_room(self._found)
            held = self._found[key] = self._find(importer, parts, level)
        if self.disk.hearing:
            for answers in held[1]:
                self.disk.repeat(answers)
        return held[0]

    def _find(self, importer: Path, parts: tuple[str, ...], level: int) -> tuple[Path | None, tuple[Answers, ...]]:
        """The file, and what had to be asked for it: the parts that other questions rest on as well."""
        if level:
            bases = [importer.parents[level - 1].as_posix()] if level <= len(importer.parents) else []
            used: list[Answers] = []
        else:
            bases, above = self._bases(importer.parent)
            used = [above]
        for base in bases:
            found, answers = self._inside(base, parts)
            used.append(answers)
            if found is None:
                continue
            if not level and parts[0] in COMMON:
                packaged, answers = self._packaged(base)
                used.append(answers)
                if packaged:
                    continue
            if level or found != importer:
                return found, tuple(used)
        return None, tuple(used)

    def _packaged(self, folder: str) -> tuple[bool, Answers]:
        """Whether a folder is a package."""
        return self._known(self._packages, folder, lambda: self.disk.is_file(f"{folder}/__init__.py"))

    def inside(self, base: Path, parts: tuple[str, ...]) -> Path | None:
        """The file of a module, looked for in one folder."""
        found, answers = self._inside(base.as_posix(), parts)
        self.disk.repeat(answers)
        return found

    def _inside(self, base: str, parts: tuple[str, ...]) -> tuple[Path | None, Answers]:
        return self._known(self._searched, (base, parts), lambda: self._look(base, parts))

    def _known(self, memory: dict[K, tuple[V, Answers]], key: K, find: Callable[[], V]) -> tuple[V, Answers]:
        """What was found before, with what had to be asked for it, or what is found now."""
        held = memory.get(key)
        if held is None:
            _make_room(memory)
            with self.disk.listening() as heard:
                found = find()
            held = memory[key] = found, heard
        return held

    def _look(self, base: str, parts: tuple[str, ...]) -> Path | None:
        base = base.rstrip("/")
        first = f"{base}/{parts[0]}" if len(parts) > 1 else ""
        if first and not self._is_folder(first):  # most often a library: one question for all of it
            return None
        stem = "/".join((base, *parts))
        candidates = (f"{stem}.py", f"{stem}/__init__.py") if parts else (f"{stem}/__init__.py",)
        found = next((c for c in candidates if self.disk.is_file(c) or c in self._known_files), None)
        return None if found is None else Path(found)

    def _is_folder(self, path: str) -> bool:
        return self.disk.kind(path) == "other" or path in self._folders

    def _bases(self, folder: Path) -> tuple[list[str], Answers]:
        return self._known(self._above, folder, lambda: list(self._search_path(folder)))

    def _search_path(self, folder: Path) -> Iterator[str]:
        """The folders in which an absolute import is looked for, the nearest first."""
        for _ in range(LEVELS):
            yield folder.as_posix()
            if folder.name in ("site-packages", "dist-packages"):
                return
            yield (folder / "src").as_posix()
            if self._is_root(folder) or folder == folder.parent:
                return
            folder = folder.parent

    def _is_root(self, folder: Path) -> bool:
        """Whether a project begins there: a package may have a `setup.py` of its own."""
        within = folder.as_posix().rstrip("/")
        return not self.disk.kind(f"{within}/__init__.py") and any(self.disk.kind(f"{within}/{n}") for n in ROOT_FILES)


def _make_room(memory: dict[K, V]) -> None:
    """What is asked again is worked out again: of a large project nearly nothing is, once its files have been surveyed."""
    if len(memory) >= REMEMBERED:
        memory.clear()
