"""Generated programs: the tracer's verdict on every demand is autograd's, and the cut it names lies where one was planted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlint import api, traced
from gradlint.catalog import Catalog
from gradlint.config import Config, Loaded
from gradlint.runtime.launch import Request
from gradlint.runtime.run import Run
from tests.differential import truth
from tests.differential.generate import program
from tests.runtime.harness import in_child

SEED = 700_000
SAMPLE, ALL = 60, 3_000
_DEMAND = re.compile(r"^(?P<indent>\s*)(?P<line>(?P<target>g\d+ = )?(torch\.autograd\.grad\(.*|.*\.backward\(.*))$")
#: what the generator writes to lose a gradient
_PLANTED = re.compile(
    r"detach|\.data\b|tolist|numpy|asarray|> 0|\.item\(\)|float\(|argmax|round|sign|floor|no_grad|set_grad_enabled|requires_grad_\(False\)"
)


def unraised(text: str) -> str:
    """The program with each demand guarded, so that none ends the run; lines keep their numbers by being joined with `;`."""
    lines = [_guarded(line) for line in text.split("\n")]
    lines[0] = f"{lines[0]}; exec({GUARD!r})"
    return "\n".join(lines)


def _guarded(line: str) -> str:
    demand = _DEMAND.match(line)
    if demand is None:
        return line
    return f"{demand['indent']}guarded(lambda: {demand['line'].removeprefix(demand['target'] or '')})"


#: what autograd did -> what is seen, and what the tape alone must say; a gradient that cancels to zero is not lost
ALLOWED = {
    truth.CONNECTED: {(truth.CONNECTED, truth.CONNECTED)},
    truth.SEVERED: {(truth.SEVERED, truth.SEVERED)},
    truth.CANCELLED: {(truth.SEVERED, truth.CONNECTED)},
}
GUARD = "def guarded(f):\n    try: f()\n    except RuntimeError: pass\n"


def seen(run: Run) -> tuple[dict[int, str], dict[int, str]]:
    """Line -> what came of the demand on it, and what the tape alone says must come of it."""
    observed: dict[int, str] = {}
    concluded: dict[int, str] = {}
    for one in traced.judge(run, Catalog.load()):
        if one.demand.kind in ("backward", "autograd.grad"):
            line = one.demand.span.line
            _worst(observed, line, truth.CONNECTED if one.observation.arrived else truth.SEVERED)
            _worst(concluded, line, one.verdict.verdict)
    return observed, concluded


def _worst(found: dict[int, str], line: int, verdict: str) -> None:
    if found.get(line) != truth.SEVERED:
        found[line] = verdict


def traced_text(text: str, folder: Path) -> Run:
    """A program under the tracer, with the excursions that the static half asks for."""
    file = folder / "generated.py"
    file.write_text(unraised(text), encoding="utf-8")
    analysis = api.analyse(api.Task((str(file),), Loaded(Config(extend_select=("ALL",)), folder)))
    return in_child(traced.asked(Request(str(file)), analysis))


def wrong(seeds: Iterator[int], count: int, folder: Path) -> tuple[list[str], int, int]:
    """Disagreements, and how many demands and named cuts there were."""
    problems: list[str] = []
    demands = cuts = done = 0
    for seed in seeds:
        text = program(seed).text
        real = truth.verdicts(text)
        if not real:
            continue
        done += 1
        run = traced_text(text, folder)
        observed, concluded = seen(run)
        lines = text.split("\n")
        demands += len(real)
        for n, verdict in real.items():
            if (observed.get(n), concluded.get(n)) not in ALLOWED[verdict]:
                problems.append(
                    f"{seed}:{n}: autograd {verdict}, observed {observed.get(n)}, concluded {concluded.get(n)}"
                )
        for place in severed_at(run):
            cuts += 1
            if not _PLANTED.search(lines[place - 1]):
                problems.append(f"{seed}: a cut named at line {place}: {lines[place - 1]}")
        if done == count:
            break
    return problems, demands, cuts


def severed_at(run: Run) -> list[int]:
    """The lines that the engine names for demands that lost their gradient."""
    return [
        f.range.start.line
        for one in traced.judge(run, Catalog.load())
        if one.observation.lost
        for f in one.verdict.findings
        if f.contract in ("severed", "zeroed")
    ]


def test_the_tracer_agrees_with_autograd(tmp_path: Path) -> None:
    problems, demands, cuts = wrong(iter(range(SEED, SEED + 10 * SAMPLE)), SAMPLE, tmp_path)
    assert problems == []
    assert demands > SAMPLE
    assert cuts > SAMPLE // 4


@pytest.mark.slow
def test_the_tracer_agrees_with_autograd_on_many(tmp_path: Path) -> None:
    problems, _, _ = wrong(iter(range(SEED, SEED + 10 * ALL)), ALL, tmp_path)
    assert problems == []
