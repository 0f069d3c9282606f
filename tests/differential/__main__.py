"""`python -m tests.differential --seed S --count N`: agreement with autograd per construct, and the disagreements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import click
import msgspec

from tests.differential import static_half, truth
from tests.differential.generate import CONSTRUCTS, Program, program


class Case(msgspec.Struct, frozen=True):
    """One demand: the program, its line, what autograd did and what gradlint says."""

    program: Program
    line: int
    truth: str
    verdict: str

    @property
    def false_alarm(self) -> bool:
        """gradlint reports a demand whose gradient arrives."""
        return self.truth == truth.CONNECTED and self.verdict == truth.SEVERED

    @property
    def missed(self) -> bool:
        """A lost gradient that is not reported; undecided counts."""
        return self.truth == truth.SEVERED and self.verdict != truth.SEVERED


def cases(seed: int, count: int) -> Iterator[Case]:
    """The demands of `count` programs that run."""
    made = 0
    number = seed
    while made < count:
        generated = program(number)
        number += 1
        real = truth.verdicts(generated.text)
        if not real:
            continue
        made += 1
        ours = static_half.verdicts(generated.text)
        for line, verdict in real.items():
            yield Case(generated, line, verdict, ours.get(line, static_half.UNDECIDED))


@click.command()
@click.option("--seed", default=0, help="The first seed.")
@click.option("--count", default=1000, help="How many programs.")
@click.option("--show", default=5, help="How many disagreements to print in full.")
def main(seed: int, count: int, show: int) -> None:
    """Print the agreement of the static half with autograd."""
    found = list(cases(seed, count))
    severed = [c for c in found if c.truth == truth.SEVERED]
    cancelled = [c for c in found if c.truth == truth.CANCELLED]
    alarms = [c for c in found if c.false_alarm]
    missed = [c for c in found if c.missed]
    click.echo(
        f"{count} programs, {len(found)} demands, {len(found) - len(severed) - len(cancelled)} connected, "
        f"{len(severed)} severed, {len(cancelled)} cancelled"
    )
    click.echo(
        f"false alarms {len(alarms)}; severed found {len(severed) - len(missed)} ({1 - len(missed) / max(1, len(severed)):.1%})"
    )
    tally = Counter(kind for c in {c.program.seed: c for c in found}.values() for kind in set(c.program.constructs))
    wrong = Counter(kind for c in alarms + missed for kind in set(c.program.constructs))
    for kind in CONSTRUCTS:
        click.echo(
            f"  {kind:18} in {tally[kind]:5} programs ({tally[kind] / count:.0%}), {wrong[kind]:4} disagreements"
        )
    for case in (alarms + missed)[:show]:
        click.echo(
            f"\n--- seed {case.program.seed} line {case.line}: autograd {case.truth}, gradlint {case.verdict}\n{case.program.text}"
        )


if __name__ == "__main__":
    main()
