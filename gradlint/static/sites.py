"""Looking through a program's nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from gradlint.static import program as p

N = TypeVar("N", bound=p.Node)


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
        if isinstance(tree, p.FunctionDef):
            tree = msgspec.structs.replace(tree, inner=p.Body(tree.body, tree.scope, tree.is_generator))
        for name in tree.__struct_fields__:
            value = getattr(tree, name)
            if isinstance(value, (tuple, msgspec.Struct)):
                yield from below(value, kind)
