"""What `gradlint check --fix` and `--diff` do instead of a plain report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gradlint.cli import _common as common
from gradlint.cli._report import end

if TYPE_CHECKING:
    from gradlint.api import Task
    from gradlint.repair import Repaired


def mended(ctx: click.Context, task: Task, options: dict[str, Any], piped: Path | None) -> None:
    """Repair, then report on what is left; with --diff print the difference and change nothing.

    The text of standard input (`piped` is its name) is printed repaired, and its report is not.
    """
    from gradlint import repair

    repaired = repair.repair(task, unsafe=options["unsafe_fixes"])
    for told in repaired.left:
        place = f"{told.finding.file}:{told.finding.range.start.line}"
        common.note(f"note: {place}: {told.finding.rule} is left alone: {told.reason}")
    if options["diff"]:
        text = repair.diff(repaired)
        common.write(text)
        ctx.exit(_status(repaired, options, changed=bool(text)))
    if piped is not None:
        common.write(repair.text(repaired, piped))
        ctx.exit(repaired.outcome.status(options["fail_on"] or task.loaded.config.fail_on))
    problems = (*repaired.outcome.problems, *repair.write(repaired))
    if repaired.fixed:
        common.note(f"fixed {len(repaired.fixed)} finding{'s' * (len(repaired.fixed) != 1)}")
    end(ctx, msgspec.structs.replace(repaired.outcome, problems=problems), options, task.loaded)


def _status(repaired: Repaired, options: dict[str, Any], *, changed: bool) -> int:
    """2 where the job could not be done, else 1 where there is something to change."""
    if repaired.outcome.problems or repaired.outcome.report.errors:
        return 2
    return int(changed and not options["exit_zero"])
