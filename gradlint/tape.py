"""The tape: what happened to the values of one run, as plain frozen records.

Two producers write it (the abstract machine in `static/`, the tracer in `runtime/`), one engine reads it. Nothing here
knows torch, libcst or any other part of gradlint. Every record carries `time`, one counter for the whole tape, so the
order of a forward pass, a hook and a backward can be told. Ids are positions in `Tape.values`.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Literal

import msgspec


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of source text: 1-based lines and columns (code points), the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def within(self, outer: Span) -> bool:
        """Whether it lies inside another stretch, or is the same."""
        return (
            self.file == outer.file
            and (self.line, self.column) >= (outer.line, outer.column)
            and (self.end_line, self.end_column) <= (outer.end_line, outer.end_column)
        )


STOPS = ("detach", "grad-mode")  #: the causes that are written to stop a gradient


class Flow(IntEnum):
    """What an operation does to the gradient on the way from one value to another; a path is as strong as its weakest edge."""

    CUTS = 0
    ZEROES = 1
    UNKNOWN = 2
    CARRIES = 3


class Kind(str, Enum):
    """What a value is."""

    TENSOR = "tensor"
    ARRAY = "array"
    NUMBER = "number"
    UNKNOWN = "unknown"


Answer = Literal["yes", "no", "maybe"]


class Value(msgspec.Struct, frozen=True):
    """A node of the graph: one value at one moment. In-place changes make a new value, never change an old one."""

    id: int
    kind: Kind
    span: Span
    label: str
    time: int
    leaf: bool = False  #: made by the user, not by an operation
    requires_grad: Answer = "no"  #: meaningful for leaves: a leaf with yes or maybe is a source
    parameter: bool = False  #: owned by a module: never judged at a single demand
    may_own: bool = False  #: result of something unknown, which may bring parameters of its own
    joined: bool = False  #: may be one of several values (two branches met): no must-claims through it
    frozen_at: Span | None = None  #: where requires_grad was switched off, if it was
    gradient: bool = False  #: came from `.grad`, `autograd.grad` or a backward hook
    remade: bool = (
        False  #: a leaf made again from an existing value (`requires_grad_()` on a dead value, `nn.Parameter(f(x))`)
    )
    wanted: bool = (
        False  #: a remade leaf that somebody wants: a target, `.grad` read, given to an optimizer, stored as a target
    )


class Edge(msgspec.Struct, frozen=True):
    """Data flows from `src` to `dst` through `op`, written at `span`; the gradient flows back as `flow` says.

    For an operation inside a `no_grad` region the edge's span is the place that switched the mode (the `with` item, the
    decorator, the call) and `at` is the operation's own place.
    """

    src: int
    dst: int
    span: Span
    op: str
    flow: Flow
    time: int
    cause: str = ""  #: for CUTS and ZEROES: the cause a rule page claims, e.g. "detach"
    at: Span | None = None
    term: bool = False  #: dst is a sum in which src is a summand (+, -, unary -, scaled by a number, sum([...]))
    product: bool = False  #: dst is a product in which src is a factor
    foreign: bool = (
        False  #: a value-changing operation outside torch (np.clip, array * 2), not a mere export or reshape
    )
    select: bool = False  #: src only chose the positions that were read: index, mask, condition of where
    saves: bool = False  #: the operation certainly keeps tensors for its backward, which the first backward frees
    reason: Span | None = None  #: why it cuts: the `return` of a custom backward, the `with` that entered the mode


class Need(msgspec.Struct, frozen=True):
    """The backward of the operation that made `by` certainly needs `value` as it was at that moment."""

    value: int
    by: int
    span: Span
    op: str
    time: int


class Change(msgspec.Struct, frozen=True):
    """A tensor certainly got other numbers in place: what it was until then can no longer be had."""

    value: int
    span: Span
    label: str
    time: int


class Capture(msgspec.Struct, frozen=True):
    """A value was put or handed somewhere: the hops that a path shows."""

    value: int
    kind: Literal["hook", "attribute", "item", "append", "variable", "argument", "return", "read", "closure"]
    span: Span
    label: str
    time: int
    before: int = -1  #: for variables: what this very statement had given the name in the turn of the loop before
    during: Span | None = None  #: the call of the outermost module whose forward pass was running
    home: int = -1  #: for what was put into a dict: which one


DemandKind = Literal[
    "backward",  # tensor.backward(), torch.autograd.backward(...)
    "autograd.grad",  # torch.autograd.grad(root, targets) and the torch.func / autograd.functional transforms
    "grad-read",  # .grad used as a tensor
    "hook-read",  # what a hook should have caught is used, and is not there
    "register-hook",  # tensor.register_hook(...)
    "retain-grad",  # tensor.retain_grad()
    "optimize",  # an optimizer is given a tensor that is no leaf
    "export",  # a NumPy function or .numpy() on a tensor that certainly requires grad: raises
    "loss-return",  # declared: what a loss function or a loss module returns
    "training-step",  # declared: what a library differentiates for the user
    "optimizer",  # the end of a whole run: parameters that an optimizer stepped
]


class Demand(msgspec.Struct, frozen=True):
    """A place that asks for a gradient: of `targets` (empty: of whatever is there) with respect to `roots`."""

    id: int
    kind: DemandKind
    span: Span
    label: str
    time: int
    roots: tuple[int, ...] = ()
    targets: tuple[int, ...] = ()
    target_labels: tuple[str, ...] = ()
    whole: bool = False  #: belongs to a whole run: "never" and "nothing" are facts
    certain: bool = True  #: not under a condition gradlint could not decide
    create_graph: bool = False
    retained: bool = True  #: for grad-read: False when the target is certainly neither a leaf nor retained
    stack: tuple[Span, ...] = ()  #: the calls that led here, outermost first
    unknown: str = ""  #: not empty: why gradlint cannot judge this demand
    retains: bool = False  #: for backward and autograd.grad: the graph may be used again
    early: bool = False  #: for grad-read: certainly before any backward that could have left the gradient
    cleared: Span | None = None  #: for grad-read: where the gradient was thrown away since the last backward
    since: int = 0  #: with cleared: the moment; for loss-return: when the function began
    kept: int = -1  #: with cleared: the gradient itself, where the program uses it by a name of its own
    raises: bool = False  #: the program fails here, if what is read (hook-read, grad-read) or asked for is not there
    closed: bool = False  #: for optimizer: only known code has had its parameters, so all backwards are on the tape
    #: for backward: parameters whose gradient from here no optimizer steps with; for optimizer: what it steps, if all of it
    #: was frozen whenever it did
    unused: tuple[int, ...] = ()
    expected: bool = False  #: the program reckons with the error that a lost gradient raises here
    hooks: tuple[int, ...] = ()  #: for hook-read: the hooks (by index) that would have filled what is missing


HookKind = Literal["tensor", "forward", "pre", "backward", "legacy"]


class HookedCall(msgspec.Struct, frozen=True):
    """One forward pass of a module: through the module's call, which fires and binds hooks, or past it."""

    span: Span
    time: int
    outputs: tuple[int, ...] = ()
    bypass: bool = False  #: `module.forward(x)`: no hook runs, none is bound
    certain: bool = True


