"""What runs that start in the middle reach, in files that nobody calls into."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import Outcome, Task, run
from gradlint.config import Config, Loaded

HEAD = "from collections import OrderedDict\nimport torch\nfrom torch import nn\n"
NESTED = """
def make():
    def inner(root, target):
        return torch.autograd.grad(root, target)
    return inner
"""
HOOKED = """
def attach(layer):
    def forward(module, given, output):
        if isinstance(output, tuple):
            output[0].register_hook(print)
        else:
            output.register_hook(print)

    def before(module, given):
        given[0].register_hook(print)
    return layer.register_forward_hook(forward), layer.register_forward_pre_hook(before)
"""
GUARDED = """
def keep(output):
    if not hasattr(output, "requires_grad") or not output.requires_grad:
        return
    output.register_hook(print)
"""
BUILT = """
class Trainer:
    def __init__(self):
        self.build()

    def build(self):
        self.net = nn.Linear(3, 1)

    def train(self, x):
        self.net(x).sum().backward()
"""
EITHER = """
class Registry(OrderedDict):
    def __init__(self, given, more):
        if more:
            super().__init__(given)
        else:
            super().__init__()

    def loss(self, x):
        self["x"] = x
        return sum(self[name] for name in self)
"""
RAISING = """
def switched_on(word):
    if word.lower() in ("yes", "1"):
        return True
    if word.lower() in ("no", "0"):
        return False
    raise ValueError(word)

def step(word):
    switched_on(word)
    w = torch.ones(2, requires_grad=True)
    w.detach().sum().backward()
"""
LEFT = """
def switched_on(word):
    try:
        if word.lower() in ("yes", "1"):
            return True
    except RuntimeError:
        return None
    return False

def step(word):
    switched_on(word)
    w = torch.ones(2, requires_grad=True)
    {}["nothing"]
    w.detach().sum().backward()
"""


def ran(tmp_path: Path, text: str) -> Outcome:
    file = tmp_path / "part.py"
    file.write_text(HEAD + text, encoding="utf-8")
    return run(Task((str(file),), Loaded(Config(), tmp_path)))


def unreached(outcome: Outcome) -> list[int]:
    return [site.span.line for site in outcome.sites if site.reason == "no run reached it"]


def test_a_function_inside_another_is_run_though_nobody_calls_it(tmp_path: Path) -> None:
    outcome = ran(tmp_path, NESTED)
    assert len(outcome.sites) == 1
    assert unreached(outcome) == []


def test_hooks_on_a_layer_nobody_knows_see_a_tensor_and_a_tuple(tmp_path: Path) -> None:
    outcome = ran(tmp_path, HOOKED)
    assert len(outcome.sites) == 3
    assert unreached(outcome) == []


def test_what_was_tested_for_requires_grad_is_live(tmp_path: Path) -> None:
    assert [site.verdict for site in ran(tmp_path, GUARDED).sites] == ["connected"]


def test_what_the_constructor_built_by_a_method_is_there_in_the_others(tmp_path: Path) -> None:
    assert [site.verdict for site in ran(tmp_path, BUILT).sites] == ["connected"]


def test_a_class_that_derives_from_a_dict_made_in_one_of_two_ways(tmp_path: Path) -> None:
    assert ran(tmp_path, EITHER).report.errors == ()


@pytest.mark.parametrize("text", [RAISING, LEFT])
def test_a_call_that_may_have_returned_goes_on(tmp_path: Path, text: str) -> None:
    """Although its last way raises; and no `try` is left behind that one of its ways was in."""
    assert [site.verdict for site in ran(tmp_path, text).sites] == ["severed"]


COUNTING = """
class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))
        self.at = -1

    def grow(self):
        self.at += 1

    def forward(self, x):
        total = x.sum()
        for head in self.heads[: self.at + 1]:
            total = total + head(x).sum()
        return total


class Base:
    def prepare(self):
        self.weight = torch.ones(2, requires_grad=True)


class Task(Base):
    def __init__(self):
        self.net = Heads()
        self.weight = torch.ones(2)

    def fit(self):
        self.net(torch.ones(2)).backward()

    def weigh(self):
        (self.weight * 2).sum().backward()
"""


def test_methods_of_others_and_of_bases_may_have_run_before(tmp_path: Path) -> None:
    outcome = ran(tmp_path, COUNTING)
    assert outcome.report.findings == ()
    assert [site.verdict for site in outcome.sites] == ["undecided", "undecided"]
