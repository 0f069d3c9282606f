"""The text that a repair is made for: its syntax tree, exact places, and edits that leave everything else as it is.

Python's own `ast` finds the places; an edit replaces just the characters that change, so formatting and comments stay.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property

from gradlint.edits import insertion
from gradlint.finding import Edit, Position, Range

_ATOMS = (
    ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.ListComp, ast.Dict, ast.JoinedStr,
)  # fmt: skip
_LOOSE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr, ast.keyword, ast.List, ast.Tuple)
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)
_PASSING = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.comprehension, ast.Return, ast.Call)


class Source:
    """One file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = text.split("\n")
        self._bindings: dict[ast.AST, set[str]] = {}

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; empty where Python cannot read the text."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module([], [])

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes."""
        return list(ast.walk(self.tree))

    @cached_property
    def passing(self) -> list[ast.AST]:
        """The nodes that hand values on: assignments, loops, calls, returns."""
        return [node for node in self.nodes if isinstance(node, _PASSING)]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node lies in."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """Name -> what it was imported as, anywhere in the file."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for a in node.names:
                    found[a.asname or a.name.partition(".")[0]] = a.name if a.asname else a.name.partition(".")[0]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        return found

    def at(self, place: Range) -> ast.expr | ast.stmt | None:
        """The node of exactly this place: an expression rather than the statement that it is."""
        return self._placed.get(place)

    @cached_property
    def _placed(self) -> dict[Range, ast.expr | ast.stmt]:
        found: dict[Range, ast.expr | ast.stmt] = {}
        for node in self.nodes:
            if isinstance(node, ast.expr | ast.stmt):
                place = self.place(node)
                if place not in found or (isinstance(node, ast.expr) and isinstance(found[place], ast.stmt)):
                    found[place] = node
        return found

    def expression(self, place: Range) -> ast.expr | None:
        """The expression of exactly this place."""
        node = self.at(place)
        return node.value if isinstance(node, ast.Expr) else node if isinstance(node, ast.expr) else None

    def place(self, node: ast.expr | ast.stmt | ast.keyword) -> Range:
        """Where a node stands."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return Range(self._position(node.lineno, node.col_offset), self._position(end_line, end_column))

    def words(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node."""
        return self.between(self.place(node))

    def between(self, place: Range) -> str:
        """The text of a range."""
        return self.text[self.offset(place.start) : self.offset(place.end)]

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node lies in, the nearest first."""
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement that a node is or lies in."""
        return next((n for n in (node, *self.around(node)) if isinstance(n, ast.stmt)), None)

    def function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
        """The function that a node lies in."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        return next((n for n in self.around(node) if isinstance(n, functions)), None)

    def scope(self, node: ast.Name) -> ast.AST:
        """The nearest function that binds a name, else the module."""
        return next(
            (f for f in self.around(node) if isinstance(f, _FUNCTIONS) and node.id in self._bound(f)), self.tree
        )

    def _bound(self, function: ast.FunctionDef | ast.Lambda) -> set[str]:
        """The parameters of a function and the names that it assigns."""
        if function not in self._bindings:
            self._bindings[function] = _bound(function)
        return self._bindings[function]

    def qualified(self, node: ast.AST) -> str:
        """The full name of what is written, through the imports of the file; empty for anything but a dotted name."""
        if isinstance(node, ast.Attribute):
            front = self.qualified(node.value)
            return f"{front}.{node.attr}" if front else ""
        return self.imports.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def before_attribute(self, node: ast.Attribute) -> Position:
        """Where the receiver of an attribute ends, its parentheses included."""
        end = self.offset(self.place(node).end) - len(node.attr)
        dot = self.text[:end].rstrip(" \t\r\n\\")
        return self.position(len(dot.removesuffix(".").rstrip(" \t\r\n\\")))

    def receiver(self, node: ast.Attribute) -> str:
        """The text of what an attribute is taken from."""
        return self.between(Range(self.place(node).start, self.before_attribute(node)))

    def replaced(self, node: ast.expr, content: str) -> Edit:
        """Another text for a node."""
        return Edit(self.file, self.place(node), content)

    def rewritten(self, node: ast.expr, content: str, *others: Edit) -> list[Edit]:
        """Another text for a node, with further edits; the statement goes away where it then says `x = x`."""
        statement = self.parents.get(node)
        if isinstance(statement, ast.Assign) and [self.words(t) for t in statement.targets] == [content]:
            edit = self.removed(statement)
            return [edit] if edit else []
        return [self.replaced(node, content), *others]

    def instead(self, node: ast.expr, other: ast.expr) -> Edit:
        """A part of a node instead of the node; in parentheses where precedence asks for it."""
        text = self.words(other)
        free = (self.loose(node) or isinstance(other, _ATOMS)) and "\n" not in text
        return self.replaced(node, text if free else f"({text})")

    def loose(self, node: ast.expr) -> bool:
        """Whether any expression may stand in place of a node without brackets."""
        parent = self.parents.get(node)
        return isinstance(parent, _LOOSE) or (isinstance(parent, ast.Call) and node in parent.args)

    def inserted(self, place: Position, content: str) -> Edit:
        """A text put in."""
        return insertion(self.file, place, content)

    def indent(self, node: ast.stmt) -> str:
        """The spaces before a statement."""
        line = self.lines[node.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def alone(self, node: ast.stmt) -> bool:
        """Whether a statement has its lines for itself, comments aside."""
        place = self.place(node)
        before = self.lines[place.start.line - 1][: place.start.column - 1]
        after = self.lines[place.end.line - 1][place.end.column - 1 :].strip()
        return not before.strip() and (not after or after.startswith("#"))

    def after(self, node: ast.stmt, content: str) -> Edit | None:
        """A line of its own below a statement; none where it shares its lines with others."""
        if not self.alone(node):
            return None
        end = self.place(node).end.line
        return self.inserted(Position(end, len(self.lines[end - 1]) + 1), f"\n{self.indent(node)}{content}")

    def removed(self, node: ast.stmt) -> Edit | None:
        """A statement taken away with its lines; `pass` where its block would be empty."""
        if not self.alone(node):
            return None
        if self._only(node):
            return Edit(self.file, self.place(node), "pass")
        return self.without_lines(node.lineno, self.place(node).end.line)

    def without_lines(self, first: int, last: int) -> Edit:
        """Whole lines taken away."""
        if last < len(self.lines):
            return Edit(self.file, Range(Position(first, 1), Position(last + 1, 1)), "")
        start = Position(first - 1, len(self.lines[first - 2]) + 1) if first > 1 else Position(1, 1)
        return Edit(self.file, Range(start, Position(last, len(self.lines[last - 1]) + 1)), "")

    def module(self, name: str) -> tuple[str, tuple[Edit, ...]]:
        """What a module is called in this file, with the edit that imports it where it is not."""
        called = next((alias for alias, full in self.imports.items() if full == name), None)
        if called is not None:
            return called, ()
        imports = (n for n in self.tree.body if isinstance(n, ast.Import | ast.ImportFrom))
        first = next((n for n in imports if getattr(n, "module", "") != "__future__"), None)
        line = first.lineno if first else 1
        return name, (self.inserted(Position(line, 1), f"import {name}\n"),)

    def position(self, offset: int) -> Position:
        """The position of an offset in the text."""
        return Position(self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset))

    def _only(self, node: ast.stmt) -> bool:
        parent = self.parents.get(node)
        blocks = (getattr(parent, field, None) for field in ("body", "orelse", "finalbody"))
        return not isinstance(parent, ast.Module) and any(block == [node] for block in blocks)

    def _position(self, line: int, column: int) -> Position:
        """From the bytes that `ast` counts to code points."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return Position(
            line, column + 1 if text.isascii() else len(text.encode()[:column].decode("utf-8", "replace")) + 1
        )

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(m.end() for m in re.finditer("\n", self.text))]

    def offset(self, place: Position) -> int:
        """The offset of a position in the text."""
        return self._starts[place.line - 1] + place.column - 1


def _bound(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """The parameters of a function and the names that it assigns."""
    a = function.args
    names = {p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p is not None}
    if isinstance(function, ast.Lambda):
        return names
    stored = (n for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    foreign = {n for g in ast.walk(function) if isinstance(g, ast.Global | ast.Nonlocal) for n in g.names}
    return (names | {n.id for n in stored}) - foreign


def atom(source: Source, node: ast.expr) -> str:
    """The text of an expression from which a chain can go on."""
    text = source.words(node)
    return text if isinstance(node, _ATOMS) and not isinstance(node, ast.Constant) else f"({text})"


class Sources:
    """The files that a repair may look at."""

    def __init__(self, text: Callable[[str], str]) -> None:
        self._text = text
        self._known: dict[str, Source] = {}

    def __getitem__(self, file: str) -> Source:
        if file not in self._known:
            self._known[file] = Source(file, self._text(file))
        return self._known[file]
