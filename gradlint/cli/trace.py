"""`gradlint trace SCRIPT`: run a script and report what autograd did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradlint.cli import _common as common
from gradlint.cli._report import end, module_file, run_script, traced_options
from gradlint.report import formats


@click.command(
    short_help="Run a script and report where its gradients are lost.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@common.setting_options
@click.option("-m", "module", is_flag=True, help="SCRIPT is the name of a module, as for python -m.")
@click.option("--exit-zero", is_flag=True, help="Exit status 0 even with findings.")
@click.option("--output-format", type=click.Choice(formats()), default="full", show_default=True, help="How to report.")
@click.option("--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@traced_options
@common.color_option
@click.argument("script", type=click.Path(path_type=str))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, /, script: str, args: tuple[str, ...], **options: Any) -> None:
    """Run SCRIPT with its ARGS and report where its gradients are lost.

    This executes the script, in a process of its own, with everything that it does. Its output stays where it is; with a
    format for machines on standard output it goes to standard error.
    """
    from gradlint import api, report

    name = script if options["module"] else ""
    script = module_file(name) if name else script
    loaded = common.settings([script], options["config_file"])
    task = api.Task((script,), loaded, select=options["select"], ignore=(*options["ignore"], api.UNUSED))
    quiet = options["output_file"] is None and not report.load(options["output_format"]).EXTRAS
    done = run_script(script, args, options, task, quiet=quiet, only=True, module=name)
    end(ctx, done.outcome, {**options, "show_unknown": False, "statistics": False}, loaded)
