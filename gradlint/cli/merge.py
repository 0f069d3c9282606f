"""`gradlint merge SHARD...`: the report of a run that was done in shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradlint.cli import _common as common
from gradlint.cli._report import end
from gradlint.report import formats


@click.command(short_help="Report on a run that was done in shares.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output-format", type=click.Choice(formats()), default="full", show_default=True, help="How to report.")
@click.option("--output-file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option("--exit-zero", is_flag=True, help="Exit status 0 even with findings.")
@click.option("--statistics", is_flag=True, help="Count findings by rule, and undecided demands by reason.")
@click.option("--show-unknown", is_flag=True, help="List the demands that gradlint could not decide, and why.")
@common.color_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Report on a run whose shares were done by gradlint PATHS --shard K/N.

    FILES are all the shares of one run, in any order. Merge in the directory and the checkout where they were made.
    """
    from gradlint import shards
    from gradlint.cli._progress import Bar

    try:
        given = shards.read(options["files"])
        with Bar() as bar:
            outcome = shards.merge(given, bar)
    except shards.ShardError as error:
        raise click.UsageError(str(error)) from error
    asked = given[0][1].shard.options
    end(ctx, outcome, {**options, "fail_on": asked.fail_on}, asked.task().loaded)
