"""A fixed sample of generated programs: no false alarm, and nearly every lost gradient found."""

from __future__ import annotations

from tests.differential.__main__ import cases

SEED, COUNT = 300_000, 250


def test_static_half_agrees_with_autograd() -> None:
    found = list(cases(SEED, COUNT))
    assert [c.program.seed for c in found if c.false_alarm] == []
    severed = [c for c in found if c.truth == "severed"]
    missed = [c for c in severed if c.missed]
    assert len(severed) > COUNT // 3
    assert len(missed) <= 0.05 * len(severed), [(c.program.seed, c.line) for c in missed]
