"""The abstract machine's state: the store, the tape, the grad mode, the budget and the stack of calls.

The machine runs a program on abstract values. What each construct does lives in the modules of this folder, as functions
that take the machine first; here is only what they all share: recording, joining, branching and counting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gradlint.static.budget import CALL_DEPTH, DEEP, ORIGINS, RECURSION, BudgetHit
from gradlint.static.joins import join_values
from gradlint.static.program import ClassDef, FunctionDef, Node, Place
from gradlint.static.recording import Input, Recorder
from gradlint.static.store import MISSING, Delta, Key, Obj, Store
from gradlint.static.values import (
    HELD,
    ITEMS,
    NODE,
    WHOLE,
    Alt,
    Array,
    Cell,
    DictObj,
    Frame,
    Function,
    Instance,
    ListObj,
    Mode,
    Native,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    content,
    dict_items,
)  # fmt: skip
from gradlint.tape import HookedCall, Kind, Note, Span

if TYPE_CHECKING:
    from gradlint.catalog import Catalog
    from gradlint.static.hooks import Registration
    from gradlint.static.imports import Project
    from gradlint.static.training import Update

Seen = set[int]  #: objects that were visited, by id

#: what a statement did to the flow of control
NORMAL, RETURN, BREAK, CONTINUE = "normal", "return", "break", "continue"

#: the cells of a module, or of the run, that list hooks
HOOK_LISTS = ("$hooks", "$pre_hooks", "$backward_hooks", "tensor_hooks", "loose")

#: the facts of the run that hold for a stretch of text, whichever way leaves it: whether a `try` catches, what is expected
LEXICAL: dict[Key, Any] = {"trying": 0, "expected": frozenset()}

GRAD_ON = Mode(True, Span("", 0, 0, 0, 0), "")


class Machine:
    """One run of one entry point (see `entries`): a fresh tape over a fresh store."""

    def __init__(self, catalog: Catalog, project: Project, limit: int, whole: bool) -> None:
        self.catalog = catalog
        self.project = project
        self.store = Store()
        self.tape = Recorder()
        self.limit = limit
        self.whole = whole
        self.measured: set[Span] = set()  #: functions called a loss whose value a run only looks at
        self.read: set[str] = set()  #: the paths of the files that were loaded
        self._imports = 0
        self.main = ""  #: the file that is run as a script
        self.steps = 0
        self.stack: list[Span] = []
        self.doubt = 0  #: how many undecided conditions we are inside of
        self.turns = 0  #: how many loops over unknown elements we are inside of
        self.later = 0  #: how many later turns of such loops we are inside of
        self.phase = ""  #: what the number of the present turn was taken to be (see `schedules`), as it is written
        self.looped: set[Span] = set()  #: such loops that were run in full
        #: how many calls we are inside of that may fit none of the conditions, nor the grad mode, they were made under: an object
        #: that one setting chose, in the branch of another
        self.unfit = 0
        self._running: dict[int, list[int]] = {}  #: per def: how undecided each of its calls was
        self.state = Obj()  #: run-wide facts: grad mode, backward roots, hooks on unknown models
        self.state.cells |= LEXICAL
        self.state.cells["mode"] = GRAD_ON
        self.state.cells["roots"] = ()
        self.called: set[Span] = set()  #: functions that ran, by the span of their name
        self.own_calls: set[Span] = set()  #: calls of the project's functions, whatever they are called
        self.bounds: Counter[str] = Counter()  #: how often each bound was hit
        self.closures: dict[
            Span, Function
        ] = {}  #: functions that a run defined inside others, by the span of their name
        self._making: set[int] = set()
        self.sites: dict[Span, str] = {}  #: demand sites that were reached
        self.statement: tuple[Frame, Node] | None = None  #: what is being run
        self.absent: Cell | None = None  #: the cell that the statement being run last read None from
        # what follows only grows, in whatever branch: it tells what may have happened
        self.hooks: list[Registration] = []
        self.module_calls: list[tuple[Instance, HookedCall]] = []
        self.exposed: dict[int, Instance] = {}  #: objects that unknown code has got
        self.outside_code = False  #: whether unknown code may call functions of the project
        self.stumbled = False  #: whether a statement failed and was passed over: what it should have done is missing
        self.flags: list[tuple[Instance | None, Note]] = []  #: flags that switch nothing
        self.flags_read: dict[int, Instance] = {}  #: the owners, by id
        self.updates: list[Update] = []  #: steps of optimizers, and gradients thrown away
        self.looked_at: set[int] = set()  #: leaves whose gradient the program reads itself
        self.written: set[int] = set()  #: tensors that may have got other numbers in place
        self.untaken: set[tuple[str, int, int]] = set()  #: the lines of branches that were not run (see `untaken`)
        self.pass_begun = 0  #: when the outermost forward pass that is running began; 0 outside of any
        self.rehearsing = False  #: a hook is run to see what it would write

    # --- counting ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Count one statement or expression."""
        self.steps += 1
        if self.steps > self.limit:
            raise BudgetHit

    @contextmanager
    def importing(self) -> Iterator[None]:
        """Inside the body of a module. What it imports may take half of a run's steps; then it is left half-run."""
        nested, limit = self._imports > 0, self.limit
        self._imports += 1
        if self._imports == 2:
            self.limit = limit // 2
        try:
            yield
        except BudgetHit:
            if not nested or self._imports > 2:
                raise
            self.bounds["steps of imports"] += 1
        finally:
            self._imports -= 1
            self.limit = limit

    def may_import(self) -> bool:
        """Whether imports of imports have steps left."""
        return self._imports < 2 or self.steps <= self.limit

    def deep(self) -> bool:
        """Whether the stack of calls is as deep as it may get."""
        return self._hit("call depth", len(self.stack) >= CALL_DEPTH)

    def circling(self, node: Node) -> bool:
        """Whether calling a def again would turn an undecided recursion a third time: like a loop, it is run twice."""
        running = self._running.get(id(node), [])
        return self._hit("recursion", len(running) >= RECURSION and self.doubt + self.turns > running[-1])

    def _hit(self, bound: str, hit: bool) -> bool:
        """Count a bound where it was hit."""
        self.bounds[bound] += hit
        return hit

    @contextmanager
    def turning(self, known: bool) -> Iterator[None]:
        """Inside a loop whose elements are all known, or are not."""
        self.turns += not known
        try:
            yield
        finally:
            self.turns -= not known

    @contextmanager
    def running(self, node: Node, span: Span) -> Iterator[None]:
        """Inside the body of a def that was called at `span`."""
        calls = self._running.setdefault(id(node), [])
        calls.append(self.doubt + self.turns)
        self.stack.append(span)
        try:
            yield
        finally:
            self.stack.pop()
            calls.pop()

    # --- places -----------------------------------------------------------------------------------------------------

    def span(self, frame: Frame, node: Node | Place) -> Span:
        """The span of a node of the frame's module."""
        place = node.place if isinstance(node, Node) else node
        return Span(frame.module.program.file, *place)

    def statement_span(self) -> Span:
        """The statement being run, of a compound one its head."""
        if self.statement is None:
            return self.here()
        frame, node = self.statement
        return self.span(frame, getattr(node, "test", None) or getattr(node, "iter", None) or node)

    def text(self, span: Span, limit: int = 60) -> str:
        """The source text of a span on one line, shortened."""
        return self.project.text(span, limit)

    # --- cells ------------------------------------------------------------------------------------------------------

    def set(self, obj: Obj, key: Key, value: Any) -> None:
        """Write a cell (see `Store`)."""
        self.store.set(obj, key, value)

    def get(self, obj: Obj, key: Key, default: Any = MISSING) -> Any:
        """Read a cell."""
        value = obj.cells.get(key, MISSING)
        return default if value is MISSING else value

    def note_absent(self, obj: Obj, key: str) -> None:
        """None was read from a cell; what was put there from another cell leads back to that one."""
        self.absent = self.get(obj, f"$from {key}", None) or (obj, key)

    def keep_absent(self, obj: Obj, key: str) -> None:
        """None was put into a cell: remember which cell it came from."""
        if self.absent is not None or f"$from {key}" in obj.cells:
            self.set(obj, f"$from {key}", self.absent)

    @property
    def mode(self) -> Mode:
        """The grad mode in force."""
        found: Mode = self.state.cells["mode"]
        return found

    # --- nodes ------------------------------------------------------------------------------------------------------

    def node_of(self, value: Val) -> int | None:
        """The tape node of one value, None if no tensor's data can be in it."""
        match value:
            case Tensor():
                return int(value.cells[NODE])
            case Array():
                return value.cells.get(NODE)
            case Scalar():
                return value.node
            case Unknown():
                return self.unknown_node(value)
        return None

    def unknown_node(self, value: Unknown) -> int:
        """The node of an unknown value, made when first asked for."""
        tensor = value.cells.get("$tensor")
        if isinstance(tensor, Tensor):  # that may have been changed in place since
            return int(tensor.cells[NODE])
        node = value.cells.get(NODE, MISSING)
        if node is MISSING:
            origin = value.origin
            if self.is_part(value):
                return self._read_part(value)
            ends = origin is None or id(value) in self._making or len(self._making) > ORIGINS
            sources = [] if ends else self._origin_nodes(value)
            node = self.tape.unknown(self.here(), value.label, sources)
            self.store.keep(value, NODE, node)  # the same answer in every branch
        return int(node)

    def is_part(self, value: Unknown) -> bool:
        """Whether an unknown is, or was read from, one whose parts hang on what it hangs on and on nothing else."""
        seen: Val = value
        for _ in range(ORIGINS):
            if not isinstance(seen, Unknown) or WHOLE in seen.cells:
                return isinstance(seen, Unknown)
            if NODE in seen.cells:
                return False
            seen = seen.origin
        return False

    def _read_part(self, value: Unknown) -> int:
        """The node of such a part."""
        whole = self.unknown_node(value.origin)
        node = self.tape.result(Kind.UNKNOWN, self.here(), value.label, value.label, [Input(whole)])
        self.store.keep(value, NODE, node)
        self.store.keep(value, WHOLE, True)
        return node

    def _origin_nodes(self, value: Unknown) -> list[int]:
        """The nodes of what an unknown was read from; what holds the unknown itself ends the search."""
        self._making.add(id(value))
        try:
            return self.nodes(value.origin, depth=1)
        finally:
            self._making.discard(id(value))

    def here(self) -> Span:
        """The place of the call being run, for values without a place of their own."""
        return self.stack[-1] if self.stack else Span("", 1, 1, 1, 1)

    def nodes(self, value: Val, depth: int = DEEP) -> list[int]:
        """The tape nodes of a value and of what it holds, to a depth."""
        if isinstance(value, (Tensor, Array, Scalar, Unknown)):
            node = self.node_of(value)
            return [] if node is None else [node]
        if value is None or isinstance(value, (bool, int, float, str)):
            return []
        found: dict[int, None] = {}
        self._collect(value, depth, found, set())
        return list(found)

    def _collect(self, value: Val, depth: int, found: dict[int, None], seen: Seen) -> None:
        if value is None or isinstance(value, (bool, int, float, str)):
            return
        if isinstance(value, (Tensor, Array, Scalar, Unknown)):
            node = self.node_of(value)
            if node is not None:
                found[node] = None
            return
        if depth <= 0 or id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, Native):  # an attribute of a library object: what the object holds
            depth += 1
        for inner in held(value):
            self._collect(inner, depth - 1, found, seen)

    # --- branches ---------------------------------------------------------------------------------------------------

    def branch(self, frame: Frame, arms: Sequence[Callable[[], str]]) -> str:
        """Run the arms as alternatives and join what they did; what certainly raises is no alternative."""
        outcomes: list[tuple[str, Delta]] = []
        failures: list[Raised] = []  # a frame must not hold what it raises: that is a cycle
        self.doubt += 1
        try:
            for arm in arms:
                mark = self.store.mark()
                try:
                    signal = arm()
                except Raised as raised:
                    failures = [raised.with_traceback(None)]
                    self.store.rollback(mark)
                    continue
                except BudgetHit:
                    self.store.rollback(mark)
                    raise
                outcomes.append((signal, self.store.take(mark)))
        finally:
            self.doubt -= 1
        if not outcomes:
            raise failures.pop() if failures else Raised("nothing runs here")
        return self._merge(frame, outcomes)

    def _merge(self, frame: Frame, outcomes: list[tuple[str, Delta]]) -> str:
        staying = NORMAL if any(signal == NORMAL for signal, _ in outcomes) else outcomes[-1][0]
        for signal, delta in outcomes:
            if signal != staying:
                self.postpone(frame, signal, delta)
        self.join([delta for signal, delta in outcomes if signal == staying])
        return staying

    def postpone(self, frame: Frame, signal: str, delta: Delta) -> None:
        """Keep the state of a path that left early; it is joined where its frame or loop ends."""
        mark = self.store.mark()
        self.store.apply(delta)
        if signal == RETURN:
            frame.pending.append(self.store.snapshot(frame.start))
        elif frame.loops:
            start, left, again = frame.loops[-1]
            (left if signal == BREAK else again).append(self.store.snapshot(start))
        self.store.rollback(mark)

    def settle(self, start: int, pending: list[Delta], alive: bool) -> None:
        """Join the present state (if `alive`) with the paths that left early since `start`.

        A path that left from within a `try` or a `with` kept their state; here both have been left.
        """
        if not pending:
            return
        deltas = list(pending)
        pending.clear()
        around, mode = {key: self.state.cells[key] for key in LEXICAL}, self.mode
        present = self.store.take(start)
        self.join([*deltas, present] if alive else deltas)
        for key, value in around.items():
            self.set(self.state, key, value)
        if mode.enabled and not self.mode.enabled:
            self.set(self.state, "mode", mode)

    def join(self, deltas: Sequence[Delta]) -> None:
        """Apply the join of alternatives."""
        self.store.join(deltas, self._join_cell, NODE)

    def _join_cell(self, obj: Obj, key: Key, values: Sequence[Any]) -> Any:
        if key == NODE:
            return self._join_nodes([v for v in values if v is not MISSING])
        if key == ITEMS:
            return self._join_content(obj, values)
        if key in HOOK_LISTS:
            return self._join_hooks(obj.cells.get(key, MISSING), values)
        if obj is self.state:
            return _join_state(key, values)
        return join_values(self, values)

    def _join_hooks(self, before: Any, values: Sequence[Any]) -> Any:
        """Hooks add up, those of some ways only perhaps; one that was there before and is missing in some way is gone."""
        ways = [v if isinstance(v, tuple) else () for v in values]
        known = before if isinstance(before, tuple) else ()
        kept = [hook for hook in known if all(hook in way for way in ways)]
        new = dict.fromkeys(hook for way in ways for hook in way if hook not in known)
        for hook in new:
            if not all(hook in way for way in ways):
                hook.learn(self, perhaps=True, certain=False)
        return (*kept, *new)

    def _join_nodes(self, nodes: Sequence[int]) -> int:
        distinct = list(dict.fromkeys(nodes))
        if len(distinct) == 1:
            return distinct[0]
        last = self.tape.values[distinct[-1]]
        return self.tape.phi(distinct, last.span, last.label)

    def _join_content(self, obj: Obj, values: Sequence[tuple[Val, ...]]) -> tuple[Val, ...]:
        longest = max(values, key=len)
        if any(len(v) != len(longest) for v in values):
            self.set(obj, "$open", True)
        return tuple(self._join_item([v[i] for v in values if i < len(v)]) for i in range(len(longest)))

    def _join_item(self, column: Sequence[Val]) -> Val:
        first = column[0]
        return first if all(v is first for v in column) and first is not MISSING else join_values(self, column)

    def alternatives(self, value: Val, run: Callable[[Val], Val]) -> Val:
        """Run something for each alternative of a value and join the results; nobody knows which of several it is."""
        if not isinstance(value, Alt):
            return run(value)
        results: list[Val] = []
        deltas: list[Delta] = []
        failures: list[Raised] = []
        several = sum(option is not None for option in value.options) > 1
        outside = several and self.doubt > 0 and self.mode.enabled is False
        self.unfit += outside
        self.doubt += several
        try:
            for option in value.options:
                mark = self.store.mark()
                try:
                    results.append(run(option))
                except Raised as raised:
                    failures = [raised.with_traceback(None)]
                    self.store.rollback(mark)
                    continue
                deltas.append(self.store.take(mark))
        finally:
            self.doubt -= several
            self.unfit -= outside
        if not results:
            raise failures.pop() if failures else Raised("no alternative")
        self.join(deltas)
        return join_values(self, results)

    # --- values -----------------------------------------------------------------------------------------------------

    def unknown(self, label: str, sources: Iterable[int] = (), span: Span | None = None, origin: Val = None) -> Unknown:
        """A new unknown whose data may come from `sources`."""
        made = Unknown(label, origin)
        given = list(sources)
        if given:
            made.cells[NODE] = self.tape.unknown(span or self.here(), label, given)
        return made

    def tensor(self, node: int, base: Tensor | None = None) -> Tensor:
        """A tensor object at a node."""
        return Tensor(node, base)

    def mark_called(self, span: Span) -> None:
        """This function has run: it needs no partial run of its own."""
        self.called.add(span)

    def kind_of(self, node: int) -> Kind:
        """What a node is."""
        return self.tape.values[node].kind


def held(value: Val) -> Iterable[Val]:
    """What a container or instance holds."""
    match value:
        case tuple():
            return value
        case Alt():
            return value.options
        case ListObj():
            return content(value)
        case DictObj():
            return [v for _, v in dict_items(value)]
        case Instance():
            shown = [v for k, v in list(value.cells.items()) if v is not MISSING and not str(k).startswith("$")]
            return [*shown, *value.cells.get(HELD, ())]
        case Native():
            return (value.receiver,)
    return ()


def defined(node: FunctionDef | ClassDef, file: str) -> Span:
    """The identity of a def or class: where its name stands."""
    return Span(file, *node.name_place)


def _join_state(key: Key, values: Sequence[Any]) -> Any:
    """Run-wide facts: roots and hooks add up; a mode that differs is the one with gradients (silence)."""
    if any(isinstance(v, tuple) for v in values):
        return tuple(dict.fromkeys(item for v in values if isinstance(v, tuple) for item in v))
    return next((v for v in values if isinstance(v, Mode) and v.enabled), values[0])
