"""`check`, `assert_connected`, `trace` and the pytest plugin, as users call them."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradlint

pytest_plugins = ["pytester"]


class Net(nn.Module):
    """A small classifier that may lose its gradient behind the convolution."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4, 3)
        self.unused = nn.Linear(2, 2)
        self.way = way

    def forward(self, x: Any) -> Any:
        h = self.conv(x)
        if self.way == "data":
            h = h.data
        elif self.way == "round":
            h = h.round()
        elif self.way == "no_grad":
            with torch.no_grad():
                h = h * 2
        return self.fc(h.relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("way", "kind", "rule"),
    [
        ("right", "connected", None),
        ("data", "unreachable", "data-attribute"),
        ("round", "zero", "zero-gradient"),
        ("no_grad", "unreachable", "grad-disabled"),
    ],
)
def test_check_of_a_model(way: str, kind: str, rule: str | None) -> None:
    net = Net(way)
    found = gradlint.check(net, torch.randn(2, 1, 8, 8), "conv")
    assert found.kind == kind
    assert bool(found) == found.ok == (kind == "connected")
    assert [f.rule for f in found.findings] == ([rule] if rule else [])
    if rule:
        line = Path(__file__).read_text().splitlines()[found.findings[0].range.start.line - 1]
        assert {"data": "h.data", "round": "h.round()", "no_grad": "torch.no_grad()"}[way] in line
        assert rule in repr(found)
    assert all(p.grad is None for p in net.parameters())
    assert gradlint.check(net, (torch.randn(2, 1, 8, 8),), net.conv, score=lambda out: out[0, 0]).kind == kind


def test_check_names_a_layer_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no layer 'conv9'"):
        gradlint.check(Net("right"), torch.randn(1, 1, 8, 8), "conv9")
    with pytest.raises(ValueError, match="unused was not called"):
        gradlint.check(Net("right"), torch.randn(1, 1, 8, 8), "unused")


