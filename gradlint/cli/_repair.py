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
    from gradlint.finding import Finding
    from gradlint.repair import Repaired


def mended(ctx: click.Context, task: Task, options: dict[str, Any], piped: Path | None) -> None:
    """Repair, then report on what is left; with --diff print the difference and change nothing.

    The text of standard input (`piped` is its name) is printed repaired, and its report is not.
    """
    from gradlint import repair

    repaired = repair.repair(task, unsafe=options["unsafe_fixes"])
    for told in repaired.left:
        common.note(f"note: {_place(told.finding)}: {told.finding.rule} is left alone: {told.reason}")
    _tell_what_is_left(repaired, unsafe=options["unsafe_fixes"])
    if options["diff"]:
        text = repair.diff(repaired)
        common.write(text)
        common.tell(repaired.outcome)
        ctx.exit(_status(repaired, options, changed=bool(text)))
    if piped is not None:
        common.write(repair.text(repaired, piped))
        common.tell(repaired.outcome)
        ctx.exit(repaired.outcome.status(options["fail_on"] or task.loaded.config.fail_on))
    problems = (*repaired.outcome.problems, *repair.write(repaired))
    if repaired.fixed:
        common.note(f"fixed {len(repaired.fixed)} finding{'s' * (len(repaired.fixed) != 1)}")
    end(ctx, msgspec.structs.replace(repaired.outcome, problems=problems), options, task.loaded)


def _tell_what_is_left(repaired: Repaired, *, unsafe: bool) -> None:
    """Why findings without a fix have none, and how many wait for --unsafe-fixes."""
    findings = repaired.outcome.report.findings
    for finding in findings:
        rule = repaired.outcome.rules.get(finding.rule)
        if finding.fix is None and rule is not None and rule.left:
            common.note(f"note: {_place(finding)}: {finding.rule} has no fix here: {rule.left}")
    waiting = sum(f.fix is not None and f.fix.applicability == "unsafe" for f in findings)
    if waiting and not unsafe:
        common.note(f"note: --unsafe-fixes would try {waiting} more")


def _place(finding: Finding) -> str:
    """The file, in a notebook the cell, and the line of a finding."""
    from gradlint.report._words import named

    return f"{named(finding.file, finding.cell)}:{finding.range.start.line}"


def _status(repaired: Repaired, options: dict[str, Any], *, changed: bool) -> int:
    """2 where the job could not be done, else 1 where there is something to change."""
    if repaired.outcome.problems or repaired.outcome.report.errors:
        return 2
    return int(changed and not options["exit_zero"])
