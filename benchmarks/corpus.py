"""What gradlint makes of released packages and repositories: `python benchmarks/corpus.py FOLDER... [--sites]`.

For every folder a row of `corpus.md`: lines, demand sites and what became of them, findings, errors of the tool, and the
slowest file in seconds of CPU. Then the reasons for *undecided*, the share of sites that a run reached, and how often
which bound of the machine was hit.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from gradlint import api
from gradlint.config import Config, Loaded

NOT_REACHED = ("no run reached it", "the budget was used up")


class Clock:
    """The CPU time that every file took: the machine says when it turns to the next one."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._file, self._since = "", time.process_time()

    def __call__(self, done: int, total: int, file: str) -> None:
        """This file comes now."""
        now = time.process_time()
        self.spent[self._file] += now - self._since
        self._file, self._since = file, now


class Row(msgspec.Struct):
    """What came of one folder."""

    name: str
    lines: int
    outcome: api.Outcome
    bounds: Counter[str]
    seconds: float
    spent: Counter[str]

    @property
    def reasons(self) -> Counter[str]:
        """Why demands are undecided."""
        return Counter(site.reason for site in self.outcome.sites if site.verdict == "undecided")

    @property
    def reached(self) -> int:
        """The demand sites that a run came to."""
        return sum(site.reason not in NOT_REACHED for site in self.outcome.sites)

    def __str__(self) -> str:
        summary = self.outcome.report.summary
        demands, findings = summary.demands, summary.findings
        slowest, seconds = max(self.spent.items(), key=lambda item: item[1], default=("", 0.0))
        return (
            f"| {self.name} | {self.lines:,} | {demands.found} | {demands.connected} | {demands.severed} | {demands.undecided} | "
            f"{findings.error} / {findings.warning} | {len(self.outcome.report.errors)} | {self.seconds:.0f} | {seconds:.1f} {slowest} |"
        )


def analysed(folder: Path) -> Row:
    """One folder, as it is."""
    clock, begun = Clock(), time.process_time()
    analysis = api.analyse(api.Task((str(folder),), Loaded(Config(), folder)), clock)
    clock(0, 0, "")
    del clock.spent[""]
    return Row(
        folder.resolve().name,
        sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.py")),
        api.reported(analysis),
        Counter(analysis.result.bounds),
        time.process_time() - begun,
        clock.spent,
    )


def told(row: Row, sites: bool) -> None:
    """What the table has no column for."""
    for finding in row.outcome.report.findings:
        if finding.severity != "info":
            print(
                f"    {finding.file}:{finding.range.start.line}: {finding.severity} [{finding.rule}] {finding.message}"
            )
    for error in row.outcome.report.errors:
        print(f"    {error.file}:{error.line}: {error.kind}: {error.message}")
    for site in row.outcome.sites if sites else ():
        print(f"    {site.span.file}:{site.span.line}: {site.verdict} {site.label} {site.reason}")
    for file, seconds in row.spent.most_common(3):
        print(f"    {seconds:.1f} s {file}")


def totals(title: str, counts: Iterable[Counter[str]]) -> None:
    """Counts of all rows together."""
    print(f"\n{title}")
    for what, count in sum(counts, Counter()).most_common():
        print(f"  {count:6} {what}")


def main() -> None:
    """Read the arguments, analyse, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sites", action="store_true", help="every demand site with its verdict")
    given = parser.parse_args()
    print(
        "| package | lines | found | connected | severed | undecided | E / W | errors of the tool | CPU s | slowest file, CPU s |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    rows = []
    for folder in given.folders:
        rows.append(analysed(folder))
        print(rows[-1], flush=True)
        told(rows[-1], given.sites)
        print("   ", dict(rows[-1].reasons), dict(rows[-1].bounds), flush=True)
    totals("undecided, by reason", (row.reasons for row in rows))
    totals("bounds hit", (row.bounds for row in rows))
    found, reached = sum(len(row.outcome.sites) for row in rows), sum(row.reached for row in rows)
    print(f"\n{reached} of {found} demand sites reached by a run ({reached / max(found, 1):.0%})")


if __name__ == "__main__":
    main()
