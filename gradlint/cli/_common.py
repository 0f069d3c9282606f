"""What several commands need: options about settings, printing, and turning mistakes into exit status 2."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gradlint.api import Outcome
    from gradlint.config import Loaded
    from gradlint.finding import Finding
    from gradlint.report import View

_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)
Choice = click.Choice(["auto", "always", "never"])

color_option = click.option("--color", type=Choice, default="auto", show_default=True, help="Whether to use colour.")
config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="The gradlint.toml or pyproject.toml with the settings.",
)


def names(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The names in the values of an option: with commas between them, or the option several times."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def rule_options(command: Any) -> Any:
    """The options that choose rules."""
    select = click.option(
        "--select", metavar="RULES", callback=names, multiple=True, help="Only these rules (names with commas)."
    )
    ignore = click.option(
        "--ignore", metavar="RULES", callback=names, multiple=True, help="Not these rules (names with commas)."
    )
    return select(ignore(command))


def setting_options(command: Any) -> Any:
    """The options that count more than the settings of the same name, and the one that names the settings."""
    fail_on = click.option(
        "--fail-on",
        type=click.Choice(["error", "warning", "info"]),
        help="Findings from this severity on make the exit status 1 (default: warning).",
    )
    return rule_options(fail_on(config_option(command)))


exclude_option = click.option(
    "--exclude", multiple=True, help="Patterns of files and folders to leave out, as in .gitignore."
)
baseline_option = click.option(
    "--baseline", type=click.Path(dir_okay=False, path_type=Path), help="The file with the findings that are known."
)


def share(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """The two numbers of `K/N`."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value)
    index, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= index <= count:
        raise click.BadParameter(f"expected K/N with K from 1 to N, not {value!r}")
    return index, count


def settings(paths: Iterable[str], config_file: Path | None) -> Loaded:
    """The settings for these paths."""
    from gradlint import config, discovery

    if config_file is not None and not config_file.is_file():
        raise click.UsageError(f"--config: no such file: {config_file}")
    return config.load([discovery.absolute(p) for p in paths], config_file)


def colored(wish: str, *, terminal: bool) -> bool:
    """Whether to colour: what the user says, else NO_COLOR, FORCE_COLOR, and whether somebody looks."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"


def on_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def columns() -> int:
    """How wide the screen is."""
    from gradlint.report import SCREEN

    return shutil.get_terminal_size().columns if on_terminal() else SCREEN


def unheard(text: str) -> str:
    """The text for people as GitHub's runner must get it: where it looks like commands to the runner, those are stopped."""
    if os.environ.get("GITHUB_ACTIONS") != "true" or not _COMMAND.search(text):
        return text
    import secrets

    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}::{token}::\n"


def write(text: str) -> None:
    """Print to standard output: as the terminal can show it, as UTF-8 where it is none."""
    if on_terminal():
        encoding = sys.stdout.encoding or "utf-8"
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), nl=False, color=True)
    else:
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)


def save(file: Path, text: str, option: str) -> None:
    """Write a report to the file that the user named with an option."""
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"{option}: {file}: {error.strerror}") from error


def plain(text: str) -> str:
    """Lines without colours that hold foreign words, as a terminal can show them."""
    from gradlint.report._plain import flat

    return "\n".join(map(flat, text.split("\n")))


def note(text: str) -> None:
    """Print to standard error."""
    from gradlint.report._plain import printable

    click.echo(f"gradlint: {printable(text)}", err=True)


def tell(outcome: Outcome) -> None:
    """Print to standard error what was wrong with files and settings, where no report says it."""
    from gradlint.report._words import named

    for error in outcome.report.errors:
        note(f"error: {named(error.file, error.cell)}:{error.line}:{error.column}: {error.kind}: {error.message}")
    for problem in outcome.problems:
        note(f"error: {problem}")


def findings_text(findings: Iterable[Finding], view: View) -> str:
    """Findings as the full report shows them."""
    from gradlint.report import full

    lines = [line for finding in findings for line in (*full.finding_lines(finding, view), [])]
    return full.paint(lines, color=view.color)
