"""Events on tapes written by hand: times, freed graphs, hooks and notes, with everything that must make the engine silent."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gradlint.catalog import Catalog
from gradlint.engine import judge, merge
from gradlint.finding import Finding
from gradlint.tape import Capture, Demand, Edge, Flow, Hook, HookedCall, Kind, Note, Span, Tape, Value

CATALOG = Catalog.load()


def at(line: int) -> Span:
    """A place in the imagined program."""
    return Span("main.py", line, 1, line, 9)


def leaf(number: int, **more: Any) -> Value:
    """A tensor that requires grad."""
    given: dict[str, Any] = {"leaf": True, "requires_grad": "yes", **more}
    return Value(number, Kind.TENSOR, at(1), f"leaf{number}", number, **given)


def made(number: int, **more: Any) -> Value:
    """What an operation made."""
    return Value(number, Kind.TENSOR, at(2), f"value{number}", number, **more)


def edge(src: int, dst: int, flow: Flow = Flow.CARRIES, **more: Any) -> Edge:
    """An operation."""
    return Edge(src, dst, at(2), "op", flow, dst, **more)


def backward(number: int, time: int, *roots: int, **more: Any) -> Demand:
    """A backward in a whole run."""
    return Demand(number, "backward", at(time), "loss.backward()", time, roots, whole=True, **more)


def found(tape: Tape) -> list[tuple[str, int, str]]:
    """Rule, line and severity of everything the engine says."""
    return [(f.rule, f.range.start.line, f.severity) for f in findings(tape)]


def findings(tape: Tape) -> list[Finding]:
    """Everything the engine says."""
    return merge(judge(tape, CATALOG))[0]


# --- freed graphs ----------------------------------------------------------------------------------------------------


def twice(**first: Any) -> Tape:
    """One graph, of an operation that keeps tensors and one that does not, and two backwards."""
    values = [leaf(0), made(1), made(2)]
    edges = [edge(0, 1, saves=True), edge(1, 2)]
    return Tape(values, edges, [], [backward(0, 10, 2, **first), backward(1, 20, 2)])


def test_second_backward_through_what_was_freed() -> None:
    assert found(twice()) == [("freed-graph", 20, "error")]
    (finding,) = findings(twice())
    assert [(s.role, s.range.start.line) for s in finding.path] == [("capture", 2), ("cause", 10), ("demand", 20)]


def test_the_demand_that_meets_a_freed_graph_is_severed() -> None:
    assert [v.verdict for v in judge(twice(), CATALOG)] == ["connected", "severed"]


@pytest.mark.parametrize(
    "change",
    [
        lambda t: replace(t, demands=[replace(t.demands[0], retains=True), t.demands[1]]),
        lambda t: replace(t, demands=[replace(t.demands[0], certain=False), t.demands[1]]),
        lambda t: replace(t, demands=[replace(d, whole=False) for d in t.demands]),
        lambda t: replace(t, edges=[replace(e, saves=False) for e in t.edges]),
        lambda t: replace(t, edges=[replace(t.edges[0], flow=Flow.UNKNOWN), t.edges[1]]),
        lambda t: replace(t, values=[t.values[0], made(1, joined=True), t.values[2]]),
        lambda t: replace(t, values=[leaf(0, requires_grad="maybe"), *t.values[1:]]),
        lambda t: replace(t, values=[t.values[0], made(1, gradient=True), t.values[2]]),
    ],
    ids=[
        "retained",
        "uncertain",
        "partial",
        "saves nothing",
        "unknown hop",
        "join",
        "maybe frozen",
        "a gradient's graph",
    ],
)
def test_nothing_is_freed_for_certain(change: Any) -> None:
    assert [f for f in found(change(twice())) if f[0] == "freed-graph"] == []


def test_a_backward_to_a_target_frees_only_what_lies_before_it() -> None:
    tape = twice()
    tape.demands[0] = replace(tape.demands[0], kind="autograd.grad", targets=(1,))
    assert found(tape) == []
    tape.demands[0] = replace(tape.demands[0], targets=(0,))
    assert found(tape) == [("freed-graph", 20, "error")]


# --- gradients at the wrong time -------------------------------------------------------------------------------------


def read(**more: Any) -> Tape:
    """`.grad` of a leaf is used, at 30."""
    demand = Demand(0, "grad-read", at(30), "x.grad", 30, (1,), (0,), ("x",), whole=True, **more)
    return Tape([leaf(0), made(1)], [edge(0, 1)], [], [demand])


def test_used_before_any_backward_and_after_it_was_cleared() -> None:
    assert found(read(early=True)) == [("mistimed-grad", 30, "error")]
    assert found(read(cleared=at(25), since=25)) == [("mistimed-grad", 30, "error")]
    assert found(read()) == []


def test_under_a_condition_nothing_is_said_of_the_time() -> None:
    assert found(read(early=True, certain=False)) == []


@pytest.mark.parametrize(("time", "expected"), [(20, 1), (27, 0)])
def test_unknown_code_since_may_have_run_a_backward(time: int, expected: int) -> None:
    tape = read(cleared=at(25), since=25)
    tape.values.append(made(2, may_own=True))
    tape.edges.append(replace(edge(1, 2, Flow.UNKNOWN), time=time))
    assert len(found(tape)) == expected


# --- hooks -----------------------------------------------------------------------------------------------------------

CALL = HookedCall(at(8), 8, (1,))


def hooked(kind: Any = "backward", time: int = 5, calls: tuple[HookedCall, ...] = (CALL,), **more: Any) -> Tape:
    """A hook; at 10 a backward through value 1, at 20 the program fails for want of what the hook catches."""
    hook = Hook(kind, at(5), "layer.register(save)", time, 1 if kind == "tensor" else -1, calls=calls, **more)
    missed = Demand(1, "hook-read", at(20), "g.mean()", 20, whole=True, raises=True, hooks=(0,))
    return Tape([leaf(0), made(1), made(2)], [edge(0, 1), edge(1, 2)], [], [backward(0, 10, 2), missed], [hook])


def reason(tape: Tape) -> str:
    """Why a hook never fires, in the finding's words."""
    (finding,) = findings(tape)
    assert (finding.rule, finding.range.start.line, finding.severity) == ("dead-hook", 5, "error")
    return finding.message.rpartition(": ")[2]