def test_check_of_files(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n")
    for subject in (str(file), file, [file]):
        assert [f.rule for f in gradlint.check(subject).findings] == ["detach"]


def test_assert_connected() -> None:
    x = torch.ones(2, requires_grad=True)
    net = nn.Linear(2, 2)
    gradlint.assert_connected(x, (x * 2).sum())
    gradlint.assert_connected(net, net(x).sum())
    gradlint.assert_connected([x, net.weight], net(x).sum())
    with pytest.raises(AssertionError, match=r"gradlint\.trace"):
        gradlint.assert_connected(x, x.detach().sum())
    with gradlint.trace() as t:
        y = x * 2
        z = (y.detach() + x.data).sum()
        with pytest.raises(AssertionError, match=r"(?s)does not reach the source.*\.detach\(\)|\.data"):
            gradlint.assert_connected(x, z)
        with pytest.raises(AssertionError, match="always zero"):
            gradlint.assert_connected(x, (x * 2).round().sum())
    assert "<pre>" in t._repr_html_()


def test_a_trace_in_use() -> None:
    with gradlint.trace() as t:
        assert "running" in repr(t)
        with pytest.raises(RuntimeError, match="not over"):
            _ = t.findings
        x = torch.ones(2, requires_grad=True)
        (x * 2).sum().backward()  # type: ignore[no-untyped-call]
    assert t.ok
    assert "no findings" in repr(t)


TESTS = """
import unittest
import pytest
import torch

def test_expected():
    with pytest.raises(RuntimeError):
        torch.ones(2, requires_grad=True).detach().sum().backward()

def test_fails():
    x = torch.ones(2, requires_grad=True)
    y = x.detach() * 2
    y.sum().backward()

@pytest.fixture
def dead():
    return torch.ones(2, requires_grad=True).detach()

def test_fixture(dead):
    dead.sum().backward()

class TestUnit(unittest.TestCase):
    def test_caught_by_unittest(self):
        x = torch.ones(2, requires_grad=True)
        x.data.sum().backward()

@pytest.mark.xfail(raises=RuntimeError)
def test_known():
    torch.ones(2, requires_grad=True).detach().sum().backward()

def test_silent():
    x = torch.ones(2, requires_grad=True)
    (x * 2).round().sum().backward()

def test_right():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
"""


def _listed(text: str) -> list[str]:
    """The lines of TESTS that findings stand on, as the end of the run lists them."""
    summary = text[text.rindex("= gradlint =") :]
    written = TESTS.strip().splitlines()
    return sorted(written[int(line) - 1].strip() for line in re.findall(r"test_it\.py:(\d+):\d+: error", summary))


@pytest.mark.parametrize("more", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_pytest_plugin(more: tuple[str, ...], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TESTS)
    plain = pytester.runpytest_subprocess()
    plain.assert_outcomes(passed=3, failed=3, xfailed=1)
    assert "gradlint:" not in plain.stdout.str()
    result = pytester.runpytest_subprocess("--gradlint", *more)
    result.assert_outcomes(passed=3, failed=3, xfailed=1)
    text = result.stdout.str()
    assert _listed(text) == [
        "(x * 2).round().sum().backward()",
        "return torch.ones(2, requires_grad=True).detach()",
        "x.data.sum().backward()",
        "y = x.detach() * 2",
    ]
    assert "4 findings in 4 tests" in text
    assert len(re.findall(r"^E +gradlint: ", text, re.MULTILINE)) == 3
    assert "test_expected" not in text


def test_what_data_outside_torch_hides_is_said() -> None:
    w = torch.rand(3, requires_grad=True)
    with pytest.raises(RuntimeError), gradlint.trace() as t:
        torch.from_numpy((w * 2).detach().numpy() * 3).sum().backward()  # type: ignore[no-untyped-call]
    assert t.findings == ()
    assert "element 0 of tensors does not require grad" in repr(t)
    assert "followed by `gradlint trace SCRIPT`" in repr(t)


class Kept:
    """Keeps a copy of an activation, as Grad-CAM classes do."""

    def __init__(self) -> None:
        x = torch.ones(2, requires_grad=True)
        self.copy = (x * 2).detach().requires_grad_()
        (x * 2).sum().backward()  # type: ignore[no-untyped-call]

    def gradients(self) -> Any:
        return self.copy.grad


def by_name() -> None:
    gradient = Kept().copy.grad
    gradient.mean()  # type: ignore[union-attr]


def by_function() -> None:
    weights = Kept().gradients()
    print(weights * 2)


def by_list() -> None:
    kept = []
    kept.append(Kept().copy.grad)
    torch.stack(kept)  # type: ignore[arg-type]


def only_tested() -> None:
    gradient = Kept().copy.grad
    if gradient is not None:
        gradient.mean()


def another_error() -> None:
    gradient = Kept().copy.grad
    print(gradient)
    raise KeyError("another")


@pytest.mark.parametrize(
    ("code", "found"),
    [(by_name, True), (by_function, True), (by_list, True), (only_tested, False), (another_error, False)],
)
def test_a_missing_gradient_is_used_where_the_program_fails_for_it(code: Any, found: bool) -> None:
    with contextlib.suppress(AttributeError, TypeError, KeyError), gradlint.trace() as t:
        code()
    assert [f.rule for f in t.findings] == (["off-path-target"] if found else [])


@pytest.mark.parametrize("used", [True, False])
def test_a_gradient_of_zeros_is_used_by_its_name(used: bool) -> None:
    with gradlint.trace() as t:
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.retain_grad()
        (h.round() + x).sum().backward()  # type: ignore[no-untyped-call]
        if used:
            gradient = h.grad
            assert gradient is not None
            gradient.mean()
        else:
            shown = h.grad
            print(shown)
    assert [f.rule for f in t.findings] == ["zero-gradient"] * used


def test_a_gradient_that_arrives_at_a_leaf_from_before_the_trace_counts() -> None:
    before = torch.ones(2, requires_grad=True)
    old = before * 2
    with gradlint.trace() as t:
        x = torch.ones(2, requires_grad=True)
        (x.round() + old).sum().backward()  # type: ignore[no-untyped-call]
    assert t.findings == ()
    with gradlint.trace() as t:
        x = torch.ones(2, requires_grad=True)
        x.round().sum().backward()  # type: ignore[no-untyped-call]
    assert [f.rule for f in t.findings] == ["zero-gradient"]


def alternating() -> None:
    """Two heads behind one trunk: the first backward goes past the trunk, the second through it."""
    trunk, head = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = torch.optim.SGD([*trunk.parameters(), *head.parameters()], lr=0.1)
    for detached in (True, False):
        features = trunk(torch.ones(1, 2))
        head(features.detach() if detached else features).sum().backward()
        optimizer.step()


def test_a_trace_that_stops_early_does_not_say_never() -> None:
    with gradlint.trace(stop_after=1) as early:
        alternating()
    with gradlint.trace() as whole:
        alternating()
    assert (early.findings, whole.findings) == ((), ())


def test_torch_is_torch_wherever_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradlint.runtime.places._LIBRARIES", ("/elsewhere/",))
    with gradlint.trace() as t:
        w = torch.ones(2, requires_grad=True)
        (w.sum() + w.detach().exp().sum()).backward()  # type: ignore[no-untyped-call]
    assert [f.rule for f in t.findings] == ["dead-loss-term"]


def test_of_several_targets_some_may_be_unused() -> None:
    with gradlint.trace() as t:
        used, spare = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        torch.autograd.grad((used * 2).sum(), [used, spare], allow_unused=True)
        torch.autograd.grad((used * 2).sum(), [used, spare], materialize_grads=True)
    assert t.findings == ()
    with contextlib.suppress(RuntimeError), gradlint.trace() as t:
        used, spare = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        torch.autograd.grad((used * 2).sum(), [used, spare])
    assert [f.rule for f in t.findings] == ["off-path-target"]
