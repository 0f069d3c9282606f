"""Files with settings: where they are looked for, what they extend, and every value in them with its place."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from gradlint.config.keys import FIELDS, Mistake, converted, nearest
from gradlint.config.lines import line_of
from gradlint.discovery import Patterns, absolute, kind, shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = ("tool", "gradlint")  #: of a pyproject.toml
PYPROJECT = "pyproject.toml"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
NAMES = ("gradlint.toml", PYPROJECT)  #: of one folder, the first counts


class Setting(msgspec.Struct, frozen=True):
    """One value that stands in a file: of a key, or of an entry of a key that holds a table."""

    keys: tuple[str, ...]  #: `("select",)`, `("severity", "detach")`
    value: Any
    folder: Path  #: what paths and patterns in it are relative to
    file: Path | None = None

    @property
    def name(self) -> str:
        """The key as it can be written in a gradlint.toml."""
        return named(self.keys)

    @property
    def line(self) -> int:
        """The line of the file."""
        return _line(self.file, self.keys) if self.file else 0

    @property
    def where(self) -> str:
        """File, line and key, for messages."""
        return f"{placed(self.file, self.keys)}: key '{self.name}'" if self.file else f"key '{self.name}'"

    def covers(self, path: Path) -> bool:
        """Whether the pattern that is the last key means a file; one outside of the folder is looked at by its whole name."""
        inside = path.is_relative_to(self.folder)
        return bool(_patterns(self.folder if inside else Path(path.anchor), self.keys[-1]).says(path, folder=False))


class Layer(msgspec.Struct, frozen=True):
    """What one file says."""

    settings: tuple[Setting, ...] = ()
    problems: tuple[str, ...] = ()


def nearest_file(paths: Iterable[Path]) -> Path | None:
    """The settings over all paths: in their nearest common folder or one above it, whatever the working directory."""
    folders = [str(p if kind(p) == "folder" else p.parent) for p in paths]
    try:
        top = Path(os.path.commonpath(folders))
    except ValueError:  # nothing was given, or files on several drives
        return None
    candidates = (folder / name for folder in (top, *top.parents) for name in NAMES)
    return next((file for file in candidates if kind(file) == "file" and _speaks(file)), None)


def layers(file: Path, below: Sequence[Path] = ()) -> list[Layer]:
    """What a file says, after what the files say that it extends; `below` are those that extend it."""
    file = absolute(file)
    table, problems = _table(file)
    if table is None:
        missing = problems or [f"{shown(file)}: has no table [tool.gradlint]"]
        return [Layer(problems=tuple(missing))]
    layer = _layer(file, table, problems)
    extended = next((s.value for s in layer.settings if s.keys == ("extend",)), None)
    if extended is None:
        return [layer]
    base = absolute(file.parent / Path(extended).expanduser())
    wrong = _unusable(base, (*below, file))
    if wrong:
        told = f"{placed(file, ('extend',))}: key 'extend': {wrong}"
        return [msgspec.structs.replace(layer, problems=(*layer.problems, told))]
    return [*layers(base, (*below, file)), layer]


def named(keys: Sequence[str]) -> str:
    """Keys as TOML writes them, with dots between them."""
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in keys)


def placed(file: Path, keys: Sequence[str]) -> str:
    """Where a key is set: file and line."""
    return f"{shown(file)}:{_line(file, keys)}"


def _line(file: Path, keys: Sequence[str]) -> int:
    return line_of(_text(file), _below_table(file, keys))


@cache
def _patterns(folder: Path, pattern: str) -> Patterns:
    return Patterns(folder, [pattern])


def _unusable(base: Path, chain: Sequence[Path]) -> str:
    """Why a file cannot be extended."""
    if base in chain:
        return f"a circle: {' -> '.join(map(shown, (*chain[chain.index(base) :], base)))}"
    return "" if base.is_file() else f"no such file: {shown(base)}"


def _layer(file: Path, table: dict[str, Any], problems: Iterable[str]) -> Layer:
    """The settings of a table, key by key."""
    settings: list[Setting] = []
    told = list(problems)
    for key, value in table.items():
        values, mistakes = converted(key, value) if key in FIELDS else ({}, [((key,), "")])
        settings += [Setting(keys, given, file.parent, file) for keys, given in values.items()]
        told += [_problem(file, mistake) for mistake in mistakes]
    return Layer(tuple(settings), tuple(told))


def _problem(file: Path, mistake: Mistake) -> str:
    keys, wrong = mistake
    where = placed(file, keys)
    return (
        f"{where}: key '{named(keys)}': {wrong}"
        if wrong
        else f"{where}: unknown key '{keys[0]}'{nearest(keys[0], FIELDS)}"
    )


def _speaks(file: Path) -> bool:
    """Whether a file holds settings; a broken one that means to does, so that somebody is told."""
    table, problems = _table(file)
    return table is not None or (bool(problems) and (file.name != PYPROJECT or "tool.gradlint" in _text(file)))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _table(file: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The table of settings in a file, None if it has none, and what keeps it from being read."""
    try:
        found: Any = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return None, [f"{shown(file)}: cannot be read: {error.strerror}"]
    except ValueError as error:  # of its text, of its TOML, of a number of more digits than Python reads
        return None, [f"{shown(file)}: not valid TOML: {error}"]
    except RecursionError:
        return None, [f"{shown(file)}: not valid TOML: nested too deeply"]
    for depth, key in enumerate(_below_table(file, ()), 1):
        if key not in found:
            return None, []
        found = found[key]
        if not isinstance(found, dict):
            return {}, [f"{placed(file, ())}: '{named(TABLE[:depth])}' must be a table"]
    return found, []


def _below_table(file: Path, keys: Sequence[str]) -> tuple[str, ...]:
    """The keys from the top of the file."""
    return (*TABLE, *keys) if file.name == PYPROJECT else tuple(keys)


def patterns(settings: Iterable[Setting]) -> Iterator[tuple[Setting, str]]:
    """The patterns of files in some settings."""
    for setting in settings:
        match setting.keys:
            case ("exclude",):
                yield from ((setting, pattern) for pattern in setting.value)
            case ("per-file-ignores", pattern):
                yield setting, pattern
