"""Where in the user's code an operation was asked for: the innermost frame that is the user's, and its exact text.

While the program runs only the code object and the instruction are noted; spans are worked out when they are shown. CPython
counts columns in UTF-8 bytes and moves the start of a call in a chain over several lines, never its end: such a place is
matched by its end. Python 3.10 knows lines only; there the operation's name finds the place on the line.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
import sysconfig
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from types import CodeType, FrameType

import torch

from gradlint.tape import Span

USER, TORCH, LIBRARY = 0, 1, 2  #: whose a file is
DIRECT, THROUGH_TORCH, THROUGH_LIBRARY = 0, 1, 2  #: how the user's frame came to an operation
_OPERATIONS = (ast.Call, ast.Attribute, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Compare, ast.AugAssign)
_UNKNOWN = Span("", 1, 1, 1, 1)


class Site:
    """One instruction of the user's code, reached in one way."""

    __slots__ = ("code", "instruction", "line", "through")

    def __init__(self, code: CodeType, instruction: int, line: int, through: int) -> None:
        self.code = code
        self.instruction = instruction
        self.line = line
        self.through = through


class Places:
    """All sites of a run, each with a small number."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self._numbers: dict[tuple[int, int, int], int] = {}
        #: the user's own frames by code and instruction: the site. Codes of others have no instruction here
        self.direct: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._owners: dict[str, int] = {}
        self._sources: dict[str, Source] = {}
        self._spans: dict[int, Span] = {}

    def here(self, frame: FrameType | None) -> int:
        """The number of the site that led to `frame`; -1 if no frame is the user's."""
        owners = self._owners
        through = DIRECT
        while frame is not None:
            code = frame.f_code
            owner = owners.get(code.co_filename)
            if owner is None:
                owner = self._owner(code.co_filename)
            if owner == USER:
                key = (id(code), frame.f_lasti, through)
                number = self._numbers.get(key)
                return self._new(key, frame, through) if number is None else number
            if owner > through and not code.co_filename.startswith(_OWN):
                through = owner
            frame = frame.f_back
        return -1

    def is_user(self, file: str) -> bool:
        """Whether a file is the user's."""
        return self._owner(file) == USER

    def _owner(self, file: str) -> int:
        if file not in self._owners:
            self._owners[file] = owner_of(file)
        return self._owners[file]

    def _new(self, key: tuple[int, int, int], frame: FrameType, through: int) -> int:
        self._numbers[key] = len(self.sites)
        self.sites.append(Site(frame.f_code, frame.f_lasti, frame.f_lineno, through))
        if through == DIRECT:
            self.direct[key[0]][key[1]] = len(self.sites) - 1
        return len(self.sites) - 1

    def span(self, number: int, name: str = "") -> Span:
        """The text of a site; `name` is the operation's, for interpreters that know lines only."""
        if number < 0:
            return _UNKNOWN
        if number not in self._spans:
            site = self.sites[number]
            self._spans[number] = self.source(site.code.co_filename).span(site, name)
        return self._spans[number]

    def through(self, number: int) -> int:
        """How the user's frame came to the operation."""
        return self.sites[number].through if number >= 0 else THROUGH_LIBRARY

    def source(self, file: str) -> Source:
        """The text of a file."""
        if file not in self._sources:
            self._sources[file] = Source(file)
        return self._sources[file]


