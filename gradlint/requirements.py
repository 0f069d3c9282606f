"""What a project says of the releases that it runs under: in its pyproject.toml, else in its requirements.txt.

Only what is written in PEP 508 or as a plain release counts; the first place that bounds a library counts for it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from gradlint.discovery import shown
from gradlint.releases import Pin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: a name, extras, and what bounds it, without its marker
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?((?:[<>=!~]=?=?[^;#@()]*)?)")


def pins(root: Path, libraries: Collection[str]) -> tuple[Pin, ...]:
    """What a project says of some libraries."""
    found: dict[str, list[Pin]] = {}
    file = root / "pyproject.toml"
    table = _table(file)
    for place in (_project(file, table), _lines(root), _groups(file, table)):
        told: dict[str, list[Pin]] = {}
        for text, where, line in place:
            pin = _pin(text, where, line)
            if pin is not None and pin.library in libraries:
                told.setdefault(pin.library, []).append(pin)
        found = {**told, **found}
    return tuple(pin for library in sorted(found) for pin in found[library])


def _pin(text: str, file: str, line: int) -> Pin | None:
    match = _REQUIREMENT.match(text)
    bounds = match[2].strip() if match else ""
    return Pin(re.sub(r"[-_.]+", "_", match[1]).lower(), bounds, file, line) if match and bounds else None


def _project(file: Path, table: object) -> Iterator[tuple[str, str, int]]:
    """What a pyproject.toml requires, whichever tool it is for."""
    yield from ((text, shown(file), 0) for text in _texts(_at(table, "project", "dependencies")))
    poetry = _at(table, "tool", "poetry", "dependencies")
    for name, given in poetry.items() if isinstance(poetry, dict) else ():
        version = given.get("version", "") if isinstance(given, dict) else given
        if isinstance(version, str):  # a bare release is that one; a caret is of that tool alone
            yield f"{name}{'==' if version[:1].isdigit() else ''}{version}", shown(file), 0


def _groups(file: Path, table: object) -> Iterator[tuple[str, str, int]]:
    """What its extras and groups require."""
    for groups in (_at(table, "project", "optional-dependencies"), _at(table, "dependency-groups")):
        for group in groups.values() if isinstance(groups, dict) else ():
            yield from ((text, shown(file), 0) for text in _texts(group))


def _lines(root: Path) -> Iterator[tuple[str, str, int]]:
    file = root / "requirements.txt"
    for number, line in enumerate(_text(file).splitlines(), 1):
        yield line, shown(file), number


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _at(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _table(file: Path) -> dict[str, Any]:
    """A file's TOML; what is wrong with it is for the settings to tell."""
    try:
        return tomllib.loads(_text(file))
    except (ValueError, RecursionError):
        return {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
