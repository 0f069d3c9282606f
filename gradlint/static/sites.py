"""The demand sites that stand in a program's text, and its functions by line, for counting and for naming places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from gradlint.static import program as p
from gradlint.tape import Span

N = TypeVar("N", bound=p.Node)
_METHODS = frozenset(("backward", "register_hook", "retain_grad", "manual_backward"))


def demand_sites(program: p.Module) -> list[tuple[Span, str]]:
    """Every call in the text that asks for a gradient, with its label."""
    return [
        (Span(program.file, *call.place), _label(call))
        for call in below(program.body, p.Call)
        if demands_gradient(call)
    ]


def demands_gradient(call: p.Call) -> bool:
    """Whether a call is written like one that asks for a gradient."""
    func = call.func
    if not isinstance(func, p.Attribute):
        return False
    if func.attr in _METHODS:
        return not (
            isinstance(func.value, p.Call) and isinstance(func.value.func, p.Name) and func.value.func.id == "super"
        )
    return func.attr == "grad" and dotted(func.value).endswith("autograd")


def _label(call: p.Call) -> str:
    return f"{dotted(call.func)}(...)"


def dotted(node: p.Expr) -> str:
    """`a.b.c` as text; `...` for what is no name."""
    if isinstance(node, p.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, p.Attribute) else "..."


def below(tree: object, kind: type[N]) -> Iterator[N]:
    """All nodes of a kind below a node, in order of the text."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from below(part, kind)
    elif isinstance(tree, msgspec.Struct):
        if isinstance(tree, kind):
            yield tree
        for name in tree.__struct_fields__:
            value = getattr(tree, name)
            if isinstance(value, (tuple, msgspec.Struct)):
                yield from below(value, kind)


def functions_of(program: p.Module) -> list[tuple[int, int, str]]:
    """The functions and classes of a file: first line, last line, qualified name."""
    return [(d.place[0], d.place[2], d.qualname) for d in _definitions(program.body)]


def _definitions(body: tuple[p.Stmt, ...]) -> Iterator[p.FunctionDef | p.ClassDef]:
    from gradlint.static.entries import walk

    return (s for s in walk(body) if isinstance(s, (p.FunctionDef, p.ClassDef)))
