"""What a program says is expected of it, at its lines, against what gradlint reports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gradlint.api import check
from gradlint.config import Config
from gradlint.finding import Finding

_MARK = re.compile(r"#\s*(error|warning|info|missing|spurious): \[([^\]]+)\]")
Mark = tuple[str, int, str, str]  #: file, line, severity (or missing, spurious), rule


def files_of(path: Path) -> list[Path]:
    """The files of a program: one, or all of a folder."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def marks(path: Path) -> Iterator[Mark]:
    """The expectations written at the lines of a program."""
    for file in files_of(path):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for severity, rules in _MARK.findall(line):
                for rule in rules.split(","):
                    yield (file.as_posix(), number, severity, rule.strip())


def reported(path: Path) -> list[Finding]:
    """What gradlint says of a program, every rule on."""
    return list(check([path], Config(extend_select=("ALL",))).findings)


def placed(finding: Finding) -> Mark:
    """A finding as a mark."""
    return (Path(finding.file).resolve().as_posix(), finding.range.start.line, finding.severity, finding.rule)


def disagreements(path: Path) -> tuple[list[Mark], list[Mark]]:
    """The marks nothing was reported for, and the reports no mark expects; known gaps and alarms are as marked.

    A known alarm that is not given any more is a mark that nothing was reported for.
    """
    given = list(marks(path.resolve()))
    expected = Counter(mark for mark in given if mark[2] not in ("missing", "spurious"))
    known = {(f, n, r): (f, n, s, r) for f, n, s, r in given if s == "spurious"}
    found = Counter(map(placed, reported(path)))
    alarms = [m for m in found if (m[0], m[1], m[3]) in known]
    idle = [mark for place, mark in known.items() if place not in {(m[0], m[1], m[3]) for m in alarms}]
    for alarm in alarms:
        del found[alarm]
    return sorted([*(expected - found).elements(), *idle]), sorted((found - expected).elements())
