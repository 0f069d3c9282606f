"""Showing an outcome, and how a command that reports ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradlint.cli import INTERRUPTED
from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.api import Outcome, Task, Watch
    from gradlint.config import Loaded
    from gradlint.traced import Traced


class Running(click.Command):
    """A command that may run a script: after `--confirm SCRIPT` or `--run SCRIPT`, what follows `--` are the script's arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the script's arguments out."""
        ctx.obj = ()
        if "--" in args and any(a.partition("=")[0] in ("--confirm", "--run") for a in args[: args.index("--")]):
            at = args.index("--")
            args, ctx.obj = args[:at], tuple(args[at + 1 :])
        return super().parse_args(ctx, args)


def run_script(script: str, args: tuple[str, ...], options: dict[str, Any], task: Task, watch: Watch | None = None, *,
               quiet: bool = False, only: bool = False, module: str = "") -> Traced:  # fmt: skip
    """Run a script under the tracer, and say before that it is executed; with `only` nothing but the trace is reported."""
    from gradlint import traced
    from gradlint.runtime.launch import LaunchError, Request

    if not Path(script).is_file():
        raise click.UsageError(f"no such script: {script}")
    common.note(f"note: executing {f'python -m {module}' if module else script}")
    sys.stdout.flush()
    request = Request(script, args, module, stop_after=options["stop_after"])
    try:
        if only:
            return traced.trace(task, request, timeout=options["timeout"], quiet=quiet)
        return traced.confirm(task, request, watch, timeout=options["timeout"], quiet=quiet)
    except LaunchError as error:
        raise click.UsageError(str(error)) from error


def module_file(name: str) -> str:
    """The file that a module is run from."""
    from gradlint.runtime import launch

    try:
        return launch.module_file(name)
    except launch.LaunchError as error:
        raise click.UsageError(str(error)) from error


def traced_options(command: Any) -> Any:
    """The options of commands that run a script."""
    timeout = click.option(
        "--timeout", type=click.FloatRange(min=0, min_open=True), default=600.0, show_default=True, metavar="SECONDS",
        help="Stop the script after this long.",
    )  # fmt: skip
    stop = click.option(
        "--stop-after", type=click.IntRange(min=0), default=0, metavar="N",
        help="Record only until N backwards are done and the optimizer steps; the script runs on (default: record all).",
    )  # fmt: skip
    return timeout(stop(command))


def end(ctx: click.Context, outcome: Outcome, options: dict[str, Any], loaded: Loaded) -> None:
    """Print the report and what is said beside it, and leave with the exit status."""
    show(outcome, options)
    for text in outcome.notes:
        common.note(f"note: {text}")
    if stale := len(outcome.compared.stale):
        told = ("finding of the baseline is", "it") if stale == 1 else ("findings of the baseline are", "them")
        common.note(f"note: {stale} {told[0]} not there any more: gradlint baseline prune takes {told[1]} out")
    for text in outcome.problems:
        common.note(f"error: {text}")
    if outcome.interrupted:
        common.note("interrupted: the report holds what was found so far")
        ctx.exit(INTERRUPTED)
    ctx.exit(outcome.status(options["fail_on"], loaded.config.fail_on, exit_zero=options["exit_zero"]))


def show(outcome: Outcome, options: dict[str, Any]) -> None:
    """The report on standard output or in its file; what its format cannot hold goes to standard error."""
    from gradlint import report
    from gradlint.report import _words as words
    from gradlint.report._plain import printable

    file: Path | None = options["output_file"]
    color = options["color"] == "always" if file else common.colored(options["color"], terminal=common.on_terminal())
    form = report.load(options["output_format"])
    wishes = {"show_unknown": options["show_unknown"], "statistics": options["statistics"]}
    screen = report.SCREEN if file else common.columns()
    view = report.View(
        outcome.texts.lines, outcome.sites, outcome.rules, screen, color, cells=outcome.texts.cells, **wishes
    )
    try:
        text = form.render(outcome.report, view)
    except report.MissingPackageError as error:
        raise click.UsageError(str(error)) from error
    if file is None:
        common.write(common.unheard(text) if form.EXTRAS else text)
    else:
        common.save(file, text, "--output-file")
    if not form.EXTRAS:
        for line in words.extras(outcome.report, view):
            click.echo(printable(line), err=True)
