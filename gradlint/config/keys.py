"""The keys of the settings, their types and what they mean; a new key is a new field of `Config`."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from gradlint.finding import Severity

ALL = "ALL"  #: in a list of rules: every one
ADDING = "extend-"  #: keys with this beginning add to what an extended file says, others replace it

_DEMANDS = (
    "Functions and methods of which something is differentiated where gradlint does not see it: pkg.Trainer.step:return for "
    "what is returned, pkg.optimise:loss for an argument"
)

_VERSIONS = (
    "The releases of libraries that the code runs under, instead of what its pyproject.toml and requirements.txt require: "
    "1.13 for all that begin so, or bounds such as >=2,<3"
)

Rule = Annotated[str, Meta(extra_json_schema={"$ref": "#/$defs/rule"})]
RuleOrAll = Annotated[str, Meta(extra_json_schema={"$ref": "#/$defs/rule-or-all"})]
Rules = tuple[RuleOrAll, ...]
_DECLARED, _RELEASES = r"^[^\s:.]+(\.[^\s:.]+)*:[^\s:.]+$", r"^(\d+(\.\d+)*|\s*(===?|~=|!=|[<>]=?).+)$"
Declared = Annotated[str, Meta(pattern=_DECLARED)]
Releases = Annotated[str, Meta(pattern=_RELEASES)]
#: what a text must look like, by its pattern
_FORMS = {
    _DECLARED: 'is not of the form "pkg.Trainer.step:return" or "pkg.optimise:loss"',
    _RELEASES: 'names no releases; write "2.1", or bounds such as ">=1.13,<2"',
}


class Config(msgspec.Struct, frozen=True, rename="kebab", forbid_unknown_fields=True):
    """The settings; each field is a key."""

    extend: Annotated[str | UnsetType, Meta(description="A file with settings that these ones replace or add to")] = (
        UNSET
    )
    select: Annotated[
        Rules | UnsetType, Meta(description="The rules that are on (ALL: every one) instead of those on by default")
    ] = UNSET
    extend_select: Annotated[Rules, Meta(description="Further rules that are on")] = ()
    ignore: Annotated[Rules, Meta(description="Rules that are off")] = ()
    per_file_ignores: Annotated[
        dict[str, Rules], Meta(description="Patterns of files, as in .gitignore, and the rules that are off in them")
    ] = {}
    severity: Annotated[dict[Rule, Severity], Meta(description="Rules, and the severity of their findings")] = {}
    fail_on: Annotated[Severity, Meta(description="Findings from this severity on make the exit status 1")] = "warning"
    exclude: Annotated[
        tuple[str, ...], Meta(description="Patterns of files and folders to leave out, as in .gitignore")
    ] = ()
    demands: Annotated[tuple[Declared, ...], Meta(description=_DEMANDS)] = ()
    models: Annotated[
        tuple[str, ...], Meta(description="Files with rows that say what calls of libraries do to the gradient")
    ] = ()
    extend_models: Annotated[tuple[str, ...], Meta(description="Further files with such rows")] = ()
    versions: Annotated[dict[str, Releases], Meta(description=_VERSIONS)] = {}
    baseline: Annotated[
        str | UnsetType, Meta(description="The file with the findings that are known; gradlint baseline write makes it")
    ] = UNSET


FIELDS = {field.encode_name: field for field in msgspec.structs.fields(Config)}


def enabled(
    config: Config, defaults: Mapping[str, bool], select: Collection[str] = (), ignore: Collection[str] = ()
) -> frozenset[str]:
    """The rules that are on. `defaults` tells which there are and which are on by themselves; what the command line
    selects and ignores counts more than the settings."""
    on = {slug for slug, by_itself in defaults.items() if by_itself}
    on = on if config.select is UNSET else meant(config.select, defaults)
    on = (on | meant(config.extend_select, defaults)) - meant(config.ignore, defaults)
    return frozenset((meant(select, defaults) if select else on) - meant(ignore, defaults))


def meant(names: Collection[str], rules: Collection[str]) -> set[str]:
    """The rules that some names stand for."""
    return set(rules) if ALL in names else set(names) & set(rules)


def nearest(name: str, known: Collection[str]) -> str:
    """The end of a message about an unknown name: what was probably meant."""
    found = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def schema(rules: Collection[str]) -> dict[str, Any]:
    """The JSON Schema of a gradlint.toml, and of `[tool.gradlint]`."""
    made = msgspec.json.schema(Config)
    (config,) = made["$defs"].values()
    for described in config["properties"].values():
        if not described.get("default"):
            described.pop("default", None)
    slugs = {"rule": {"enum": sorted(rules)}, "rule-or-all": {"enum": [ALL, *sorted(rules)]}}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gradlint settings"}
    about = {"type": "object", "additionalProperties": False, "properties": config["properties"]}
    return {**head, **about, "$defs": slugs}


# --- mistakes --------------------------------------------------------------------------------------------------------

Mistake = tuple[tuple[str, ...], str]  #: the keys that lead to it, and what is wrong


def converted(key: str, value: Any) -> tuple[dict[tuple[str, ...], Any], list[Mistake]]:
    """The value of a key as `Config` has it, by its keys: a table comes as its entries, so that a mistake costs one of them."""
    kind = FIELDS[key].type
    if not isinstance(value, dict) or not isinstance(inspect.type_info(kind).type, inspect.DictType):  # type: ignore[attr-defined]
        good, wrong = _tried(value, kind)
        return ({}, [((key,), wrong)]) if wrong else ({(key,): good}, [])
    values: dict[tuple[str, ...], Any] = {}
    mistakes: list[Mistake] = []
    for entry, given in value.items():
        good, wrong = _tried({entry: given}, kind)
        if wrong:
            mistakes.append(((key, entry), wrong))
        else:
            values[key, entry] = good[entry]
    return values, mistakes


def _tried(value: Any, kind: Any) -> tuple[Any, str]:
    """The value, or what is wrong with it."""
    try:
        return msgspec.convert(value, kind), ""
    except msgspec.ValidationError as error:
        return None, mistake(value, kind) or str(error)


def mistake(value: Any, kind: Any) -> str:
    """What is wrong with a value of a type, and what would be right, in the words of TOML; nothing if nothing is."""
    return _mistake(value, inspect.type_info(kind))


def _mistake(value: Any, kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _mistake(value, kind.type)
        case inspect.VarTupleType() if isinstance(value, list):
            found = ((i, _mistake(item, kind.item_type)) for i, item in enumerate(value, 1))
            return next((f"item {i}: {wrong}" for i, wrong in found if wrong), "")
        case inspect.VarTupleType():
            listed = f": write [{_toml(value)}]" if isinstance(value, str) else ""
            return f"expected a list of strings, not {_told(value)}{listed}"
        case inspect.DictType() if isinstance(value, dict):
            return next((wrong for given in value.values() if (wrong := _mistake(given, kind.value_type))), "")
        case inspect.DictType():
            return f"expected a table, not {_told(value)}"
        case inspect.UnionType():
            return next((wrong for each in kind.types if (wrong := _mistake(value, each))), "")
        case inspect.LiteralType() if value not in kind.values:
            words = [str(word) for word in kind.values]
            expected = f"{', '.join(map(_toml, words[:-1]))} or {_toml(words[-1])}"
            return f"expected {expected}, not {_told(value)}{nearest(value, words) if isinstance(value, str) else ''}"
        case inspect.StrType() if not isinstance(value, str):
            single = f": write {_toml(value[0])}" if isinstance(value, list) and len(value) == 1 else ""
            return f"expected a string, not {_told(value)}{single}"
        case inspect.StrType() if kind.pattern and not re.search(kind.pattern, value):
            return f"{_told(value)} {_FORMS[kind.pattern]}"
        case inspect.BoolType() if not isinstance(value, bool):
            return f"expected true or false, not {_told(value)}"
    return ""


def _told(value: Any) -> str:
    """A wrong value as people call it."""
    names = {bool: "the boolean", int: "the number", float: "the number", str: "the string"}
    if type(value) in names:
        return f"{names[type(value)]} {_toml(value)}"
    return "a list" if isinstance(value, list) else "a table" if isinstance(value, dict) else "a date"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
