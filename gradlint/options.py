"""Which lines of a program are run because an option says so: what is stopped there is meant to be.

Told from the text alone, for both halves: the arms of an `if` or of a conditional expression that asks for a flag, what
follows an `if flag: return ...`, and a `set_grad_enabled` that is given anything but True or False.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

from gradlint.tape import STOPS, Edge

Arms = Iterable[tuple[int, int]]  #: first line, last line


def chosen(edges: Iterable[Edge], arms_of: Callable[[str], Arms]) -> list[tuple[str, int, int]]:
    """The lines that are run for an option, in the files where something stops a gradient; `arms_of` tells those of a file."""
    files = sorted({edge.span.file for edge in edges if edge.cause in STOPS})
    return [(file, first, last) for file in files for first, last in arms_of(file)]


def arms(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The lines of a syntax tree that are run for an option."""
    for node in ast.walk(tree):
        match node:
            case ast.IfExp(test=test, body=body, orelse=orelse) if _is_option(test):
                yield from (_lines([body]), _lines([orelse]))
            case ast.If(test=test, body=arm, orelse=other) if _is_option(test):
                yield from (_lines(part) for part in (arm, other) if part)
            case ast.Call(func=func, args=args, keywords=keywords) if _switches(func):
                given = [*args, *(keyword.value for keyword in keywords)]
                if not all(isinstance(value, ast.Constant) for value in given):
                    yield _lines([node])
        yield from _after_returns(node)


def _after_returns(node: ast.AST) -> Iterator[tuple[int, int]]:
    """What follows an `if flag: return ...` in the body of a node."""
    body = getattr(node, "body", ())
    for i, statement in enumerate(body if isinstance(body, list) else (), 1):
        leaves = isinstance(statement, ast.If) and not statement.orelse and isinstance(statement.body[-1], ast.Return)
        if leaves and _is_option(statement.test) and body[i:]:
            yield _lines(body[i:])


def _is_option(test: ast.expr) -> bool:
    """Whether a test asks for a flag, or compares one with a literal; nobody has the choice of `__name__`, or what is None yet."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_option(operand)
        case ast.Compare(left=left, comparators=[ast.Constant(value=value)]):
            return value is not None and _is_option(left)
        case ast.Name(id=name):
            return name != "__name__"
        case ast.Attribute(attr=name):
            return name != "training"
    return False


def _switches(func: ast.expr) -> bool:
    return (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) == "set_grad_enabled"


def _lines(nodes: Sequence[ast.expr] | Sequence[ast.stmt]) -> tuple[int, int]:
    return nodes[0].lineno, nodes[-1].end_lineno or nodes[-1].lineno
