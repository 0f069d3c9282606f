"""What is in force: every setting that counts and every rule, each with the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gradlint.config.keys import ALL, Config, enabled
from gradlint.config.loaded import Loaded
from gradlint.config.reading import Setting
from gradlint.discovery import shown

#: what in the settings an option makes meaningless
_REPLACED = {"select": ("select", "extend-select", "ignore"), "fail-on": ("fail-on",), "baseline": ("baseline",)}


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a value comes from: a line of a file, an option, or nowhere: then it is the default."""

    file: str = ""
    line: int = 0
    option: str = ""

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}" if self.file else self.option or "default"


class Value(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """A key (or an entry of a table), its value and its origin."""

    key: str
    value: Any
    origin: Origin


class RuleState(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """Whether a rule is on and how grave its findings are, with the origin of its being on or off."""

    rule: str
    enabled: bool
    severity: str
    origin: Origin


class Known(msgspec.Struct, frozen=True):
    """What is to be known of a rule beside the settings."""

    enabled: bool
    severity: str


def values(loaded: Loaded, options: Mapping[str, Any]) -> Iterator[Value]:
    """Every value that counts, in the order of the keys; of one key what the settings say before what the options add."""
    replaced = {key for option in options for key in _REPLACED.get(option, ())}
    for field in msgspec.structs.fields(Config):
        key = field.encode_name
        written = [] if key in replaced else [*loaded.of(key)]
        yield from (Value(s.name, s.value, _origin(s)) for s in written)
        if key in options:
            yield Value(key, options[key], Origin(option=f"--{key}"))
        elif key == "fail-on" and not written:
            yield Value(key, loaded.config.fail_on, Origin())


def rules(
    loaded: Loaded, known: Mapping[str, Known], options: Mapping[str, Any], file: Path | None = None
) -> Iterator[RuleState]:
    """Every rule; of a single file, what is off in it by its name is off."""
    on = enabled(
        loaded.config,
        {slug: rule.enabled for slug, rule in known.items()},
        options.get("select", ()),
        options.get("ignore", ()),
    )
    given = [*values(loaded, options)]
    here = [s for s in loaded.of("per-file-ignores") if file is not None and s.covers(file)]
    for slug, rule in sorted(known.items()):
        by_name = next((s for s in here if _names(s.value, slug)), None)
        severity = loaded.config.severity.get(slug, rule.severity)
        origin = _origin(by_name) if by_name else _decided(slug, given)
        yield RuleState(slug, slug in on and by_name is None, severity, origin)


def _decided(slug: str, given: Sequence[Value]) -> Origin:
    """Why a rule is on or off: the last word that names it, else the selection that leaves it out."""
    for key in ("ignore", "extend-select", "select"):
        for value in given:
            if value.key == key and _names(value.value, slug):
                return value.origin
    return next((value.origin for value in given if value.key == "select"), Origin())


def _names(given: Sequence[str], slug: str) -> bool:
    return slug in given or ALL in given


def _origin(setting: Setting) -> Origin:
    return Origin(shown(setting.file), setting.line) if setting.file else Origin()
