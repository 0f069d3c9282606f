"""Which names each body binds, by Python's rules: kept while lowering walks, so that no second walk is needed."""

from __future__ import annotations

from gradlint.static.program import Params, Scope


class Names:
    """The names of one body while it is being lowered."""

    __slots__ = ("comprehension", "globals", "locals", "name", "nonlocals", "yields")

    def __init__(self, name: str, comprehension: bool) -> None:
        self.name = name
        self.comprehension = comprehension
        self.locals: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.yields = False

    def scope(self) -> Scope:
        """The finished scope."""
        declared = self.globals | self.nonlocals
        return Scope(frozenset(self.locals - declared), frozenset(self.globals), frozenset(self.nonlocals))


class Scopes:
    """The stack of bodies that the walk is inside of."""

    def __init__(self) -> None:
        self._stack: list[Names] = []

    def push(self, name: str = "", params: Params | None = None, comprehension: bool = False) -> None:
        """Enter a body; parameters are bound in it."""
        made = Names(name, comprehension)
        if params is not None:
            given = [*params.posonly, *params.ordinary, *params.kwonly, params.star, params.kwargs]
            made.locals.update(param.name for param in given if param is not None)
        self._stack.append(made)

    def pop(self) -> Names:
        """Leave a body."""
        return self._stack.pop()

    def bind(self, name: str) -> None:
        """The body binds a name."""
        self._stack[-1].locals.add(name)

    def bind_outside(self, name: str) -> None:
        """A walrus binds in the function around the comprehensions it stands in."""
        next(names for names in reversed(self._stack) if not names.comprehension).locals.add(name)

    def declare(self, word: str, names: tuple[str, ...]) -> None:
        """`global` or `nonlocal`."""
        top = self._stack[-1]
        (top.globals if word == "global" else top.nonlocals).update(names)

    def note_yield(self) -> None:
        """The function around is a generator."""
        next(names for names in reversed(self._stack) if not names.comprehension).yields = True

    def qualname(self) -> str:
        """The dotted name of the body, without `<locals>`."""
        return ".".join(names.name for names in self._stack if names.name)
