"""What a file's text says before anything is run, as Python's own parser tells it: ten times faster than a tree that keeps
every blank, and dropped at once. Only what is run is lowered.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Collection, Iterator, Sequence

from gradlint.static.bounds import checked
from gradlint.static.mentions import Function, Known, mentions
from gradlint.static.nodes import nodes
from gradlint.static.units import Part, Wanted
from gradlint.tape import Span

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)
_BRANCHING = (ast.If, ast.Try, ast.TryStar) if sys.version_info >= (3, 11) else (ast.If, ast.Try)
_METHODS = frozenset(("backward", "register_hook", "retain_grad", "manual_backward"))
_SITE = re.compile("|".join(sorted((*_METHODS, "autograd"))))  #: text without which nothing is a site
#: an import that may lie in a body
_INNER = re.compile(r"^[ \t]+(?:from|import)\b|[:;][ \t]*(?:from|import)\b", re.MULTILINE)
_HEAD = re.compile(r"(?:async(?:\s|\\\n)+)?(?:def|class)(?:\s|\\\n)+(\w+)")
_NOTHING = (*_DEFINITION, ast.Import, ast.ImportFrom, ast.Pass, ast.Raise)  #: what does nothing when a file is run


class Outline:
    """The statements of a file. Raises `LowerError` for what no parser should see, `SyntaxError` for what this one cannot read."""

    def __init__(self, file: str, text: str) -> None:
        text = text.removeprefix("\ufeff")
        for _ in checked(text):
            pass
        self._file = file
        self._body = ast.parse(text).body
        self.import_statements: list[ast.Import | ast.ImportFrom] = [
            s for s in _walk(self._body, inner=bool(_INNER.search(text))) if isinstance(s, (ast.Import, ast.ImportFrom))
        ]
        self._lines = text.split("\n")

    def imports(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Every module that may be imported, anywhere: `from a import b` may mean `a` or `a.b`."""
        for statement in self.import_statements:
            if isinstance(statement, ast.Import):
                yield from ((tuple(alias.name.split(".")), 0) for alias in statement.names)
            else:
                parts = tuple(statement.module.split(".")) if statement.module else ()
                yield parts, statement.level
                yield from (((*parts, alias.name), statement.level) for alias in statement.names)

    def guarded(self) -> bool:
        """Whether there is an `if __name__ == ...`."""
        return any(
            isinstance(s, ast.If)
            and isinstance(s.test, ast.Compare)
            and isinstance(s.test.left, ast.Name)
            and s.test.left.id == "__name__"
            for s in self._body
        )

    def acts(self, *, packaged: bool) -> bool:
        """Whether a file does something when it is run; one of a package that only sets names up does not."""
        return _acts(self._body, packaged)

    def bindings(self) -> Iterator[tuple[str, tuple[str, ...], int, str]]:
        """The names that imports bind, with the module and, for `from`, the name in it: `*` for all."""
        for statement in self.import_statements:
            if isinstance(statement, ast.Import):
                yield from (
                    (a.asname or a.name.split(".")[0], tuple(a.name.split(".")), 0, "") for a in statement.names
                )
            else:
                parts = tuple(statement.module.split(".")) if statement.module else ()
                yield from ((a.asname or a.name, parts, statement.level, a.name) for a in statement.names)

    def classes(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The names of the classes, with those of their bases."""
        for node in _definitions(self._body):
            if isinstance(node, ast.ClassDef):
                yield node.name, tuple(_dotted(base).rpartition(".")[2] for base in node.bases)

    def parts(self, known: Known) -> Iterator[Part]:
        """What the functions and methods mention."""
        for node in _definitions(self._body):
            owner = node.name if isinstance(node, ast.ClassDef) else ""
            for function in _methods(node) if isinstance(node, ast.ClassDef) else (node,):
                told = mentions(function, f"{owner}.{function.name}" if owner else function.name, known)
                yield Part(
                    self._name(function),
                    function.name,
                    owner,
                    told.asks,
                    told.minds,
                    told.uses,
                    told.reads,
                    told.own,
                    told.keeps,
                )

    def wanted(self) -> Iterator[Wanted]:
        """The definitions of the module."""
        for node in _definitions(self._body):
            if isinstance(node, ast.ClassDef):
                methods = _methods(node)
                others = tuple(self._name(s) for s in methods if s.name != "__init__")
                yield Wanted(self._name(node), tuple(map(self._name, methods)), others)
            else:
                yield Wanted(self._name(node))

    def sites(self) -> list[tuple[Span, str]]:
        """Every call in the text that asks for a gradient, with its label."""
        return [
            (self._span(call), f"{_dotted(call.func)}(...)")
            for statement in self._body
            if _SITE.search(self._text_of(statement))
            for call in nodes(statement)
            if isinstance(call, ast.Call) and _demands_gradient(call)
        ]

    def _text_of(self, statement: ast.stmt) -> str:
        """The lines of a statement."""
        first = _stretch(statement)[0] if isinstance(statement, _DEFINITION) else statement.lineno
        return "\n".join(self._lines[first - 1 : statement.end_lineno])

    def _name(self, node: Definition) -> Span:
        """Where the name of a definition stands."""
        start = self._column(node.lineno, node.col_offset)
        match = _HEAD.match("\n".join(self._lines[node.lineno - 1 : node.lineno + 3]), start - 1)
        assert match is not None
        before = match.string[: match.start(1)]
        line, column = node.lineno + before.count("\n"), match.start(1) - (before.rfind("\n") + 1) + 1
        return Span(self._file, line, column, line, column + len(match[1]))

    def _span(self, node: ast.expr) -> Span:
        last, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return Span(self._file, node.lineno, self._column(node.lineno, node.col_offset), last, self._column(last, end))

    def _column(self, line: int, offset: int) -> int:
        """From bytes of UTF-8, counted from 0, to code points, counted from 1."""
        text = self._lines[line - 1]
        return offset + 1 if text.isascii() else len(text.encode()[:offset].decode()) + 1


def functions(text: str) -> list[tuple[int, int, str]]:
    """The functions and classes of a text: first line, last line, qualified name; none where this Python cannot read it."""
    try:
        return list(_functions(ast.parse(text.removeprefix("\ufeff")).body, ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _walk(body: Sequence[ast.stmt], *, inner: bool = True) -> Iterator[ast.stmt]:
    """All statements of a body, `inner` ones included."""
    for statement in body:
        yield statement
        if not inner:
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _walk(getattr(statement, part, ()))
        for arm in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _walk(arm.body)


def _functions(body: Sequence[ast.stmt], outer: str) -> Iterator[tuple[int, int, str]]:
    for statement in body:
        name = outer
        if isinstance(statement, _DEFINITION):
            name = f"{outer}.{statement.name}" if outer else statement.name
            yield (*_stretch(statement), name)
        for part in ("body", "orelse", "finalbody"):
            yield from _functions(getattr(statement, part, ()), name)
        for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _functions(inner.body, name)


def _stretch(node: Definition) -> tuple[int, int]:
    """The first and the last line, decorators included."""
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.end_lineno or node.lineno


def _definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    """Module-level functions and classes, also under `if` and `try`."""
    for statement in body:
        if isinstance(statement, _DEFINITION):
            yield statement
        elif isinstance(statement, _BRANCHING):
            yield from _definitions(statement.body)
            yield from _definitions(statement.orelse)


def _methods(node: ast.ClassDef) -> list[Function]:
    """The methods of a class that have a body of their own."""
    return [s for s in node.body if isinstance(s, _FUNCTION) and not _is_overload(s)]


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(_dotted(d).rsplit(".", 1)[-1] == "overload" for d in node.decorator_list)


def _acts(body: Collection[ast.stmt], packaged: bool) -> bool:
    for statement in body:
        if isinstance(statement, _NOTHING) or _is_text(statement):
            continue
        if packaged and _is_method_call(statement):  # `warnings.warn(...)`, `registry.add(...)`
            if any(map(_demands_gradient, _calls(statement))):
                return True
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            if any(not packaged or _demands_gradient(call) for call in _calls(statement)):
                return True
        elif isinstance(statement, _BRANCHING):
            handlers = (h.body for h in getattr(statement, "handlers", ()))
            if any(_acts(part, packaged) for part in (statement.body, statement.orelse, *handlers)):
                return True
        else:
            return True
    return False


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_method_call(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
    )


def _calls(statement: ast.stmt) -> Iterator[ast.Call]:
    return (node for node in nodes(statement) if isinstance(node, ast.Call))


def _demands_gradient(call: ast.Call) -> bool:
    """Whether a call is written like one that asks for a gradient."""
    func = call.func
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr in _METHODS:
        return not (
            isinstance(func.value, ast.Call) and isinstance(func.value.func, ast.Name) and func.value.func.id == "super"
        )
    return func.attr == "grad" and _dotted(func.value).endswith("autograd")


def _dotted(node: ast.expr) -> str:
    """`a.b.c` as text; `...` for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "..."
