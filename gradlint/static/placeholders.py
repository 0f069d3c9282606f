"""Methods that stand in for those of subclasses: they do nothing, refuse, or give a constant in place of a value.

A run that starts in the middle has an object of the class that holds the method; in the program it is one of a subclass.
"""

from __future__ import annotations

from gradlint.static import program as p
from gradlint.static.sites import dotted


def is_one(node: p.FunctionDef) -> bool:
    """Whether a method computes nothing of what it is given."""
    if any(dotted(decorator).rpartition(".")[2].startswith("abstract") for decorator in node.decorators):
        return True
    said = [s for s in node.body if not _says_nothing(s)]
    if len(said) != 1:
        return not said
    only = said[0]
    if isinstance(only, p.Raise) and only.value is not None:
        return "NotImplemented" in dotted(only.value.func if isinstance(only.value, p.Call) else only.value)
    return isinstance(only, p.Return) and _constant(only.value)


def _says_nothing(statement: p.Stmt) -> bool:
    return isinstance(statement, p.Pass) or (isinstance(statement, p.ExprStmt) and isinstance(statement.value, p.Const))


def _constant(value: p.Expr | None) -> bool:
    """Nothing, a number, or a tensor of numbers that stand there."""
    if value is None or isinstance(value, p.Const):
        return value is None or value.kind in ("none", "int", "float")
    return (
        isinstance(value, p.Call)
        and dotted(value.func).startswith("torch.")
        and all(a.keyword or isinstance(a.value, p.Const) for a in value.args)
    )
