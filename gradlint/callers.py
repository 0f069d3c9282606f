"""The files of a project that were not named but use what was: the script that freezes the model, switches gradients off
or passes the wrong tensor holds the cut of a demand that lies in a named file.

They are read for context, run as scripts, and never reported on for their own demands.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pathspec.patterns.gitwildmatch import GitWildMatchPattern

from gradlint import discovery
from gradlint.discovery import Patterns
from gradlint.static.budget import CALLERS
from gradlint.static.files import LEVELS, ROOT_FILES

Find = Callable[[Path, tuple[str, ...], int], Path | None]
Read = Callable[[Path], str | None]

_TEST = re.compile(r"/tests?/|/test_[^/]*$|_test\.py$|/conftest\.py$")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]", re.MULTILINE)


def callers(
    named: Collection[Path], listed: Collection[Path], excludes: Sequence[Patterns], read: Read, find: Find
) -> dict[Path, str]:
    """The texts of the files that import one of `named`, directly or through others, and are not `listed` for linting.

    `read` gives the text of a file, `find` the file that an import means. Those outside packages come first: scripts.
    """
    around = (path for path in _around(named, excludes) if path not in listed)
    others = {path: text for path in around if (text := read(path)) is not None}
    wanted, found = set(named), {}
    grown = True
    while grown:
        names = _names(wanted)
        more = {p: t for p, t in others.items() if p not in wanted and _imports(p, t, wanted, names, find)}
        found.update(more)
        wanted |= more.keys()
        grown = bool(more)
    return {path: found[path] for path in sorted(found, key=_rank)[:CALLERS]}


def _rank(path: Path) -> tuple[bool, str]:
    return _is_package(path.parent), path.as_posix()


def _around(named: Iterable[Path], excludes: Sequence[Patterns]) -> Iterator[Path]:
    """The Python files of the projects that the named files belong to, but for tests: no program begins there."""
    roots = sorted({root for path in named if (root := _root(path)) is not None})
    outermost = [r for r in roots if not any(other in r.parents for other in roots)]
    for root in outermost:
        for file in discovery.find([str(root)], [*excludes, _others(root)]).files:
            if file.path.suffix == ".py" and not _TEST.search(f"/{file.path.relative_to(root).as_posix()}"):
                yield file.path


def _others(root: Path) -> Patterns:
    """In a folder that nothing marks as a project: the projects in it, which others keep there."""
    inside: list[str] = []
    if not _is_marked(root):
        with suppress(OSError):  # it may not be there: what standard input stands for need not be
            inside = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and _is_marked(entry))
    return Patterns(root, [f"/{GitWildMatchPattern.escape(name)}/" for name in inside])


def _root(path: Path) -> Path | None:
    """The root of a file's project: what a project file marks, else the folder that its packages lie in."""
    folders = [path.parent, *path.parent.parents][: LEVELS + 1]
    marked = next((folder for folder in folders if _is_marked(folder)), None)
    return marked or next((folder for folder in folders if not _is_package(folder)), None)


def _is_marked(folder: Path) -> bool:
    """Whether a file says that a project begins there; a package may have a `setup.py` of its own, but no repository."""
    marks = (".git",) if _is_package(folder) else ROOT_FILES
    return any(discovery.kind(folder / name) for name in marks)


def _is_package(folder: Path) -> bool:
    return discovery.kind(folder / "__init__.py") == "file"


def _names(paths: Iterable[Path]) -> set[str]:
    """The words that an import of one of the files must hold: its own name, or its package's."""
    return {path.parent.name if path.stem == "__init__" else path.stem for path in paths}


def _imports(path: Path, text: str, wanted: set[Path], names: set[str], find: Find) -> bool:
    if not _IMPORT.search(text) or not any(name in text for name in names):
        return False
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(find(path, parts, level) in wanted for parts, level in _modules(tree))


def _modules(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], int]]:
    """Every module that a file may import: `from a import b` may mean `a` or `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split(".")), 0
        elif isinstance(node, ast.ImportFrom):
            base = tuple(node.module.split(".")) if node.module else ()
            yield base, node.level
            for alias in node.names:
                yield (*base, alias.name), node.level
