"""`gradlint config [PATH...]`: what is in force, and where every value comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.catalog import Catalog
    from gradlint.config import Loaded

_WIDEST = 48  #: values up to this width have their origins in one column
_REPLACED = {
    "--select": ("select", "extend-select", "ignore"),
    "--fail-on": ("fail-on",),
    "--baseline": ("baseline",),
}  #: what in the settings an option makes meaningless


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a value comes from: a line of a file, an option, or nowhere: then it is the default."""

    file: str = ""
    line: int = 0
    option: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else self.option or "default"


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


class InForce(msgspec.Struct, frozen=True):
    """Everything this command tells."""

    settings: list[Value]
    rules: list[RuleState]
    problems: list[str]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=str))
@common.setting_options
@common.exclude_option
@common.baseline_option
@click.option(
    "--output-format", type=click.Choice(["toml", "json"]), default="toml", show_default=True, help="How to print."
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the settings, for editors, and nothing else.")
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], schema: bool, output_format: str, **options: Any) -> None:
    """Show the settings in force for PATHS (default: the working directory), and where each comes from.

    The options of gradlint check may be given to see what they change.
    """
    from gradlint import api, config
    from gradlint.catalog import Catalog
    from gradlint.report import json as form

    if schema:
        common.write(json.dumps(config.schema(Catalog.load().rules), indent=2) + "\n")
        return
    loaded = common.settings(paths or (".",), options["config_file"])
    catalog, problems = api.knowledge(loaded)
    problems = (*problems, *api.wrong_names(options["select"], options["ignore"], catalog.rules))
    values = [*_values(loaded, options)]
    told = InForce(values, [*_rules(loaded, catalog, options, values, paths)], list(problems))
    if output_format == "json":
        common.write(form.written(msgspec.to_builtins(told)))
    else:
        common.write(common.plain(_text(told)))
    for problem in problems:
        common.note(f"error: {problem}")
    ctx.exit(2 if problems else 0)


def _values(loaded: Loaded, options: dict[str, Any]) -> Iterator[Value]:
    """Every value that counts, in the order of the keys; of one key what the settings say before what the options add."""
    from gradlint.config import Config

    given = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value and name != "config_file"}
    replaced = {key for option in given for key in _REPLACED.get(option, ())}
    for field in msgspec.structs.fields(Config):
        key, option = field.encode_name, f"--{field.encode_name}"
        written = [] if key in replaced else [*loaded.of(key)]
        yield from (Value(s.name, s.value, _origin(s.file, s.line)) for s in written)
        if option in given:
            yield Value(key, _plain(given[option]), Origin(option=option))
        elif key == "fail-on" and not written:
            yield Value(key, loaded.config.fail_on, Origin())


def _rules(
    loaded: Loaded, catalog: Catalog, options: dict[str, Any], values: Sequence[Value], paths: Sequence[str]
) -> Iterator[RuleState]:
    """Every rule; of a single file, what is off in it by its name is off."""
    from gradlint.config import enabled
    from gradlint.discovery import absolute

    defaults = {slug: rule.enabled for slug, rule in catalog.rules.items()}
    on = enabled(loaded.config, defaults, options["select"], options["ignore"])
    file = absolute(paths[0]) if len(paths) == 1 and not Path(paths[0]).is_dir() else None
    here = [s for s in loaded.of("per-file-ignores") if file is not None and s.covers(file)]
    for slug, rule in sorted(catalog.rules.items()):
        by_name = next((s for s in here if _means(s.value, slug)), None)
        origin = _origin(by_name.file, by_name.line) if by_name else _decided(slug, values)
        severity = loaded.config.severity.get(slug, rule.severity)
        yield RuleState(slug, slug in on and by_name is None, severity, origin)


def _decided(slug: str, values: Sequence[Value]) -> Origin:
    """Why a rule is on or off: the last word that names it, else the selection that leaves it out."""
    for key in ("ignore", "extend-select", "select"):
        for value in values:
            if value.key == key and _means(value.value, slug):
                return value.origin
    return next((value.origin for value in values if value.key == "select"), Origin())


def _means(names: Sequence[str], slug: str) -> bool:
    from gradlint.config import ALL

    return slug in names or ALL in names


def _origin(file: Path | None, line: int) -> Origin:
    from gradlint.discovery import shown

    return Origin(shown(file), line) if file else Origin()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _text(told: InForce) -> str:
    """Values as TOML with their origins as comments, then a line for each rule."""
    lines = [(f"{v.key} = {json.dumps(v.value, ensure_ascii=False)}", v.origin) for v in told.settings]
    width = max((len(line) for line, _ in lines if len(line) <= _WIDEST), default=0)
    shown = "".join(f"{line:{width}}  # {origin}\n" for line, origin in lines)
    longest = max(len(state.rule) for state in told.rules)
    rules = (f"# {r.rule:{longest}}  {r.severity if r.enabled else 'off':7}  {r.origin}\n" for r in told.rules)
    return f"{shown}\n{''.join(rules)}"
