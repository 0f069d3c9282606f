"""What is in force: the settings of a file and of those it extends, put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from gradlint.config.keys import ADDING, ALL, FIELDS, Config, meant, nearest
from gradlint.config.reading import Layer, Setting, layers, nearest_file, patterns
from gradlint.discovery import Patterns, absolute, unusable


class Loaded(msgspec.Struct, frozen=True):
    """The settings, the folder of the file that they are from, what was wrong with them, and where each value stands.

    Settings that stand in no file have no places; paths in them are relative to `base`.
    """

    config: Config
    base: Path
    problems: tuple[str, ...] = ()
    written: tuple[Setting, ...] = ()

    def settings(self) -> tuple[Setting, ...]:
        """Every value that is set, in the order of the keys."""
        if self.written:
            return self.written
        given = ((name, getattr(self.config, field.name)) for name, field in FIELDS.items())
        chosen = ((name, value) for name, value in given if value is not UNSET and value not in ((), {}))
        return tuple(Setting(keys, value, self.base) for name, held in chosen for keys, value in _entries(name, held))

    def of(self, *names: str) -> Iterator[Setting]:
        """What is set for some keys."""
        return (setting for setting in self.settings() if setting.keys[0] in names)

    def excludes(self) -> list[Patterns]:
        """The exclude patterns."""
        return [Patterns(s.folder, s.value) for s in self.of("exclude")]

    def models(self) -> list[tuple[Setting, Path]]:
        """The user's model files, and where they are named."""
        return [(s, absolute(s.folder / name)) for s in self.of("models", "extend-models") for name in s.value]

    def baseline(self) -> Path | None:
        """The file with the findings that are known."""
        return next((absolute(s.folder / s.value) for s in self.of("baseline")), None)

    def off(self, path: Path, rules: Collection[str]) -> frozenset[str]:
        """The rules that are off in a file."""
        return frozenset(slug for s in self.of("per-file-ignores") if s.covers(path) for slug in meant(s.value, rules))

    def unknown_rules(self, rules: Collection[str]) -> list[str]:
        """A problem for every name in the settings that is no rule."""
        return [
            f"{setting.where}: {wrong}"
            for setting in self.of("select", "extend-select", "ignore", "severity", "per-file-ignores")
            for wrong in (
                unknown(setting.keys[1:], rules)
                if setting.keys[0] == "severity"
                else unknown(setting.value, [*rules, ALL])
            )
        ]


def load(paths: Iterable[Path], given: Path | None = None) -> Loaded:
    """The settings of the file that was given, else of the nearest one over everything that is linted."""
    file = given or nearest_file(paths)
    if file is None:
        return Loaded(Config(), Path.cwd())
    found = layers(file)
    merged = _merged(found)
    wrong = {setting: told for setting, pattern in patterns(merged) if (told := unusable(pattern))}
    settings = tuple(s for s in merged if s not in wrong)
    problems = (
        *(problem for layer in found for problem in layer.problems),
        *(f"{setting.where}: {told}" for setting, told in wrong.items()),
    )
    return Loaded(_config(settings), absolute(file).parent, problems, settings)


def unknown(names: Iterable[str], known: Collection[str]) -> list[str]:
    """A message for every name that is no rule."""
    return [f"unknown rule '{name}'{nearest(name, known)}" for name in names if name not in known]


def _merged(found: Iterable[Layer]) -> list[Setting]:
    """What counts of several files, the extended ones first: `extend-...` keys add up, of all others the last one counts,
    of a table entry by entry."""
    kept: dict[object, Setting] = {}
    for setting in (s for layer in found for s in layer.settings):
        adds = setting.keys[0].startswith(ADDING)
        kept[(setting.keys, setting.file) if adds else setting.keys] = setting
    order = list(FIELDS)
    return sorted(kept.values(), key=lambda s: order.index(s.keys[0]))


def _config(settings: Iterable[Setting]) -> Config:
    values: dict[str, Any] = {}
    for setting in settings:
        key, *entry = setting.keys
        name = FIELDS[key].name
        if entry:
            values.setdefault(name, {})[entry[0]] = setting.value
        elif key.startswith(ADDING):
            values[name] = (*values.get(name, ()), *setting.value)
        else:
            values[name] = setting.value
    return Config(**values)


def _entries(name: str, value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The keys and values of a setting: of a table, of each entry."""
    if isinstance(value, Mapping):
        yield from (((name, entry), held) for entry, held in value.items())
    else:
        yield (name,), value