class Source:
    """A file's text and its syntax, for places."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines = [line.rstrip("\r\n") for line in linecache.getlines(file)]

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; empty where the text is not there."""
        try:
            return ast.parse("\n".join(self.lines))
        except (SyntaxError, ValueError):
            return ast.Module([], [])

    @cached_property
    def ends(self) -> dict[tuple[int, int], list[ast.expr | ast.stmt]]:
        """The operations by the place they end at, the smallest first."""
        found: dict[tuple[int, int], list[ast.expr | ast.stmt]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, _OPERATIONS):
                found.setdefault((node.end_lineno or 0, node.end_col_offset or 0), []).append(node)
        for nodes in found.values():
            nodes.sort(key=lambda n: (-n.lineno, -n.col_offset))
        return found

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Every node's parent."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def by_span(self) -> dict[Span, ast.expr]:
        """Expressions by their place; of several at one place the outermost."""
        found: dict[Span, ast.expr] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr):
                found.setdefault(self.of(node), node)
        return found

    def of(self, node: ast.expr | ast.stmt) -> Span:
        """The place of a node."""
        return self._span(node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0)

    def alternatives(self, span: Span) -> set[str]:
        """The names in what might have stood in for the expression at a place: another arm of an `if` around it or inside it."""
        node: ast.AST | None = self.by_span.get(span)
        arms: list[ast.AST] = [n for n in ast.walk(node) if isinstance(n, ast.IfExp)] if node is not None else []
        while node is not None and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            child, node = node, self.parents.get(node)
            if isinstance(node, ast.IfExp):
                arms.append(node)
            elif isinstance(node, ast.If):
                arms += node.orelse if child in node.body else node.body
        return {name for arm in arms for n in ast.walk(arm) if (name := _name(n))}

    def text(self, span: Span) -> str:
        """The text of a place, on one line."""
        lines = self.lines[span.line - 1 : span.end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return " ".join(" ".join(lines).split())

    def span(self, site: Site, name: str) -> Span:
        """Where an instruction stands."""
        line, end_line, column, end_column = _position(site)
        if end_line is None or column is None or end_column is None:
            return self._named(site.line, name)
        nodes = self.ends.get((end_line, end_column), [])
        fitting = [n for n in nodes if (n.lineno, n.col_offset) <= (line, column)]
        if fitting:
            return self.of(fitting[0])
        return self._span(line, column, end_line, end_column)

    def decorator(self, code: CodeType, word: str) -> Span:
        """The decorator of a function that switches the grad mode, else the function's first line."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _starts(node) == code.co_firstlineno:
                named = [d for d in node.decorator_list if word in self.text(self.of(d))]
                if named:
                    return self.of(named[0])
        return self.line(code.co_firstlineno)

    def item(self, span: Span, word: str) -> Span:
        """The item of a `with` that switches the grad mode, where a place is the whole statement; else the place itself."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.With, ast.AsyncWith)) and self.of(node) == span:
                items = [self.of(item.context_expr) for item in node.items]
                return next((item for item in items if word in self.text(item)), items[0])
        return span

    def called(self, span: Span) -> str:
        """What a call at a place calls, as messages write it."""
        made = self.by_span.get(span)
        name = _name(made) if made is not None else ""
        return (
            f".{name}()"
            if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute)
            else f"{name}()"
            if name
            else ""
        )

    def _named(self, line: int, name: str) -> Span:
        """The operation of that name on a line, if there is exactly one; else the whole line."""
        found = [n for nodes in self.ends.values() for n in nodes if n.lineno <= line <= (n.end_lineno or 0)]
        called = [n for n in found if name and _name(n) == name]
        return self.of(called[0]) if len(called) == 1 else self.line(line)

    def line(self, line: int) -> Span:
        """The text of one line."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return Span(self.file, line, len(text) - len(text.lstrip()) + 1, line, len(text) + 1)

    def _span(self, line: int, column: int, end_line: int, end_column: int) -> Span:
        return Span(self.file, line, self._characters(line, column), end_line, self._characters(end_line, end_column))

    def _characters(self, line: int, column: int) -> int:
        """A 1-based column in code points, from an offset in UTF-8 bytes."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return column + 1 if text.isascii() else len(text.encode()[:column].decode(errors="ignore")) + 1


def owner_of(file: str) -> int:
    """Whose a file is."""
    if file.startswith("<"):
        return USER if file in linecache.cache and not file.startswith("<frozen") else TORCH
    if file.startswith((_OWN, *_TORCH)):
        return TORCH
    if file.startswith(_LIBRARIES) or "site-packages" in file or "dist-packages" in file:
        return LIBRARY
    return TORCH if file.startswith(_STANDARD) else USER


def _starts(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)])


def _name(node: ast.AST) -> str:
    """The last name of what an operation calls or reads."""
    inner = node.func if isinstance(node, ast.Call) else node
    return inner.attr if isinstance(inner, ast.Attribute) else inner.id if isinstance(inner, ast.Name) else ""


def _position(site: Site) -> tuple[int, int | None, int | None, int | None]:
    """Line, end line, column and end column of an instruction; only the line before Python 3.11."""
    if sys.version_info < (3, 11) or site.instruction < 0:
        return site.line, None, None, None
    for index, (line, end_line, column, end_column) in enumerate(site.code.co_positions()):
        if index == site.instruction // 2:
            return line or site.line, end_line, column, end_column
    return site.line, None, None, None


def _folders() -> tuple[tuple[str, ...], tuple[str, ...]]:
    paths = sysconfig.get_paths()
    libraries = {str(Path(paths[key])) for key in ("purelib", "platlib")} | {paths["purelib"], paths["platlib"]}
    standard = {paths["stdlib"], paths["platstdlib"], str(Path(ast.__file__).parent)}
    return tuple(f"{p}/" for p in libraries), tuple(f"{p}/" for p in standard)


_LIBRARIES, _STANDARD = _folders()
_OWN = f"{Path(__file__).resolve().parent.parent}{os.sep}"
_TORCH = tuple(
    f"{folder}{os.sep}" for folder in torch.__path__
)  #: wherever it is installed: for the user, on PYTHONPATH
