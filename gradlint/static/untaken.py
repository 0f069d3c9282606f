"""The branches that a whole run did not take, for they hang on a condition it knows: another run may take them.

What they read may be wanted after all: "never" is no fact about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gradlint.static.machine import Machine
from gradlint.static.program import Node
from gradlint.static.values import Frame

_WORD = re.compile(r"[^\W\d]\w*")


def pass_over(m: Machine, frame: Frame, nodes: Sequence[Node]) -> None:
    """These statements, or this expression, are left out."""
    if m.whole and nodes:
        m.untaken.add((frame.module.program.file, nodes[0].place[0], nodes[-1].place[2]))


def words(m: Machine) -> Iterable[str]:
    """The names in what was left out."""
    found: set[str] = set()
    for file, first, last in m.untaken:
        for line in m.project.lines(file)[first - 1 : last]:
            found.update(_WORD.findall(line))
    return sorted(found)
