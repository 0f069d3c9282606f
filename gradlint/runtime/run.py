"""What is known after a run: the tape, and what was seen at each of its demands. Plain records that go from process to process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from gradlint.tape import Span, Tape

#: the worst first; `unseen`: there is a gradient, and nobody looked at its numbers
Outcome = Literal["none", "zero", "unseen", "nonzero"]


def worst(gradients: Sequence[Outcome]) -> Outcome | None:
    """The worst of what several targets got; None if nothing is known."""
    return min(gradients, key=get_args(Outcome).index, default=None)


class Observation(msgspec.Struct, frozen=True):
    """What came of one execution of a demand; `demand` is its id on the tape."""

    demand: int
    raised: str = ""
    ended_the_run: bool = False  #: the exception left the script or the test
    ended_a_thread: bool = False  #: the exception left a thread; the program may have run on
    gradients: tuple[Outcome, ...] = ()  #: one per target; of a bare backward one word for all leaves
    used: bool = True  #: a `.grad` whose value the program uses, not one that it tests or prints
    library: bool = False  #: asked for inside a library, not by the user's own code

    @property
    def lost(self) -> bool:
        """Whether the gradient did not arrive."""
        return bool(self.raised) or "none" in self.gradients or "zero" in self.gradients

    @property
    def arrived(self) -> bool:
        """Whether a gradient that is not zero arrived at everything that was asked for."""
        return not self.raised and bool(self.gradients) and all(g == "nonzero" for g in self.gradients)


class Hook(msgspec.Struct, frozen=True):
    """A backward hook: where it was registered, and how often it ran."""

    kind: str
    span: Span
    fired: int
    backwards: int  #: how many backwards ran after it was registered
    label: str = ""
    library: bool = False  #: registered by a library, not by the user's own code
    names: tuple[str, ...] = ()  #: the names and texts in its code


class Flipped(msgspec.Struct, frozen=True):
    """A place where `requires_grad` went from true to false: what went in."""

    span: Span
    shape: tuple[int, ...]
    grad_fn: str | None


class Run(msgspec.Struct, frozen=True, tag="run"):
    """One traced run."""

    tape: Tape
    observations: tuple[Observation, ...] = ()
    hooks: tuple[Hook, ...] = ()
    flips: tuple[Flipped, ...] = ()
    ran: tuple[Span, ...] = ()  #: of the places that were asked about: those whose statement ran
    constants: tuple[
        tuple[Span, bool], ...
    ] = ()  #: of the expressions that were asked about: whether they require grad
    raised: str = ""  #: the exception that ended the program
    raised_at: tuple[Span, ...] = ()  #: the user's own lines that it came through, the innermost first
    status: int = 0  #: the exit status that the program asked for
    idle_steps: tuple[Span, ...] = ()  #: steps of optimizers that found no gradient at all
    backwards: int = 0
    operations: int = 0
    truncated: bool = False
    notes: tuple[str, ...] = ()
    ended_by: Literal["end", "exception", "exit", "interrupt", "timeout"] = "end"