def test_why_a_hook_never_fires() -> None:
    assert reason(hooked(calls=())) == "its module is never called"
    assert reason(hooked(time=9)) == "it is registered after the forward pass"
    assert reason(hooked(removed=at(6), removed_at=6)) == "it is removed before the forward pass"
    assert reason(hooked("forward", calls=(replace(CALL, bypass=True),))) == "forward() is called past it"
    assert reason(hooked("tensor", calls=(), removed=at(7), removed_at=7)) == "it is removed before the backward"
    frozen = hooked(calls=(replace(CALL, outputs=(3,)),))
    frozen.values.append(leaf(3, requires_grad="no", frozen_at=at(3)))
    assert reason(frozen) == "what its module returns does not require grad"
    aside = hooked(calls=(replace(CALL, outputs=(3,)),))
    aside.values.append(made(3))
    aside.edges.append(edge(0, 3))
    assert reason(aside) == "no backward goes through it"


@pytest.mark.parametrize(
    "tape",
    [
        hooked(),  # it should have fired: something is not known
        hooked(calls=(), certain=False),
        hooked(time=8, calls=(CALL, replace(CALL, time=9))),
    ],
    ids=["should have fired", "uncertain", "called again"],
)
def test_hooks_of_which_too_little_is_known(tape: Tape) -> None:
    assert found(tape) == []


def test_a_hook_that_fires_later_was_asked_too_early() -> None:
    assert found(hooked(fired=(30,))) == [("mistimed-grad", 20, "error")]
    armed = hooked()
    armed.demands[0] = replace(armed.demands[0], time=25)
    assert found(armed) == [("mistimed-grad", 20, "error")]


def test_an_empty_container_is_no_failure_if_the_hook_fires_later() -> None:
    tape = hooked(fired=(30,))
    tape.demands[1] = replace(tape.demands[1], raises=False)
    assert found(tape) == []


def test_a_tensor_hook_removed_before_a_backward_that_reaches_it_needs_no_failure() -> None:
    tape = hooked("tensor", calls=(), removed=at(7), removed_at=7)
    del tape.demands[1]
    assert reason(tape) == "it is removed before the backward"
    tape.demands[0] = replace(tape.demands[0], time=6)
    assert found(tape) == []


