"""A statement that certainly fails is passed over, and the analysis goes on as if it had not: what it should have made is unknown.

What it would have assigned keeps no old value, and a list it would have added to may hold more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from gradlint.static import attributes, calls
from gradlint.static import program as p
from gradlint.static.elsewhere import walk
from gradlint.static.expressions import evaluate
from gradlint.static.machine import Machine
from gradlint.static.sites import dotted
from gradlint.static.values import Frame, Raised, Unknown


def forget(m: Machine, frame: Frame, node: p.Stmt) -> None:
    """Take the statement's effects as unknown; where it hangs on an undecided condition, the other way is the one that is taken."""
    if m.doubt:
        return
    for target in _targets(node):
        unknown = Unknown(m.text(m.span(frame, target)))
        with suppress(Raised):
            attributes.assign(m, frame, target, unknown)
    filled = _filled(node)
    if filled is not None:
        with suppress(Raised):
            calls.disturb(m, evaluate(m, frame, filled), Unknown(m.text(m.span(frame, filled))))


def _targets(node: p.Stmt) -> Iterator[p.Expr]:
    """What the statement binds, or one inside it that did not get its turn."""
    for statement in walk((node,)):
        match statement:
            case p.Assign():
                yield from statement.targets
            case p.AnnAssign() | p.AugAssign() | p.For():
                yield statement.target
            case p.With():
                yield from (item.target for item in statement.items if item.target is not None)


def _filled(node: p.Stmt) -> p.Expr | None:
    """`losses.append(term)`: what a method is called of."""
    call = node.value if isinstance(node, p.ExprStmt) else None
    receiver = call.func.value if isinstance(call, p.Call) and isinstance(call.func, p.Attribute) else None
    return receiver if receiver is not None and dotted(receiver) else None
