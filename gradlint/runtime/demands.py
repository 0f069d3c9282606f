"""The places that ask for a gradient, and what came of it: raised, no gradient, zeros, or a gradient.

Every backward of a program goes through torch's one entrance to its engine; that is watched, with `.grad`, hooks and `retain_grad`.
Of many executions of one place with one outcome only the first few are kept, so that a long training costs no memory.
"""

from __future__ import annotations

import copy
import functools
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, MethodType
from typing import Any, get_args

from torch import Tensor

from gradlint.runtime.nodes import GRADIENT, GRAPHLESS, INEXACT, Nodes, is_leaf, unobserved, zero
from gradlint.runtime.places import DIRECT, THROUGH_LIBRARY, Places
from gradlint.runtime.reach import leaves
from gradlint.runtime.run import Outcome

_KEPT = 2  #: executions of one place with one outcome that are kept
_SHAPES = 20  #: different histories of one demand that are kept
_NEAR = 100  #: values that tell one history from another
_CLOSELY = 3  #: steps of an optimizer that are all looked at closely
_LOOKED_AT = 6  #: executions of one place whose gradients are looked at
_FUNCTIONS = (FunctionType, MethodType, functools.partial)
_WORDS: dict[bool | None, Outcome] = {True: "zero", False: "nonzero", None: "unseen"}
MARK = "__gradlint_demand__"  #: on an exception: the demand that raised it


class Seen:
    """One execution of a demand, as it is written down."""

    __slots__ = (
        "after", "cleared", "create_graph", "early", "fired", "gradients", "kind", "moment", "names", "raised", "retained", "retains",
        "roots", "site", "targets", "unused",
    )  # fmt: skip

    def __init__(self, kind: str, site: int, moment: int, roots: Sequence[int], targets: Sequence[int]) -> None:
        self.kind = kind
        self.site = site
        self.moment = moment
        self.roots = tuple(roots)
        self.targets = tuple(targets)
        self.create_graph = False
        self.retained = True
        self.retains = False
        self.early = False  #: of a `.grad`: before any backward
        self.cleared = -1  #: of a `.grad`: the site that has thrown it away since the last backward
        self.raised = ""
        self.gradients: tuple[Outcome, ...] = ()
        self.unused: dict[
            int, int
        ] = {}  #: of a backward: leaves whose gradient nobody has used yet, each with its node
        self.fired = 0  #: how often a hook ran
        self.names: tuple[str, ...] = ()  #: of a hook: the names and texts in its code
        self.after = 0  #: of a hook: how many backwards had run when it was registered


