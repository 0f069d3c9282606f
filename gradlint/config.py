"""The user's settings: `[tool.gradlint]` of a pyproject.toml, or a gradlint.toml.

Knows the keys and where files with them are looked for; knows rules only as names to check. A mistake never stops a
run: it becomes a problem that names the key and the nearest right one, the rest of the file counts, and the exit status
is 2. A new key is a new field of `Config`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from pathspec import GitIgnoreSpec

from gradlint.discovery import Patterns, absolute, shown
from gradlint.finding import Severity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ALL = "ALL"  #: in a list of rules: every one


class Config(msgspec.Struct, frozen=True, rename="kebab"):
    """The settings; each field is a key."""

    select: tuple[str, ...] | None = None  #: the rules that are on (ALL: every one); without it, the default ones
    extend_select: tuple[str, ...] = ()  #: further rules that are on
    ignore: tuple[str, ...] = ()  #: rules that are off
    exclude: tuple[str, ...] = ()  #: patterns of files and folders that are not looked at, as in .gitignore
    fail_on: Severity = "warning"  #: findings from this severity on make the exit status 1
    severity: dict[str, Severity] = {}  #: another severity for a rule
    per_file_ignores: dict[str, tuple[str, ...]] = {}  #: pattern of files -> rules that are off in them
    extend_models: tuple[str, ...] = ()  #: further files of model rows, relative to the settings


class Loaded(msgspec.Struct, frozen=True):
    """Settings, the folder that their paths are relative to, and what was wrong with them."""

    config: Config
    base: Path
    problems: tuple[str, ...] = ()

    def excludes(self) -> list[Patterns]:
        """The exclude patterns."""
        return [Patterns(self.base, self.config.exclude)] if self.config.exclude else []

    def models(self) -> list[Path]:
        """The user's model files."""
        return [self.base / name for name in self.config.extend_models]


def load(paths: Iterable[Path], given: Path | None = None) -> Loaded:
    """The settings of the file that was given, else of the nearest one over everything that is linted."""
    file = given or _nearest(paths)
    if file is None:
        return Loaded(Config(), Path.cwd())
    table, problems = _table(file)
    if table is None and not problems:
        problems = ["has no table [tool.gradlint]"]
    config, wrong = _convert(table or {})
    return Loaded(config, absolute(file).parent, tuple(f"{shown(file)}: {p}" for p in (*problems, *wrong)))


def enabled(
    config: Config, defaults: Mapping[str, bool], select: Collection[str] = (), ignore: Collection[str] = ()
) -> frozenset[str]:
    """The rules that are on. `defaults` tells which there are and which are on by themselves; what the command line
    selects and ignores counts more than the settings."""
    on = {slug for slug, by_itself in defaults.items() if by_itself}
    on = on if config.select is None else _meant(config.select, defaults)
    on = (on | _meant(config.extend_select, defaults)) - _meant(config.ignore, defaults)
    return frozenset((_meant(select, defaults) if select else on) - _meant(ignore, defaults))


def _meant(names: Collection[str], rules: Collection[str]) -> set[str]:
    """The rules that some names stand for."""
    return set(rules) if ALL in names else set(names) & set(rules)


def rule_names(config: Config) -> dict[str, Iterable[str]]:
    """Where the settings name rules: key -> names."""
    per_file = {f"per-file-ignores.'{pattern}'": slugs for pattern, slugs in config.per_file_ignores.items()}
    plain = {"select": config.select or (), "extend-select": config.extend_select, "ignore": config.ignore}
    return {**plain, "severity": config.severity, **per_file}


def unknown_rules(named: Mapping[str, Iterable[str]], rules: Collection[str]) -> list[str]:
    """A problem for every name that is no rule."""
    wrong = ((key, name) for key, names in named.items() for name in names if name not in rules and name != ALL)
    return [f"{key}: unknown rule '{name}'{nearest(name, rules)}" for key, name in wrong]


def ignored_in(config: Config, base: Path, path: Path) -> frozenset[str]:
    """The rules that are off in this file."""
    try:
        name = path.relative_to(base).as_posix()
    except ValueError:
        name = path.as_posix()
    patterns = config.per_file_ignores
    found = (pattern for pattern in patterns if GitIgnoreSpec.from_lines([pattern]).match_file(name))
    return frozenset(slug for pattern in found for slug in patterns[pattern])


def nearest(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: what was probably meant."""
    found = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _nearest(paths: Iterable[Path]) -> Path | None:
    """The settings over all paths: their nearest common folder or one above it, whatever the working directory."""
    folders = [str(p if p.is_dir() else p.parent) for p in paths]
    try:
        top = Path(os.path.commonpath(folders))
    except ValueError:  # nothing was given, or files on several drives
        return None
    for folder in (top, *top.parents):
        for file in (folder / "gradlint.toml", folder / "pyproject.toml"):
            if file.is_file() and _speaks(file):
                return file
    return None


def _speaks(file: Path) -> bool:
    """Whether a file holds settings; a broken one that means to does, so that somebody is told."""
    table, problems = _table(file)
    return table is not None or (bool(problems) and "tool.gradlint" in _text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _table(file: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The table of settings in a file, None if it has none."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return None, [f"cannot be read: {error.strerror}"]
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return None, [f"not valid TOML: {error}"]
    if file.name == "pyproject.toml":
        return data.get("tool", {}).get("gradlint"), []
    return data, []


def _convert(table: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """Every key by itself, so that one mistake does not cost the others."""
    fields = {f.encode_name: f for f in msgspec.structs.fields(Config)}
    good: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in table.items():
        if key not in fields:
            problems.append(f"unknown key '{key}'{nearest(key, fields)}")
            continue
        try:
            good[fields[key].name] = msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as error:
            problems.append(f"key '{key}': {error}")
    return Config(**good), problems