class Hook(msgspec.Struct, frozen=True):
    """One registration of a hook, and what became of it in its run."""

    kind: HookKind
    span: Span
    label: str
    time: int
    value: int = -1  #: for tensor hooks: the tensor
    removed: Span | None = None
    removed_at: int = 0
    left: Span | None = None  #: the end of the `with` block that removed it
    fired: tuple[int, ...] = ()  #: the moments it ran
    calls: tuple[HookedCall, ...] = ()  #: all forward passes of its module, from the beginning of the run
    certain: bool = True  #: a whole run, unconditional, on an object that only known code has seen
    stack: tuple[Span, ...] = ()  #: the calls that led to the registration, outermost first
    copied: Span | None = None  #: where its module was copied
    made: Span | None = None  #: where its module was made
    taken: Span | None = None  #: the name that its module was taken under: `layer = model.blocks[-1]`
    shared: Span | None = (
        None  #: where the list is made in which all objects of a class keep their handles, this one as well
    )


class Note(msgspec.Struct, frozen=True):
    """Something the program wrote that does not do what it says: a flag nobody reads, a capture that is overwritten."""

    kind: Literal[
        "module-flag",
        "misspelt-flag",
        "overwritten",
        "written-view",
        "written-leaf",
        "exchanged",
        "unregistered",
        "unstepped",
        "newcomer",
        "outlived",
        "twin",
    ]
    span: Span
    label: str
    time: int
    cause: Span | None = None  #: what did it: the operation that overwrites
    cause_label: str = ""  #: for flags: "on" or "off", where it is known
    use: Span | None = None  #: where the program relies on it
    use_label: str = ""
    made: Span | None = None  #: where the layer that overwrites was set up to do so
    stack: tuple[Span, ...] = ()  #: the calls inside of which it was written, as far as they tell something


class Tape(msgspec.Struct):
    """One run, in order of time."""

    values: list[Value] = []
    edges: list[Edge] = []
    captures: list[Capture] = []
    demands: list[Demand] = []
    hooks: list[Hook] = []
    notes: list[Note] = []
    needs: list[Need] = []
    changes: list[Change] = []
    #: numbers written past the graph (`.data`, under `no_grad`) into a tensor that stays what it was: they explain a gradient
    #: that is missing anyway, and never connect or cut anything
    writes: list[Edge] = []
    untaken: list[str] = []  #: the names that stand in branches which a whole run did not take
    #: what is run because an option says so: file, first line, last (see `options`)
    chosen: list[tuple[str, int, int]] = []
