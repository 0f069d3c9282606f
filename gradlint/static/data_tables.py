"""Tables written as Python: libcst takes kilobytes of tree for each of their tokens, and no gradient flows through constants.

A table of several thousand lines that holds calls is one as well: its tree alone would take hundreds of megabytes.

Before a text is given to libcst, a long one is replaced by a name that nobody knows. What is left stays at its place.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

UNKNOWN = "__data__"  #: what stands for a table: nothing is known of it
_LONG = 20_000  #: characters of a literal of constants that is not worth its tree
_ENDLESS = 100_000  #: characters of any literal
_TABLES = (ast.Dict, ast.List, ast.Set, ast.Tuple)
_DATA = (*_TABLES, ast.Constant, ast.UnaryOp, ast.UAdd, ast.USub, ast.expr_context)


def without_tables(text: str, tree: ast.Module) -> str:
    """The text with a name in place of each long table; every other character stays where it is.

    Args: a text whose lines end in line feeds, and the tree of it.
    """
    lines = text.split("\n")
    for table in sorted(_tables(tree, lines), key=lambda node: (node.lineno, node.col_offset), reverse=True):
        _replace(lines, table)
    return "\n".join(lines)


def _tables(tree: ast.Module, lines: list[str]) -> Iterator[ast.expr]:
    """The outermost long tables, in statements that are long enough to hold one."""
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, (ast.stmt, ast.expr)) and not _longer(node, lines, _LONG):
                continue
            if isinstance(node, _TABLES) and (_is_data(node) or _longer(node, lines, _ENDLESS)):
                yield node
            else:
                todo.append(node)


def _longer(node: ast.stmt | ast.expr, lines: list[str], limit: int) -> bool:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    if node.lineno == node.end_lineno:
        return node.end_col_offset - node.col_offset > limit
    between = sum(len(line) + 1 for line in lines[node.lineno - 1 : node.end_lineno - 1])
    return between - node.col_offset + node.end_col_offset > limit


def _is_data(table: ast.expr) -> bool:
    """Whether a table holds constants and dotted names of libraries (`torch.float16`) only, and does not unpack others."""
    todo: list[ast.AST] = [table]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Attribute):
            continue
        if not isinstance(node, _DATA) or (isinstance(node, ast.Dict) and None in node.keys):
            return False
        todo += ast.iter_child_nodes(node)
    return True


def _replace(lines: list[str], table: ast.expr) -> None:
    """Put `(name)` in place of a table, with the closing bracket where that of the table was."""
    assert table.end_lineno is not None
    assert table.end_col_offset is not None
    first, last = table.lineno - 1, table.end_lineno - 1
    start = len(lines[first].encode()[: table.col_offset].decode())
    end = len(lines[last].encode()[: table.end_col_offset].decode())
    head, tail = f"{lines[first][:start]}({UNKNOWN}", lines[last][end:]
    if first == last:
        lines[first] = f"{head.ljust(end - 1)}){tail}"
        return
    lines[first] = head
    lines[first + 1 : last] = [""] * (last - first - 1)
    lines[last] = f"{' ' * (end - 1)}){tail}"
