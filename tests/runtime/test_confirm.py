"""Claims against a run: planted false ones are refuted, true ones confirmed, the rest not reached, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import traced
from gradlint.catalog import Catalog
from gradlint.finding import Contract, Finding, Position, Range, Step
from gradlint.runtime import confirm
from gradlint.runtime.launch import Request
from gradlint.tape import Span
from tests.runtime.harness import in_child

PROGRAM = """\
import torch

def unused(t):
    return torch.autograd.grad(t.detach().sum(), t)

torch.manual_seed(0)
x = torch.randn(3, requires_grad=True)
h = x.tanh()
log = h.detach() + 1
y = h + (h.round() - h).detach()
if x.numel() > 5:
    y = y.detach()
x.register_hook(lambda g: g)
loss = y.pow(2).sum() + h.sum()
g, = torch.autograd.grad(loss, x, retain_graph=True)
p = x.to("cpu")
loss.backward(retain_graph=True)
size = p.grad.norm()
dead = h.detach().sum()
(loss + dead).backward(retain_graph=True)
torch.autograd.grad(dead, x)
late = torch.autograd.grad(loss, h)
"""


def place(text: str) -> Range:
    """Where a text stands in the program."""
    for number, line in enumerate(PROGRAM.split("\n"), 1):
        if text in line:
            column = line.index(text) + 1
            return Range(Position(number, column), Position(number, column + len(text)))
    raise LookupError(text)


def claim(contract: Contract, cut: str, demand: str, rule: str = "detach", severity: str = "error") -> Finding:
    """A finding that somebody might have made."""
    steps = (Step("cut", "program.py", place(cut), cut), Step("demand", "program.py", place(demand), demand))
    return Finding(
        rule=rule, contract=contract, severity=severity, confidence="proved", message=cut, file="program.py", range=place(cut),  # type: ignore[arg-type]
        path=steps, help="",
    )  # fmt: skip


GRAD = "torch.autograd.grad(loss, x, retain_graph=True)"
DEAD = "torch.autograd.grad(dead, x)"
BOTH = "(loss + dead).backward(retain_graph=True)"
CLAIMS = [
    (claim("severed", "x.tanh()", GRAD), "refuted", None),
    (claim("severed", "(h.round() - h).detach()", GRAD), "refuted", None),
    (claim("zeroed", "h.round()", GRAD, "zero-gradient"), "refuted", None),
    (claim("severed", "h.sum()", "loss.backward(retain_graph=True)"), "refuted", None),
    (claim("dead-term", "h.sum()", BOTH, "dead-loss-term", "warning"), "refuted", None),
    (claim("dead-hook", "x.register_hook(lambda g: g)", GRAD, "dead-hook"), "refuted", None),
    (claim("severed", "h.detach().sum()", DEAD), "confirmed", None),
    (claim("dead-term", "h.detach().sum()", BOTH, "dead-loss-term", "warning"), "confirmed", None),
    (claim("severed", "y.detach()", GRAD), "not-reached", confirm.LINE_NOT_RUN),
    (claim("severed", "t.detach()", "torch.autograd.grad(t.detach().sum(), t)"), "not-reached", confirm.ERROR_BEFORE),
    (claim("severed", "h.detach() + 1", GRAD), "not-reached", confirm.OTHER_BRANCH),
    (claim("severed", "x.tanh()", "torch.autograd.grad(loss, h)"), "not-reached", confirm.ERROR_BEFORE),
    (claim("non-leaf", 'x.to("cpu")', "p.grad", "non-leaf-grad"), "not-reached", confirm.NO_OP),
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> confirm.Judge:
    folder = tmp_path_factory.mktemp("claims")
    file = folder / "program.py"
    file.write_text(PROGRAM)
    watched = tuple(_span(s.range, file) for f, *_ in CLAIMS for s in f.path)
    run = in_child(Request(str(file), watched=watched))
    return confirm.Judge(run, traced.claims(run, Catalog.load()))


def _span(given: Range, file: Path) -> Span:
    return Span(str(file), given.start.line, given.start.column, given.end.line, given.end.column)


def _at(finding: Finding, judge: confirm.Judge) -> Finding:
    """The finding in the file that was run."""
    import msgspec

    file = next(s.file for s in judge.run.ran)
    steps = tuple(msgspec.structs.replace(s, file=file) for s in finding.path)
    return msgspec.structs.replace(finding, file=file, path=steps)


@pytest.mark.parametrize(("finding", "status", "reason"), CLAIMS, ids=[f"{f.contract} {f.message}" for f, *_ in CLAIMS])
def test_status(finding: Finding, status: str, reason: str | None, judge: confirm.Judge) -> None:
    runtime = judge.runtime(_at(finding, judge))
    assert (runtime.status, runtime.reason) == (status, reason)
    assert (runtime.evidence is None) == (status == "not-reached")
