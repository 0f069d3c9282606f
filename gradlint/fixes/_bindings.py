"""What a name may stand for, by how it is written: a list, a plain number, what a call made.

A repair has the text only. Names are followed to their assignments, attributes to every assignment of their name, calls of
the project's functions to what those return; what that does not tell is not known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradlint.fixes._source import Source

Bound = tuple[Source, ast.expr]

_FAR = 4  #: names behind names
_LISTS = ("list", "sorted", "tuple")
_UNTOLD = (ast.arg, ast.Name, ast.Attribute, ast.Subscript, ast.For, ast.comprehension)
_NUMBERS = ("int", "float", "len", "round", "abs", "min", "max", "sum")
_SIZES = ("item", "size", "numel", "dim")
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Bindings:
    """The assignments of some files."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def is_list(self, source: Source, node: ast.expr) -> bool | None:
        """Whether an expression is a list; None where it is not known."""
        made = list(self._ends(source, node))
        lists = [_is_list(s, n) for s, n in made]
        if all(lists) or self._grows(node):
            return True
        return None if any(lists) or any(isinstance(n, _UNTOLD) for _, n in made) else False

    def is_number(self, source: Source, node: ast.expr) -> bool:
        """Whether an expression may be a plain number."""
        if isinstance(node, ast.BinOp):
            return self.is_number(source, node.left) and self.is_number(source, node.right)
        if isinstance(node, ast.UnaryOp):
            return self.is_number(source, node.operand)
        return any(_is_number(s, n) for s, n in self._ends(source, node))

    def makers(self, source: Source, node: ast.expr) -> list[str]:
        """The full names of the calls that an expression may be the result of; an empty name for one that is not known."""
        return [s.qualified(n.func) if isinstance(n, ast.Call) else "" for s, n in self._ends(source, node)]

    def _ends(self, source: Source, node: ast.expr, far: int = 0) -> Iterator[tuple[Source, ast.AST]]:
        """What an expression stands for, as far as names lead."""
        found = [] if far > _FAR else list(self._behind(source, node))
        if not found:
            yield source, node
        for where, value in found:
            if isinstance(value, ast.expr):
                yield from self._ends(where, value, far + 1)
            else:
                yield where, value

    def _behind(self, source: Source, node: ast.expr) -> Iterator[tuple[Source, ast.AST]]:
        match node:
            case ast.Name():
                yield from ((source, value) for value in _assigned(source, node))
            case ast.Attribute():
                yield from self._attribute(node.attr)
            case ast.Call():
                yield from self._returned(source, node)

    def _attribute(self, name: str) -> Iterator[tuple[Source, ast.AST]]:
        for source in self.sources:
            for node in source.nodes:
                for target, value in pairs(node):
                    if isinstance(target, ast.Attribute) and target.attr == name:
                        yield source, value

    def _grows(self, node: ast.expr) -> bool:
        """Whether something is appended to an attribute of this name."""
        if not isinstance(node, ast.Attribute):
            return False
        calls = (n.func for source in self.sources for n in source.nodes if isinstance(n, ast.Call))
        added = (f.value for f in calls if isinstance(f, ast.Attribute) and f.attr == "append")
        return any(isinstance(held, ast.Attribute) and held.attr == node.attr for held in added)

    def _returned(self, source: Source, call: ast.Call) -> Iterator[tuple[Source, ast.AST]]:
        """What the one function of this name returns; of an instance of a module, its `forward`."""
        name = (
            call.func.attr if isinstance(call.func, ast.Attribute) else source.qualified(call.func).rpartition(".")[2]
        )
        named = [(s, n) for s in self.sources for n in s.nodes if isinstance(n, Function) and n.name == name]
        found = named or list(self._forward(source, call.func))
        if len(found) != 1:
            return
        where, function = found[0]
        for node in where.nodes:
            if isinstance(node, ast.Return) and node.value is not None and where.function(node) is function:
                yield where, node.value

    def _forward(
        self, source: Source, called: ast.expr
    ) -> Iterator[tuple[Source, ast.FunctionDef | ast.AsyncFunctionDef]]:
        if not isinstance(called, ast.Name):
            return
        made = [v for v in _assigned(source, called) if isinstance(v, ast.Call)]
        names = {source.qualified(call.func).rpartition(".")[2] for call in made}
        for where in self.sources:
            for node in where.nodes:
                if isinstance(node, ast.ClassDef) and node.name in names:
                    yield from ((where, f) for f in node.body if isinstance(f, Function) and f.name == "forward")


def _assigned(source: Source, name: ast.Name) -> Iterator[ast.AST]:
    """What is assigned to a name in its function, else in the module; its parameter."""
    for scope in dict.fromkeys((source.function(name), None)):
        found = [v for node in source.nodes if source.function(node) is scope for v in _values(node, name.id)]
        found += [a for a in _parameters(scope) if a.arg == name.id]
        if found:
            yield from found
            return


def _parameters(function: ast.AST | None) -> list[ast.arg]:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return []
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def _values(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """What a statement assigns to a name; the loop itself where that is an element of something."""
    yield from (value for target, value in pairs(node) if isinstance(target, ast.Name) and target.id == name)
    if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name) and node.target.id == name:
        yield node


def pairs(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets of an assignment, each with what it gets."""
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value


def _is_list(source: Source, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return source.qualified(node.func) in _LISTS
    return isinstance(node, ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp)


def _is_number(source: Source, node: ast.AST) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.arg():
            return isinstance(node.annotation, ast.Name) and node.annotation.id in ("int", "float")
        case ast.For() | ast.comprehension():
            return isinstance(node.iter, ast.Call) and source.qualified(node.iter.func) in ("range", "enumerate")
        case ast.Subscript():
            return isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
        case ast.Call():
            name = source.qualified(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            return name in _NUMBERS or name.startswith("math.") or method in _SIZES
    return False