def test_a_legacy_hook_is_told_where_a_backward_goes_through_it() -> None:
    tape = hooked("legacy", fired=(11,))
    del tape.demands[1]
    assert found(tape) == [("legacy-backward-hook", 5, "warning")]
    tape.hooks[0] = replace(tape.hooks[0], fired=())
    assert found(tape) == []


# --- notes -----------------------------------------------------------------------------------------------------------


def test_a_flag_alone_is_a_warning_and_explains_a_missing_graph() -> None:
    flag = Note("module-flag", at(4), "layer.requires_grad = True", 4, cause_label="on")
    alone = Tape([leaf(0), made(1)], [edge(0, 1)], [], [backward(0, 10, 1)], [], [flag])
    assert found(alone) == [("module-requires-grad", 4, "warning")]
    frozen = replace(alone, values=[leaf(0, requires_grad="no", frozen_at=at(3)), made(1)])
    (finding,) = findings(frozen)
    assert finding.rule == "no-graph"
    assert [(s.role, s.range.start.line) for s in finding.path] == [("cause", 3), ("cause", 4), ("demand", 10)]


def test_captures() -> None:
    over = Note("overwritten", at(4), "kept", 4, at(6), "relu_", at(9), "kept.mean()")
    view = replace(over, kind="written-view")
    tape = Tape([], [], [], [], [], [over])
    assert found(tape) == [("overwritten-capture", 4, "warning")]
    assert found(replace(tape, notes=[view])) == [("overwritten-capture", 4, "error")]


# --- the two sides of a map ------------------------------------------------------------------------------------------


def pictured(factor: Kind) -> Tape:
    """A feature that a backward went through, multiplied with something, then changed by NumPy and called a heat map."""
    values = [leaf(0), made(1), replace(made(2), kind=factor), made(3), replace(made(4), kind=Kind.ARRAY)]
    edges = [edge(0, 1), edge(1, 3, product=True), edge(2, 3, product=True), edge(3, 4, Flow.CUTS, foreign=True)]
    edges[-1] = replace(edges[-1], span=at(12), time=12)
    return Tape(values, edges, [Capture(4, "variable", at(12), "heatmap", 13)], [backward(0, 10, 1)])


def test_what_met_something_unknown_may_have_met_its_gradient() -> None:
    assert found(pictured(Kind.TENSOR)) == [("cam-numpy-features", 12, "info")]
    assert found(pictured(Kind.UNKNOWN)) == []


# --- off the path ----------------------------------------------------------------------------------------------------


def test_where_the_other_tensor_goes_in_is_a_cause() -> None:
    copied = Edge(0, 1, at(3), "clone", Flow.CARRIES, 3)
    used = Edge(0, 2, at(5), "model(image)", Flow.CARRIES, 5)
    asked = Demand(0, "autograd.grad", at(7), "grad(score, x)", 7, (2,), (1,), ("x",), whole=True)
    tape = Tape(values=[leaf(0), made(1), made(2)], edges=[copied, used], demands=[asked])
    (told,) = findings(tape)
    assert told.contract == "off-path"
    assert [s.range.start.line for s in told.path if s.role == "cause"] == [5]


def prepared(kind: Kind) -> Tape:
    """Something that a caller gave is exported and changed by NumPy before an unknown call gives it to the network."""
    given, changed = replace(leaf(1), kind=Kind.UNKNOWN), replace(made(3), kind=Kind.ARRAY)
    values = [leaf(0), given, replace(made(2), kind=kind), changed, made(4)]
    edges = [edge(1, 2, Flow.UNKNOWN), edge(2, 3, Flow.CUTS, foreign=True), edge(2, 4, Flow.UNKNOWN), edge(0, 4)]
    return Tape(values, edges, [Capture(3, "variable", at(3), "x_cam_off", 3)], [backward(0, 1, 4)])


@pytest.mark.parametrize("kind", [Kind.ARRAY, Kind.UNKNOWN, Kind.NUMBER])
def test_only_a_tensor_is_a_feature_map(kind: Kind) -> None:
    assert found(prepared(kind)) == []