class Demands:
    """All demands of a run."""

    def __init__(self, places: Places, nodes: Nodes) -> None:
        self.places = places
        self.nodes = nodes
        self.kept: list[Seen] = []
        self.counts: Counter[tuple[object, ...]] = Counter()
        self.backwards = 0
        self.steps: dict[int, Stepped] = {}
        self.escaped: set[int] = set()  #: kept demands whose exception left a thread
        self._shapes: Counter[tuple[str, int]] = Counter()
        self.idle: set[int] = set()  #: steps of optimizers that found no gradient at all
        self.by_hand: set[int] = set()  #: parameters that the program trains itself, although an optimizer steps them
        self._sites: Counter[tuple[str, int]] = Counter()
        self._cleared: dict[int, tuple[int, int]] = {}  #: node: how many backwards before, and where
        self._made: dict[int, int] = {}
        self._pending: dict[int, list[Seen]] = {}  #: leaf: the backwards whose gradients wait in its `.grad`
        self._inside: set[int] = set()  #: threads that are in the engine

    # --- the engine --------------------------------------------------------------------------------------------------

    def run(self, engine: Callable[..., Any], roots: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the engine for the user and look at what comes of it."""
        if self._nested():
            return engine(roots, *args, **kwargs)
        seen, before, asked = self._begin(roots, args, kwargs, sys._getframe(2))
        self._inside.add(threading.get_ident())
        try:
            result = engine(roots, *args, **kwargs)
        except BaseException as error:
            self._raised(seen, error)
            raise
        finally:
            self._inside.discard(threading.get_ident())
        self.backwards += 1
        self._done(seen, before, asked, roots, result)
        return result

    def _nested(self) -> bool:
        """Whether the engine itself is asking: in its caller's thread, or in one of its own, which Python has not started."""
        here = threading.get_ident()
        return here in self._inside or (bool(self._inside) and all(t.ident != here for t in threading.enumerate()))

    @unobserved
    def _done(
        self, seen: Seen, before: Sequence[Waiting] | None, asked: Sequence[Tensor], roots: Any, result: Any
    ) -> None:
        if seen.kind == "backward":
            filled = asked or [waiting.leaf for waiting in before or () if waiting.filled()]
            seen.gradients = _outcomes([t.grad for t in asked]) if asked else _overall(filled)
            if before is not None and seen.gradients != ("nonzero",):
                filled = leaves(
                    [t for t in roots if isinstance(t, Tensor)]
                )  # also those that the recording has not met
                seen.gradients = _overall(filled)
            self._filled(seen, filled)
        else:
            self._gradients(seen, asked, result)
        self._keep(seen)

    @unobserved
    def _begin(self, roots: Any, args: Sequence[Any], kwargs: dict[str, Any],
               frame: Any) -> tuple[Seen, list[Waiting] | None, list[Tensor]]:  # fmt: skip
        given = dict(zip(("grad_tensors", "keep_graph", "create_graph", "inputs", "allow_unused"), args, strict=False))
        inputs = [t for t in (given.get("inputs") or ()) if isinstance(t, Tensor)]
        outputs = [t for t in roots if isinstance(t, Tensor)]
        kind = "backward" if kwargs.get("accumulate_grad") else "autograd.grad"
        site = self.places.here(frame)
        nodes = self.nodes
        found = [nodes.of(t) for t in outputs]
        targets = [nodes.of(t) for t in inputs]
        if kind == "autograd.grad" and given.get("allow_unused") and len(targets) > 1:
            flown = nodes.ancestors(found)  # the others may well be off the way
            targets = [t for t in targets if t in flown] or targets
        seen = Seen(kind, site, nodes.moment, found, targets)
        seen.create_graph = bool(given.get("create_graph"))
        seen.retains = bool(given.get("keep_graph"))
        nodes.recent.extend(found)
        self._sites[kind, site] += 1
        look = kind == "backward" and not inputs and self._sites[kind, site] <= _LOOKED_AT
        return seen, [Waiting(t) for t in nodes.leaves()] if look else None, inputs

    def _filled(self, seen: Seen, reached: Sequence[Tensor]) -> None:
        """A backward has left gradients, which somebody may use."""
        for tensor in reached:
            seen.unused[id(tensor)] = self.nodes.of(tensor)
            self._pending.setdefault(id(tensor), []).append(seen)

    def used(self, tensors: Iterable[Tensor]) -> None:
        """The gradients of some leaves were used: by an optimizer, or by whoever reads them."""
        for key in map(id, tensors):
            for seen in self._pending.pop(key, ()):
                seen.unused.pop(key, None)

    def _gradients(self, seen: Seen, asked: Sequence[Tensor], result: Sequence[Any]) -> None:
        """What `autograd.grad` gave: outcomes, and nodes for the gradients."""
        look = self._sites[seen.kind, seen.site] <= _LOOKED_AT
        outcomes = zip(_outcomes(result, look=look), asked, strict=False)
        seen.gradients = tuple(outcome for outcome, t in outcomes if self.nodes.of(t) in seen.targets)
        for index, (gradient, _) in enumerate(zip(result, asked, strict=False)):
            if isinstance(gradient, Tensor):
                self._gradient(seen, gradient, index)

    def _gradient(self, seen: Seen, gradient: Tensor, index: int) -> None:
        flags = GRADIENT | INEXACT | (gradient.requires_grad or GRAPHLESS)
        parents = [*seen.roots, *(seen.targets if seen.create_graph else ())]
        self.nodes.put(gradient, self.nodes.add(parents, seen.site, None, flags, 0, index))

    def _raised(self, seen: Seen, error: BaseException) -> None:
        seen.raised = f"{type(error).__name__}: {error}"
        self._keep(seen)
        if seen in self.kept:
            error.__dict__[MARK] = self.kept.index(seen)

    def left_a_thread(self, error: BaseException | None) -> None:
        """An exception came out of a thread, where nobody can catch it any more."""
        number = None if error is None else ender(error)
        if number is not None:
            self.escaped.add(number)

    def _keep(self, seen: Seen) -> None:
        """Keep the first executions of each outcome."""
        key = (seen.kind, seen.site, seen.raised[:40], seen.gradients, self._history(seen))
        self.counts[key] += 1
        self._shapes[seen.kind, seen.site] += self.counts[key] == 1
        if self.counts[key] <= _KEPT and self._shapes[seen.kind, seen.site] <= _SHAPES:
            self.kept.append(seen)
            self.nodes.kept.update(seen.roots, seen.targets)

    def again(self) -> None:
        """Whoever watches from now on wants to see the first executions, too."""
        self.counts.clear()
        self._shapes.clear()
        self._sites.clear()

    def _history(self, seen: Seen) -> frozenset[int]:
        """The places that the nearest values came from: another way through the program is another case."""
        rows = self.nodes.rows
        todo = deque([*seen.roots, *seen.targets])
        met: set[int] = set()
        while todo and len(met) < _NEAR:
            number = todo.popleft()
            if number not in met and number in rows:
                met.add(number)
                todo.extend(rows[number][0])
        return frozenset(rows[number][1] for number in met)

    # --- .grad, hooks, exports ---------------------------------------------------------------------------------------

    @unobserved
    def grad_read(self, tensor: Tensor, gradient: Any, frame: Any) -> None:
        """`tensor.grad` was read by the user's own code."""
        site = self.places.here(frame)
        if self._nested() or self.places.through(site) != DIRECT:
            if self.places.through(site) == THROUGH_LIBRARY:
                self.used((tensor,))
            return
        self.used((tensor,))
        node = self.nodes.of(tensor)
        seen = Seen("grad-read", site, self.nodes.moment, tuple(self.nodes.recent), (node,))
        seen.retained = is_leaf(tensor) or tensor.retains_grad
        if gradient is None:
            seen.early = self.backwards == 0
            backwards, where = self._cleared.get(node, (-1, -1))
            seen.cleared = where if backwards == self.backwards else -1
        self._sites[seen.kind, site] += 1
        look = self._sites[seen.kind, site] <= _LOOKED_AT
        seen.gradients = _outcomes([gradient], look=look)
        self._keep(seen)
        if isinstance(gradient, Tensor) and self.nodes.find(gradient) is None:
            self._gradient(seen, gradient, 0)

    @unobserved
    def cleared(self, tensor: Tensor, frame: Any) -> None:
        """A gradient was thrown away."""
        if not self._nested() and tensor.requires_grad:
            self._pending.pop(id(tensor), None)
            self._cleared[self.nodes.of(tensor)] = (self.backwards, self.places.here(frame))

    @unobserved
    def claimed(self, root: Tensor, target: Tensor, strength: str, frame: Any) -> None:
        """Somebody claimed that a target is connected, and it is not."""
        seen = Seen(
            "autograd.grad",
            self.places.here(frame),
            self.nodes.moment,
            (self.nodes.of(root),),
            (self.nodes.of(target),),
        )
        seen.gradients = ("zero" if strength == "zero" else "none",)
        self.kept.append(seen)

    def register_hook(self, function: Callable[..., Any], args: Any, kwargs: Any, frame: Any) -> Any:
        """`tensor.register_hook(f)`: count how often it fires."""
        seen = self._on(args[0], "register-hook", frame)
        hook = args[1] if len(args) > 1 else kwargs["hook"]
        try:
            result = function(args[0], Counting(hook, seen))
        except RuntimeError as error:
            self._raised(seen, error)
            raise
        seen.names = _names(hook)
        self._keep_hook(seen)
        return result

    def module_hook(self, kind: str, hook: Callable[..., Any], frame: Any) -> Callable[..., Any]:
        """A hook on a module: the hook to register instead, which counts.

        Only plain functions of the user's own are counted: torch tells some of its hooks by their class.
        """
        if not isinstance(hook, _FUNCTIONS) or self.places.through(self.places.here(frame)) != DIRECT:
            return hook
        seen = Seen(kind, self.places.here(frame), self.nodes.moment, (), ())
        seen.names = _names(hook)
        self._keep_hook(seen)
        return Counting(hook, seen)

    def _keep_hook(self, seen: Seen) -> None:
        self._sites[seen.kind, seen.site] += 1
        if self._sites[seen.kind, seen.site] <= _KEPT:
            seen.after = self.backwards
            self.kept.append(seen)
            self.nodes.kept.update(seen.targets)

    def retain_grad(self, function: Callable[..., Any], args: Any, kwargs: Any, frame: Any) -> Any:
        """`tensor.retain_grad()`."""
        seen = self._on(args[0], "retain-grad", frame)
        try:
            result = function(*args, **kwargs)
        except RuntimeError as error:
            self._raised(seen, error)
            raise
        seen.gradients = ()
        self._keep(seen)
        return result

    def refused(self, tensor: Tensor, error: BaseException, frame: Any) -> None:
        """NumPy was refused a tensor that requires grad."""
        self._raised(self._on(tensor, "export", frame), error)

    @unobserved
    def _on(self, tensor: Tensor, kind: str, frame: Any) -> Seen:
        return Seen(kind, self.places.here(frame), self.nodes.moment, (), (self.nodes.of(tensor),))

    # --- optimizers --------------------------------------------------------------------------------------------------

    def optimizer(self, optimizer: Any, frame: Any) -> None:
        """An optimizer was made."""
        self._made[id(optimizer)] = self.places.here(frame)

    @unobserved
    def step(self, optimizer: Any, frame: Any) -> None:
        """An optimizer is about to step: note which of its parameters have ever had a gradient."""
        if id(optimizer) not in self.steps:
            self.steps[id(optimizer)] = Stepped(type(optimizer).__name__, self._made.get(id(optimizer), -1))
        stepped = self.steps[id(optimizer)]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        stepped.look(parameters, self.nodes)
        self.used(parameters)
        if self.backwards and stepped.rare() and all(p.grad is None for p in parameters):
            self.idle.add(self.places.here(frame))
        self.nodes.kept.update(stepped.given.values() if stepped.count <= _CLOSELY else stepped.lost.values())

    @unobserved
    def replaced(self, old: Tensor, new: Tensor) -> None:
        """Another tensor takes the place of a parameter; one that was not computed from it says that it is trained by hand."""
        before, after = self.nodes.find(old), self.nodes.find(new)
        if before is None or after is None:
            return
        made_of = self.nodes.node(after).parents or (after,)
        if before not in self.nodes.ancestors(made_of, live=True):
            self.by_hand.add(before)


class Waiting:
    """A leaf before a backward, and what is in its `.grad`."""

    __slots__ = ("_before", "_version", "leaf")

    def __init__(self, leaf: Tensor) -> None:
        self.leaf = leaf
        self._before = leaf.grad
        self._version = _version(leaf.grad)

    def filled(self) -> bool:
        """Whether a gradient has arrived: the engine puts a new one there, or adds to the one that is."""
        now = self.leaf.grad
        return now is not None and (now is not self._before or _version(now) != self._version)


class Stepped:
    """The parameters that an optimizer stepped."""

    def __init__(self, name: str, site: int) -> None:
        self.name = name
        self.site = site
        self.count = 0
        self.frozen = True  #: whether all of it was whenever it stepped
        self.given: dict[int, int] = {}  #: all parameters by their identity, each with its node
        self.lost: dict[int, int] = {}  #: those that have never had a gradient other than zero

    def look(self, parameters: Sequence[Tensor], nodes: Nodes) -> None:
        """One more step: note which parameters have a gradient now, and until now had none."""
        self.count += 1
        self.frozen = self.frozen and not any(p.requires_grad for p in parameters)
        for parameter in parameters:
            key = id(parameter)
            if key in self.given and key not in self.lost:
                continue
            self.given[key] = self.lost[key] = nodes.of(parameter)
            if parameter.grad is not None and _outcome(parameter.grad) != "zero":
                del self.lost[key]

    def rare(self) -> bool:
        """Whether this is one of the few steps of a long training that are looked at closely."""
        return self.count <= _CLOSELY or not self.count & (self.count - 1)


def _names(hook: Any) -> tuple[str, ...]:
    """The names and texts that a hook's code uses: where it may put what it catches."""
    function = hook.func if isinstance(hook, functools.partial) else hook
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return ()
    return (*code.co_names, *code.co_freevars, *(c for c in code.co_consts if isinstance(c, str)))


class Counting:
    """A hook that also counts. To whoever looks at it, it is the hook; a copy holds a copy of the hook, a pickle the hook alone."""

    def __init__(self, hook: Callable[..., Any], seen: Seen) -> None:
        functools.update_wrapper(self, hook, updated=())
        self.__wrapped__ = hook
        self._seen = seen

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The hook's own answer."""
        self._seen.fired += 1
        return self.__wrapped__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["__wrapped__"], name)

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self.__wrapped__ == other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Counting:
        return Counting(copy.deepcopy(self.__wrapped__, memo), self._seen)

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self.__wrapped__,)


def ender(error: BaseException) -> int | None:
    """The demand that an exception, or what it was raised from, comes from."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        number: int | None = at.__dict__.get(MARK)
        if number is not None:
            return number
        at = at.__cause__ or at.__context__
    return None


def _outcomes(gradients: Sequence[Any], *, look: bool = True) -> tuple[Outcome, ...]:
    return tuple("none" if g is None else _outcome(g) if look else "unseen" for g in gradients)


def _overall(reached: Sequence[Tensor]) -> tuple[Outcome, ...]:
    """What arrived at the leaves of a graph: one word for all of them; empty if nobody looked."""
    if not reached:
        return ()
    arrived = [t.grad for t in reached if t.grad is not None]
    return ("none",) if not arrived else (max(map(_outcome, arrived), key=get_args(Outcome).index),)


def _version(gradient: Tensor | None) -> int:
    return -1 if gradient is None else gradient._version


def _outcome(gradient: Tensor) -> Outcome:
    return _WORDS[zero(gradient)]
