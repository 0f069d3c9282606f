"""`python -m tests.runtime fixtures|programs`: what the two halves, or the tracer and autograd, say differently is listed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from gradlint.finding import Finding
from tests.runtime.test_agreement import SEED, wrong
from tests.runtime.test_fixtures_traced import SHOWN, confirmed, kind
from tests.test_fixtures import ROOT
from tests.test_fixtures import programs as all_fixtures


def disagreements(path: Path, tally: Counter[str]) -> Iterator[str]:
    """A line for each finding of one half that the other does not share; `tally` counts the others too."""
    proof = kind(path)
    judged, new, found = confirmed(path)
    for f in judged:
        shown = proof in SHOWN and f.severity != "info"
        tally[f"{'shown' if shown else 'other'} {f.runtime.status}"] += 1
        if f.runtime.status != "confirmed":
            yield f"{proof}: {_told(f)}: {f.runtime.status} ({f.runtime.reason})"
    yield from (f"{proof}: {_told(f)}: found by the trace alone" for f in new)
    tally["found by the trace alone"] += len(new)
    if proof == "nonzero":
        tally["right"] += 1
        tally["right with a finding of the trace"] += bool(found)
        yield from (f"{proof}: {_told(f)}: the trace reports a right program" for f in found)


def _told(finding: Finding) -> str:
    return f"{finding.range.start.line}:{finding.range.start.column} {finding.severity} {finding.rule}"


@click.group()
def main() -> None:
    """Print where two voices disagree, and the figures."""


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
def fixtures(paths: tuple[Path, ...]) -> None:
    """The static half against the tracer, on the fixtures; `shown` is what autograd shows while a program runs."""
    tally: Counter[str] = Counter()
    for path in paths or all_fixtures():
        for line in disagreements(path, tally):
            click.echo(f"{path.resolve().relative_to(ROOT)}: {line}")
    for name, count in sorted(tally.items()):
        click.echo(f"{count:5} {name}")


@main.command()
@click.option("--seed", default=SEED, help="The first seed.")
@click.option("--count", default=3000, help="How many programs.")
@click.option("--step", default=100, help="After how many the figures are told.")
def programs(seed: int, count: int, step: int) -> None:
    """The tracer against autograd, on generated programs."""
    seeds = iter(range(seed, seed + 10 * count))
    done = demands = cuts = lines = 0
    with tempfile.TemporaryDirectory() as folder:
        while done < count:
            problems, more, named = wrong(seeds, min(step, count - done), Path(folder))
            for line in problems:
                click.echo(line)
            done, demands, cuts, lines = done + step, demands + more, cuts + named, lines + len(problems)
            click.echo(f"{min(done, count)} programs, {demands} demands, {cuts} cuts named, {lines} disagreements")


if __name__ == "__main__":
    main()
