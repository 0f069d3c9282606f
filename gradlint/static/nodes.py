"""Every node of a tree that Python's parser made, at half of what `ast.walk` takes: no name of a field is looked up."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

_TYPES = ("annotation", "returns")  #: the fields that say of what type something is


def nodes(tree: ast.AST, skipped: Collection[str] = ()) -> Iterator[ast.AST]:
    """A node and all below it, the nearer ones first; what lies in some fields is `skipped`."""
    todo = [tree]
    for node in todo:
        yield node
        for field, held in node.__dict__.items():
            if isinstance(held, list):
                todo += (inner for inner in held if isinstance(inner, ast.AST))
            elif isinstance(held, ast.AST) and field not in skipped:
                todo.append(held)


def run(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of what is run: types are only told."""
    return nodes(tree, _TYPES)
