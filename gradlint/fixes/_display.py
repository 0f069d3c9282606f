"""Where a tensor that a repair brings to life is shown: what leaves torch there must be a detached copy.

`.numpy()` and most NumPy functions raise on a tensor that requires grad. Names, attributes, items, parameters and
returned values are followed by their spelling through the files of the finding's path; a `.detach()` too many before an
export changes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from gradlint.catalog import Catalog
from gradlint.finding import Edit
from gradlint.fixes._cuts import is_postfix, postfix, receiver
from gradlint.fixes._source import Source, atom

Key = tuple[object, str]  #: a name in its function or module, an attribute (of nothing), a returned value (of "return")

#: attributes and methods whose value has no graph
_PLAIN = frozenset(
    ("shape", "device", "dtype", "ndim", "is_cuda", "requires_grad", "data", "grad", "grad_fn", "size", "dim", "numel",
     "item", "tolist", "numpy", "detach", "argmax", "argmin", "argsort", "max_memory", "backward", "register_hook")
)  # fmt: skip
_NUMBERS = frozenset(("len", "str", "print", "float", "int", "bool", "isinstance", "torch.autograd.grad", "range"))
_MOVES = ("cpu", "contiguous", "clone", "squeeze")
_PUTS = ("append", "insert", "extend", "update", "setdefault", "add")


def detached(
    catalog: Catalog, sources: Sequence[Source], seeds: Iterable[tuple[Source, ast.AST]], *, tensors: bool = True
) -> list[Edit]:
    """The edits that detach what is exported of some expressions, wherever they are put.

    Where these are not known to be `tensors`, only what has a method `numpy` is detached.
    """
    flow = Flow(catalog, sources)
    for source, node in seeds:
        flow.put(source, node)
    while flow.spread():
        pass
    return [edit for source in sources for edit in flow.exports(source, tensors=tensors)]


class Flow:
    """What is live, by its spelling."""

    def __init__(self, catalog: Catalog, sources: Sequence[Source]) -> None:
        self.catalog = catalog
        self.sources = sources
        self.live: set[Key] = set()
        self.functions: dict[str, list[tuple[Source, ast.FunctionDef]]] = {}
        for source in sources:
            for node in source.nodes:
                if isinstance(node, ast.FunctionDef):
                    self.functions.setdefault(node.name, []).append((source, node))

    def put(self, source: Source, node: ast.AST) -> None:
        """What a live expression lies in is live: where it is stored, returned or handed."""
        for around in source.around(node):
            if isinstance(around, ast.Call):
                self._hand(source, around, node)
            if isinstance(around, ast.stmt):
                self._state(source, around)
                return
            if isinstance(around, ast.Lambda):
                return
            if isinstance(around, ast.Call) and not self.is_live(source, around):
                self.live |= {(around, "value")}

    def spread(self) -> bool:
        """One more step along assignments, loops, calls and returns; whether there was anything new."""
        before = len(self.live)
        for source in self.sources:
            for node in source.passing:
                if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
                    if self.is_live(source, node.value):
                        self._state(source, node)
                elif isinstance(node, ast.For | ast.comprehension) and self.is_live(source, node.iter):
                    self.live |= set(self._keys(source, node.target))
                elif isinstance(node, ast.Return) and node.value is not None and self.is_live(source, node.value):
                    self._state(source, node)
                elif isinstance(node, ast.Call):
                    for value in (*node.args, *(k.value for k in node.keywords)):
                        if self.is_live(source, value):
                            self._hand(source, node, value)
        return len(self.live) > before

    def is_live(self, source: Source, node: ast.AST) -> bool:
        """Whether an expression may have a graph because of the repair."""
        match node:
            case ast.Name():
                return self._name(source, node) in self.live
            case ast.Attribute():
                return node.attr not in _PLAIN and ((None, node.attr) in self.live or self.is_live(source, node.value))
            case ast.Call():
                return self.called(source, node)
            case ast.Subscript():
                return self.is_live(source, node.value)
            case ast.Compare() | ast.Constant() | ast.Lambda() | ast.JoinedStr():
                return False
        return any(self.is_live(source, child) for child in ast.iter_child_nodes(node))

    def exports(self, source: Source, *, tensors: bool) -> Iterator[Edit]:
        """A `.detach()` before everything live that leaves torch."""
        for node in source.nodes:
            if not isinstance(node, ast.Call):
                continue
            if is_postfix(node, ("numpy",)) and self.is_live(source, receiver(node)):
                yield _before_moves(source, node)
            row = self.catalog.row(source.qualified(node.func))
            if tensors and row is not None and row.raises and node.args and self.is_live(source, node.args[0]):
                yield source.replaced(node.args[0], f"{atom(source, node.args[0])}.detach()")

    def called(self, source: Source, node: ast.Call) -> bool:
        """Whether the result of a call may have a graph."""
        name = source.qualified(node.func)
        row = self.catalog.row(name)
        if name in _NUMBERS or (row is not None and row.returns in ("array", "number", "image", "none")):
            return False
        if postfix(node) in _PLAIN and isinstance(node.func, ast.Attribute):
            return False
        if (node, "value") in self.live or ("return", name.rpartition(".")[2] or postfix(node)) in self.live:
            return True
        values = [*node.args, *(k.value for k in node.keywords)]
        front = [node.func.value] if isinstance(node.func, ast.Attribute) else []
        return any(self.is_live(source, value) for value in (*front, *values))

    def _state(self, source: Source, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign):
            self.live |= {key for target in node.targets for key in self._keys(source, target)}
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            self.live |= set(self._keys(source, node.target))
        elif isinstance(node, ast.Return):
            function = source.function(node)
            if isinstance(function, ast.FunctionDef):
                name = function.name
                self.live |= {("return", name)}

    def _hand(self, source: Source, call: ast.Call, value: ast.AST) -> None:
        """A live argument: into a container, or to the parameter of the one function of this name."""
        name = postfix(call) or source.qualified(call.func)
        if name in _PUTS and isinstance(call.func, ast.Attribute):
            self.live |= set(self._keys(source, call.func.value))
        found = self.functions.get(name, [])
        if len(found) != 1 or value not in call.args:
            return
        _, function = found[0]
        names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        names = names[1:] if names[:1] in (["self"], ["cls"]) else names
        position = call.args.index(value)
        self.live |= {(function, n) for n in names[position : position + 1]}

    def _keys(self, source: Source, target: ast.AST) -> Iterator[Key]:
        """What an assignment to a target makes live; an item makes its container live."""
        match target:
            case ast.Name():
                yield self._name(source, target)
            case ast.Attribute():
                yield (None, target.attr)
            case ast.Subscript() | ast.Starred():
                yield from self._keys(source, target.value)
            case ast.Tuple() | ast.List():
                for element in target.elts:
                    yield from self._keys(source, element)

    def _name(self, source: Source, node: ast.Name) -> Key:
        """A name, in the nearest function that binds it, else in the module."""
        return (source.scope(node), node.id)


def _before_moves(source: Source, node: ast.Call) -> Edit:
    """`.detach()` before `.cpu().numpy()`."""
    link: ast.expr = node
    while is_postfix(receiver(link), _MOVES):
        link = receiver(link)
    attribute = link.func if isinstance(link, ast.Call) else link
    assert isinstance(attribute, ast.Attribute)
    return source.inserted(source.before_attribute(attribute), ".detach()")
