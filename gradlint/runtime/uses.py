"""What the program does with a `.grad` that it has read: reading is not demanding, using it as a tensor is.

A gradient that is there is used where the syntax says so, at once or by the name it was given. One that is missing has been used when
the program fails because of it: on a line that names what it was stored in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gradlint.runtime.demands import Seen
from gradlint.runtime.places import DIRECT, Places, Source
from gradlint.tape import Span

#: calls to which a gradient is handed without being used as a tensor
_LOOKS = frozenset(
    ("print", "repr", "str", "len", "isinstance", "hasattr", "type", "id", "bool", "is_tensor", "append", "format")
)
_STORES = frozenset(("append", "add", "insert", "extend", "setdefault", "update"))
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)


class Uses:
    """The reads of one recording; `error` ended it, and came through `lines`, the innermost first."""

    def __init__(self, places: Places, error: BaseException | None, lines: tuple[Span, ...]) -> None:
        self.places = places
        missing = isinstance(error, (AttributeError, TypeError)) and "NoneType" in str(error)
        self.failed_at = lines[0] if missing and lines else None
        text = self._source(lines[0].file).text(lines[0]) if self.failed_at else ""
        self.words = frozenset(re.findall(r"\w+", text))

    def used(self, seen: Seen) -> bool:
        """Whether a `.grad` was used as a tensor."""
        node, source = self._read(seen)
        if node is None:
            return False
        if _as_tensor(node, source):
            return True
        if seen.gradients == ("none",):
            return self.failed(seen)
        parent = source.parents.get(node)
        if not isinstance(parent, ast.Assign):
            return False
        return any(
            _as_tensor(n, source)
            for t in parent.targets
            if isinstance(t, ast.Name)
            for n in _loads(t.id, parent, source)
        )

    def failed(self, seen: Seen) -> bool:
        """Whether the program ended because this gradient is not there."""
        node, source = self._read(seen)
        if node is None or self.failed_at is None or seen.gradients != ("none",):
            return False
        if _as_tensor(node, source) and self.failed_at.line == node.end_lineno and source.file == self.failed_at.file:
            return True
        return not self.words.isdisjoint(_stored_in(node, source))

    def _read(self, seen: Seen) -> tuple[ast.expr | None, Source]:
        """The expression that reads it, in the user's own code."""
        source = self._source(self.places.sites[seen.site].code.co_filename) if seen.site >= 0 else Source("")
        direct = self.places.through(seen.site) == DIRECT
        return (source.by_span.get(self.places.span(seen.site, "grad")) if direct else None), source

    def _source(self, file: str) -> Source:
        return self.places.source(file)


def _as_tensor(node: ast.expr, source: Source) -> bool:
    """Whether what stands around an expression takes it for a tensor."""
    match source.parents.get(node):
        case ast.Attribute() | ast.BinOp() | ast.Subscript() | ast.UnaryOp(op=ast.USub()):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name not in _LOOKS
    return False


def _loads(name: str, statement: ast.stmt, source: Source) -> Iterator[ast.expr]:
    """Where a name is read in the function that a statement stands in."""
    scope: ast.AST | None = statement
    while scope is not None and not isinstance(scope, _SCOPES):
        scope = source.parents.get(scope)
    for node in ast.walk(scope) if scope is not None else ():
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            yield node


def _stored_in(node: ast.AST, source: Source) -> set[str]:
    """The names that a value is stored under: of variables, attributes, keys, containers, or of the function that returns it."""
    at: ast.AST | None = node
    while at is not None and not isinstance(at, ast.stmt):
        if isinstance(at, (ast.Compare, ast.BoolOp)):
            return set()  # it was only tested
        at = source.parents.get(at)
    match at:
        case ast.Assign(targets=targets):
            return _names(*targets)
        case ast.AnnAssign(target=target):
            return _names(target)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=receiver, attr=attr))) if attr in _STORES:
            return _names(receiver)
        case ast.Return():
            return _returned(at, source)
    return set()


def _returned(statement: ast.Return, source: Source) -> set[str]:
    """The function that returns, and what its results are assigned to."""
    scope: ast.AST | None = statement
    while scope is not None and not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)):
        scope = source.parents.get(scope)
    if scope is None:
        return set()
    found = {scope.name}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and scope.name in _names(node.value.func):
            found |= _names(*node.targets)
    return found


def _names(*nodes: ast.AST) -> set[str]:
    """The names in some expressions, and the texts that are keys."""
    found: set[str] = set()
    for node in (n for given in nodes for n in ast.walk(given)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                found.add(name)
            case ast.Constant(value=str(text)):
                found.add(text)
    return found - {"self", "cls"}
