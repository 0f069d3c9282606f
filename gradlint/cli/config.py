"""`gradlint config [PATH...]`: what is in force, and where every value comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.config.inforce import RuleState, Value

_WIDEST = 60  #: values up to this width have their origins in one column


@click.command(short_help="Show the settings in force, and where each comes from.")
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
    from gradlint import config, sources
    from gradlint.catalog import Catalog
    from gradlint.config import inforce

    if schema:
        common.write(json.dumps(config.schema(Catalog.load().rules), indent=2) + "\n")
        return
    loaded = common.settings(paths or (".",), options.pop("config_file"))
    catalog, problems = sources.knowledge(loaded, root=_root(paths))
    problems = (*problems, *sources.wrong_names(options["select"], options["ignore"], catalog.rules))
    given = {name.replace("_", "-"): _plain(value) for name, value in options.items() if value}
    known = {slug: inforce.Known(rule.enabled, rule.severity) for slug, rule in catalog.rules.items()}
    settings = {setting.name.replace("-", "_") for setting in loaded.of("versions")}
    required = [
        inforce.Value(f"versions.{pin.library}", pin.text, inforce.Origin(pin.file, pin.line)) for pin in catalog.pins
    ]
    values = [*inforce.values(loaded, given), *(value for value in required if value.key not in settings)]
    rules = list(inforce.rules(loaded, known, given, _single(paths)))
    common.write(_data(values, rules, problems) if output_format == "json" else common.plain(_text(values, rules)))
    for problem in problems:
        common.note(f"error: {problem}")
    ctx.exit(2 if problems else 0)


def _single(paths: Sequence[str]) -> Path | None:
    """The file, where one is asked about."""
    from gradlint.discovery import absolute, kind

    return absolute(paths[0]) if len(paths) == 1 and kind(absolute(paths[0])) != "folder" else None


def _root(paths: Sequence[str]) -> Path | None:
    """The root of the project that the first path lies in."""
    from gradlint.discovery import absolute, kind, root

    first = absolute(paths[0] if paths else ".")
    return root(first if kind(first) == "folder" else first.parent)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _data(values: Sequence[Value], rules: Sequence[RuleState], problems: Sequence[str]) -> str:
    import msgspec

    from gradlint.report import json as form

    return form.written(msgspec.to_builtins({"settings": values, "rules": rules, "problems": problems}))


def _text(values: Sequence[Value], rules: Sequence[RuleState]) -> str:
    """Values as TOML with their origins as comments, then a line for each rule."""
    lines = [(f"{v.key} = {json.dumps(v.value, ensure_ascii=False)}", v.origin) for v in values]
    width = max((len(line) for line, _ in lines if len(line) <= _WIDEST), default=0)
    shown = "".join(f"{line:{width}}  # {origin}\n" for line, origin in lines)
    longest = max(len(state.rule) for state in rules)
    states = (f"# {r.rule:{longest}}  {r.severity if r.enabled else 'off':7}  {r.origin}\n" for r in rules)
    return f"{shown}\n{''.join(states)}"
