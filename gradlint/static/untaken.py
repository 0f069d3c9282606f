"""The branches that a whole run did not take, for they hang on a condition it knows: another run may take them.

What they read may be wanted after all: "never" is no fact about it. And what the branches in their place do was chosen: a
gradient that is stopped there is meant to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gradlint.static import program as p
from gradlint.static.machine import Machine
from gradlint.static.program import Node
from gradlint.static.values import Frame

_WORD = re.compile(r"[^\W\d]\w*")


def pass_over(m: Machine, frame: Frame, nodes: Sequence[Node]) -> None:
    """These statements, or this expression, are left out."""
    if m.whole and nodes:
        m.untaken.add((frame.module.program.file, nodes[0].place[0], nodes[-1].place[2]))


def choose(m: Machine, frame: Frame, nodes: Sequence[Node]) -> None:
    """These statements, or this expression, are run because an option says so."""
    if m.whole and nodes:
        m.chosen.add((frame.module.program.file, nodes[0].place[0], nodes[-1].place[2]))


def instead(m: Machine, frame: Frame, test: p.Expr, nodes: Sequence[Node], others: Sequence[Node]) -> None:
    """The first are run and the others left out, as a test says."""
    pass_over(m, frame, others)
    if is_option(test):
        choose(m, frame, nodes)


def is_option(test: p.Expr) -> bool:
    """Whether a test asks for a flag, or compares one with a literal; nobody has the choice of `__name__`, or what is None yet."""
    match test:
        case p.Unary(op="not"):
            return is_option(test.operand)
        case p.Compare(comparators=(p.Const(kind=kind),)):
            return kind != "none" and is_option(test.left)
        case p.Name():
            return test.id != "__name__"
        case p.Attribute():
            return test.attr != "training"
    return False


def words(m: Machine) -> Iterable[str]:
    """The names in what was left out."""
    found: set[str] = set()
    for file, first, last in m.untaken:
        for line in m.project.lines(file)[first - 1 : last]:
            found.update(_WORD.findall(line))
    return sorted(found)
