"""Hooks that fail the program: they never fire although their catch is used, or fire only after it was.

What happened to a hook is on the tape; here is why it did not fire: taken away too early, put there too late, its module
not called or called past it, nothing to differentiate behind it, or no backward that goes through it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.graph import CUTS, NOTHING, Graph
from gradlint.finding import Finding, Step
from gradlint.tape import Demand, Hook, HookedCall

LEGACY = "legacy-backward-hook"
_IMMEDIATE = ("forward", "pre")  #: hooks that fire at the call itself


class Fate(msgspec.Struct, frozen=True):
    """Why a hook has not fired: `armed`, everything is right but the backward; else it never will."""

    reason: str
    causes: tuple[Step, ...] = ()
    armed: bool = False


def passes(graph: Graph) -> list[Demand]:
    """The backwards of a tape, in order."""
    return graph.passes


# --- a catch that is missed ------------------------------------------------------------------------------------------


def missed(case: Case, demand: Demand) -> Finding | None:
    """The program needs what a hook should have caught."""
    hooks = [h for i in demand.hooks if (h := case.graph.hooks[i]).certain]
    late = [h for h in hooks if any(time > demand.time for time in h.fired)]
    if late:
        return _mistimed(case, demand, late[-1]) if demand.raises else None
    fates = [(h, fate) for h in hooks if (fate := _fate(case.graph, h, demand.time)) is not None]
    armed = [h for h, fate in fates if fate.armed]
    if armed:
        return _mistimed(case, demand, armed[-1]) if demand.raises else None
    return _dead(case, demand, *fates[-1]) if fates else None


def _mistimed(case: Case, demand: Demand, hook: Hook) -> Finding | None:
    what = "call of the module" if hook.kind in _IMMEDIATE else "backward"
    message = f"what {paths.text(hook.label)} catches is used before the {what} that fires it"
    steps = paths.ended([_registered(hook)], demand)
    return finding(case, Claim("mistimed", "", demand.span, message, steps))


def _dead(case: Case, demand: Demand, hook: Hook, fate: Fate) -> Finding | None:
    fails = "fires no more" if hook.fired and hook.fired[0] < demand.time else "never fires"
    message = f"{paths.text(hook.label)} {fails}: {fate.reason}"
    called = [paths.step("cause", span, "registered from here") for span in hook.stack[-2:] if span != hook.span]
    taken = [] if hook.taken is None else [paths.step("cause", hook.taken, "the module is taken here")]
    steps = paths.ended([*taken, *called, _registered(hook), *fate.causes], demand)
    return finding(case, Claim("dead-hook", "", hook.span, message, steps))


def _registered(hook: Hook) -> Step:
    return paths.step("capture", hook.span, hook.label)


# --- why it has not fired --------------------------------------------------------------------------------------------


def _fate(graph: Graph, hook: Hook, at: int) -> Fate | None:
    """What is known of a hook that had not fired at that moment; None where it should have, or where nobody knows."""
    if hook.kind == "tensor":
        return (
            _removed(hook, "backward")
            if hook.removed and hook.removed_at < at
            else _waiting(graph, hook, (hook.value,), hook.time, at)
        )
    calls = [c for c in hook.calls if c.time < at]
    if hook.fired and hook.fired[0] < at:
        without = hook.removed and any(c.certain and not c.bypass and hook.removed_at < c.time for c in calls)
        return _removed(hook, "forward pass") if without else None
    until = hook.removed_at if hook.removed else at
    bound = [c for c in calls if not c.bypass and hook.time < c.time < until]
    if not bound:
        return _unbound(graph, hook, calls, until)
    if hook.kind in _IMMEDIATE:
        return None
    outputs = tuple(o for c in bound for o in c.outputs)
    return _without_grad(graph, outputs) or _waiting(graph, hook, outputs, bound[0].time, at)


def _removed(hook: Hook, before: str) -> Fate:
    assert hook.removed is not None
    shared = [paths.step("cause", hook.shared, "all objects of the class share this")] if hook.shared else []
    left = [paths.step("cause", hook.left, "the block that holds the hooks ends here")] if hook.left else []
    return Fate(f"it is removed before the {before}", (*shared, *left, paths.step("cause", hook.removed, "removed")))


def _unbound(graph: Graph, hook: Hook, calls: Sequence[HookedCall], until: int) -> Fate | None:
    """No call of the module had the hook."""
    sure = [c for c in calls if c.certain]
    past = [c for c in sure if c.bypass and hook.time < c.time < until]
    if past:
        return Fate("forward() is called past it", (paths.step("cause", past[0].span, "forward() runs no hooks"),))
    through = [c for c in sure if not c.bypass]
    if hook.removed and any(c.time > until for c in through):
        return _removed(hook, "forward pass")
    if through and all(c.time < hook.time for c in calls):
        if hook.copied is not None and not _differentiated(graph, through[-1], until):
            return Fate("its module is not called after that, a copy of it is", _copy(hook))
        return Fate(
            "it is registered after the forward pass", (paths.step("cause", through[-1].span, "the forward pass"),)
        )
    return None if calls else _never_called(hook)


def _differentiated(graph: Graph, call: HookedCall, before: int) -> bool:
    """Whether the last backward of before a moment goes through what a call gave."""
    last = next((d for d in reversed(passes(graph)) if d.time < before), None)
    return last is not None and any(o in graph.towards(r) for r in last.roots for o in call.outputs)


def _copy(hook: Hook) -> tuple[Step, ...]:
    return () if hook.copied is None else (paths.step("cause", hook.copied, "copied"),)


def _never_called(hook: Hook) -> Fate:
    if hook.copied is not None:
        return Fate("its module is never called, a copy of it is", _copy(hook))
    made = () if hook.made is None else (paths.step("cause", hook.made, "the module that nobody calls is made"),)
    return Fate("its module is never called", made)


def _without_grad(graph: Graph, outputs: Sequence[int]) -> Fate | None:
    """Nothing that the module gives requires grad, although something else is differentiated."""
    if not outputs or any(graph.strength[o] > CUTS or graph.unknown[o] for o in outputs):
        return None
    if not any(graph.strength[root] > CUTS for d in passes(graph) for root in d.roots):
        return None  # the backward fails too, and that has a finding of its own
    made_of = [graph.values[a] for o in outputs for a in graph.towards(o)]
    frozen = sorted({v.frozen_at for v in made_of if v.frozen_at is not None})
    causes = [paths.step("cause", span, "requires_grad switched off") for span in frozen[-3:]]
    return Fate("what its module returns does not require grad", tuple(causes))


def _waiting(graph: Graph, hook: Hook, values: Sequence[int], since: int, at: int) -> Fate | None:
    """It is in place: no backward so far, or none that goes through these values."""
    if any(graph.strength[v] <= CUTS for v in values) or not values:
        return None
    given = [d for d in passes(graph) if since < d.time < at]
    roots = [root for d in given for root in d.roots]
    if not given:
        return Fate("", armed=True)
    if any(not d.roots or not d.certain for d in given) or any(graph.unknown[r] or graph.joined[r] for r in roots):
        return None
    if any(graph.towards(r).get(v, NOTHING) > CUTS for r in roots for v in values):
        return None
    return Fate("no backward goes through it", (paths.step("cause", given[-1].span, given[-1].label),))


# --- without a missed catch ------------------------------------------------------------------------------------------


def removed_early(case: Case) -> Iterator[tuple[Demand, Finding | None]]:
    """Tensor hooks that a backward would have fired, had they not been removed before it."""
    graph = case.graph
    for hook in graph.hooks:
        if hook.kind == "tensor" and hook.certain and hook.removed is not None and not hook.fired:
            later = (d for d in passes(graph) if d.time > hook.removed_at and d.whole and d.certain)
            through = next(
                (d for d in later if any(graph.towards(r).get(hook.value, NOTHING) > CUTS for r in d.roots)), None
            )
            if through is not None:
                yield through, _dead(case, through, hook, _removed(hook, "backward"))


def legacy(case: Case) -> Iterator[tuple[Demand, Finding | None]]:
    """`register_backward_hook` on a module that a backward goes through."""
    for hook in case.graph.hooks:
        if hook.kind != "legacy" or not hook.fired:
            continue
        before = [d for d in passes(case.graph) if d.time < hook.fired[0]]
        if before:
            message = f"{paths.text(hook.label)} is deprecated: where its module is several operations, it gets those of the last one"
            steps = paths.ended([_registered(hook)], before[-1])
            yield before[-1], finding(case, Claim("other", "", hook.span, message, steps, slug=LEGACY))
