"""The tracer from inside a program, a test or a notebook: `trace()`, `check(model, ...)`, `assert_connected(source, demanded)`.

Imported when one of them is first asked for: it needs torch. Nothing here executes code of its own choosing; it watches what the
caller runs.
"""

from __future__ import annotations

import html
import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any, Literal

import msgspec

from gradlint import traced
from gradlint.catalog import Catalog
from gradlint.finding import Finding
from gradlint.report import View, full
from gradlint.runtime import probe, writing
from gradlint.runtime.demands import ender
from gradlint.runtime.record import Recording
from gradlint.runtime.run import Run

Kind = Literal["connected", "zero", "unreachable"]


class Trace:
    """`with gradlint.trace() as t:` watches the block; afterwards `t.findings` says where gradients were lost in it.

    An exception of the block passes unchanged; if the trace knows its cause, a note says so. A notebook shows the trace as a
    report. Data is followed through torch only: code that is already loaded cannot be rewritten safely, as `gradlint trace
    SCRIPT` rewrites a script's functions to follow NumPy arithmetic and Python numbers.
    """

    def __init__(self, *, stop_after: int = 0) -> None:
        self._catalog = Catalog.load()
        self._recording = Recording(self._catalog, stop_after=stop_after)
        self._done = False

    def __enter__(self) -> Trace:  # noqa: PYI034 - Self is newer than Python 3.10
        self._recording.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._recording.__exit__(kind, error, tb)
        self._done = True
        if isinstance(error, Exception):
            traced.explain(self.run, error, self._catalog)

    @property
    def going_on(self) -> bool:
        """Whether the block is still running."""
        return not self._done

    def failed(self, error: Exception) -> None:
        """The watched code ended with an exception that somebody caught before it came to the trace: explain it all the same."""
        if self._recording.error is None:
            self._recording.error, self._recording.ended_by = error, ender(error)
            self.__dict__.pop("run", None)
            self.__dict__.pop("findings", None)
            traced.explain(self.run, error, self._catalog)

    @cached_property
    def run(self) -> Run:
        """What was seen. Raises `RuntimeError` while the block is still running."""
        if not self._done:
            raise RuntimeError("the trace is not over: ask after the with block")
        return writing.run(self._recording)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Where gradients were lost."""
        return tuple(traced.findings(self.run, self._catalog))

    @property
    def ok(self) -> bool:
        """Whether no gradient was lost."""
        return not self.findings

    def __repr__(self) -> str:
        return "<gradlint trace, running>" if not self._done else shown(self.findings, self.run)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


class Checked(msgspec.Struct, frozen=True):
    """What `gradlint.check(model, inputs, target_layer)` found out about one layer."""

    kind: Kind
    findings: tuple[Finding, ...]
    text: str

    @property
    def ok(self) -> bool:
        """Whether a gradient that is not zero arrives at the layer."""
        return self.kind == "connected"

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>"


def trace(*, stop_after: int = 0) -> Trace:
    """Watch a block of code; with `stop_after`, only until that many backwards are done and their optimizer steps."""
    return Trace(stop_after=stop_after)


def check(model: Any, inputs: Any, target_layer: Any, score: Callable[[Any], Any] | None = None) -> Checked:
    """Whether the gradient of a score reaches the output of a layer, as class activation maps need it.

    `inputs` is a tensor, a tuple of arguments or a dict of keyword arguments; `target_layer` a module or its dotted name; `score`
    makes a scalar of the model's output (default: the sum of the largest entries along the last dimension). One forward pass and one
    `autograd.grad` are run; no `.grad` is touched. Raises `ValueError` where the layer is not part of the model or not called.
    """
    catalog = Catalog.load()
    recording = Recording(catalog)
    with recording:
        kind, error = probe.layer(model, inputs, target_layer, score)
    recording.ended_by = ender(error) if error is not None else None
    run = writing.run(recording)
    found = tuple(traced.findings(run, catalog))
    words = {
        "connected": "the gradient arrives",
        "zero": "the gradient arrives and is exactly zero",
        "unreachable": "no gradient arrives",
    }
    text = f"{probe.name(model, target_layer)}: {words[kind]}"
    if kind == "unreachable" and not found and probe.frozen(model, inputs):
        return Checked(kind, found, f"{text}: every parameter of the model is frozen, and no input requires grad")
    return Checked(kind, found, text if kind == "connected" else f"{text}\n\n{shown(found, run)}".rstrip())


def assert_connected(source: Any, demanded: Any) -> None:
    """Fail unless a gradient of `demanded` can reach `source`: a tensor, a module (all its parameters) or several of them.

    Raises `AssertionError` that says where the way is cut, if the tensors were made under `gradlint.trace()` or
    `pytest --gradlint`; autograd itself remembers only what is connected.
    """
    __tracebackhide__ = True
    for name, tensor in probe.tensors(source):
        strength = probe.strength(demanded, tensor)
        if strength != "connected":
            raise AssertionError(_disconnected(name, tensor, demanded, strength))


def _disconnected(name: str, source: Any, demanded: Any, strength: str) -> str:
    told = (
        f"the gradient does not reach {name}"
        if strength == "unreachable"
        else f"the gradient that reaches {name} is always zero"
    )
    with watched() as recording:
        if recording is None:
            return f"{told} (run this under gradlint.trace() or pytest --gradlint to see the cut)"
        recording.demands.claimed(demanded, source, strength, sys._getframe())
        run = writing.run(recording)
    last = run.tape.demands[-1].id if run.tape.demands else -1
    catalog = Catalog.load()
    found = traced.findings(run, catalog, [j for j in traced.judge(run, catalog) if j.demand.id == last])
    return f"{told}\n{shown(found, run)}" if found else f"{told}: no cut was recorded on the way"


@contextmanager
def watched() -> Iterator[Recording | None]:
    """The recording that is running, paused."""
    recording = Recording.running()
    if recording is None:
        yield None
        return
    recording.mode.off, before = True, recording.mode.off
    try:
        yield recording
    finally:
        recording.mode.off = before


def shown(findings: Sequence[Finding], run: Run) -> str:
    """Findings as the report for people shows them."""
    view = View(_lines)
    lines = [line for finding in findings for line in (*full.finding_lines(finding, view), [])]
    count = f"{len(findings) or 'no'} finding{'s' * (len(findings) != 1)}; {run.backwards} backward{'s' * (run.backwards != 1)} ran"
    return full.paint(lines, color=False) + count + _unexplained(findings, run)


def _unexplained(findings: Sequence[Finding], run: Run) -> str:
    """A word where a gradient was refused and the trace does not know why: here it cannot follow data outside torch."""
    raised = next((o.raised for o in run.observations if o.ended_the_run), "")
    if findings or not raised:
        return ""
    told = (
        "no cut was recorded on the way; data that went through NumPy or numbers is followed by `gradlint trace SCRIPT`"
    )
    return f"\n{raised.splitlines()[0]}\n{told}"


def _lines(file: str) -> list[str]:
    return [line.rstrip("\n") for line in linecache.getlines(file)]
