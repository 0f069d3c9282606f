"""Units of work: what a partial run finds does not depend on what was run before it in the same machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from gradlint.catalog import Catalog
from gradlint.static import Source
from gradlint.static.alone import Alone
from gradlint.static.entries import Beginnings
from gradlint.static.units import Ran, Survey, hints, whole_file
from gradlint.tape import Span

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "fixtures").rglob("*.py"))

#: module-level objects that a run changes for good: an unknown becomes a tensor, a hook fires, a generator is used up
SHARED = """
import torch
from elsewhere import thing, numbers
from torch import nn

layer = nn.Linear(2, 2)
kept = {}
layer.register_forward_hook(lambda m, i, o: kept.update(o=o.detach()))

def values():
    yield torch.ones(2, requires_grad=True)
    yield torch.ones(2)

source = values()

def first(x):
    loss = (thing.weight * x).sum() + next(source).sum()
    thing.weight.register_hook(print)
    loss.backward()
    layer(x)
    return torch.autograd.grad(x.sum(), kept["o"])

def second(x):
    y = thing.weight.data + numbers[0]
    layer(x)
    return torch.autograd.grad((y * next(source)).sum(), kept["o"])

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = thing.Layer()

    def forward(self, x):
        return self.inner(x).detach()

    def loss(self, x):
        self.forward(x).sum().backward()

    def other_loss(self, x):
        self.inner.weight.register_hook(print)
        return self.inner(x.data).sum().backward()
"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def runs(path: Path, text: str, catalog: Catalog, *, backwards: bool) -> dict[Span, bytes]:
    """The runs of every definition of a file, in one machine, by key."""
    crew = Alone([Source(path.name, path, text)], catalog, lambda _: None)
    survey = next(crew.survey([path], lambda _: None))[1]
    made = crew.runs.beginnings(path, survey)
    asked = _asked(made, survey, backwards=backwards)
    assert not any(ran.errors for ran in asked)
    return {ran.key: msgspec.json.encode(ran, order="sorted") for ran in asked}


def _asked(made: Beginnings, survey: Survey, *, backwards: bool) -> Sequence[Ran]:
    start = made.run(whole_file(survey.file))
    if start.failed:
        return [start]
    found = [start]
    for wanted in hints(survey).wanted[:: -1 if backwards else 1]:
        found.append(made.run(wanted.span))
        if not found[-1].failed:
            found += [made.run(other) for other in wanted.others[:: -1 if backwards else 1]]
    return found


def test_runs_are_the_same_in_any_order(catalog: Catalog) -> None:
    path = ROOT / "shared.py"
    forwards = runs(path, SHARED, catalog, backwards=False)
    assert len(forwards) == 8
    assert runs(path, SHARED, catalog, backwards=True) == forwards


@pytest.mark.parametrize("path", FILES, ids=[f.relative_to(ROOT).as_posix() for f in FILES])
def test_runs_of_a_fixture_are_the_same_in_any_order(path: Path, catalog: Catalog) -> None:
    text = path.read_text(encoding="utf-8")
    assert runs(path, text, catalog, backwards=True) == runs(path, text, catalog, backwards=False)
