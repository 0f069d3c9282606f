"""A value that many others may have gone into: what is read from a long list again and again has the others in common."""

from __future__ import annotations

from gradlint.static.recording import BUNDLE, Recorder
from gradlint.tape import Flow, Kind, Span

HERE = Span("a.py", 1, 1, 1, 2)


def leaves(tape: Recorder, count: int) -> list[int]:
    return [tape.leaf(Kind.TENSOR, HERE, "x") for _ in range(count)]


def test_all_are_behind_it_however_many() -> None:
    tape = Recorder()
    given = leaves(tape, BUNDLE**2 + 1)
    made = tape.unknown(HERE, "many", given)
    assert set(given) <= tape.ancestors([made], Flow.UNKNOWN)
    assert all(edge.src < edge.dst for edge in tape.edges)


def test_read_again_and_again_while_it_grows_it_costs_little() -> None:
    tape = Recorder()
    given = leaves(tape, 50 * BUNDLE)
    for i in range(len(given) - 100, len(given)):
        tape.unknown(HERE, "many", given[: i + 1])
    assert len(tape.edges) < 2 * len(given) + 100 * (50 // BUNDLE + 2 + BUNDLE)
