"""What a backward needs as it was: the tensors that operations keep, and the statements that change one of them in place.

Which operation keeps what is in its row (`keeps`), observed by changing each tensor before a backward. A tape value stands
for a tensor's numbers at one moment, so a value that was overwritten can never be had again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import takewhile

from gradlint.catalog import Row
from gradlint.static import storage
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, Tensor, Val
from gradlint.tape import Span

OPERATORS = {"*": "torch.mul", "/": "torch.div", "**": "torch.pow", "@": "torch.matmul"}
WITH_NUMBER = {"torch.pow": "torch.Tensor.__pow__"}  #: what is another operation with a number in a tensor's place
RESULT, OWN = "result", "own"
_EQUATION = re.compile(r"([a-zA-Z]*),([a-zA-Z]*)->([a-zA-Z]*)")


def kept(m: Machine, row: Row, op: str, given: Sequence[Val], made: Val, span: Span,
         weights: Mapping[str, Tensor] | None = None) -> None:  # fmt: skip
    """Note what the backward of an operation needs: some of its arguments, its result, or a layer's parameters."""
    if (row.keeps or row.name == "torch.einsum") and m.mode.enabled is not False and isinstance(made, Tensor):
        named = {str(i): value for i, value in enumerate(given)} | {RESULT: made} | dict(weights or {})
        asking = {name for name, value in named.items() if name != RESULT and _requires(m, value)}
        if asking & set(weights or ()):
            asking.add(OWN)
        for what, who in _pairs(m, row, given):
            if who in asking and isinstance(value := named.get(what), Tensor):
                m.tape.need(value.cells[NODE], made.cells[NODE], span, op)


def kept_by_operator(m: Machine, op: str, left: Val, right: Val, made: Val, span: Span) -> None:
    """The same for `left op right`."""
    row = m.catalog.row(OPERATORS[op]) if op in OPERATORS else None
    if row is not None:
        kept(m, row, op, (left, right), made, span)


def in_its_own_way(m: Machine, written: Tensor, made: Tensor) -> None:
    """An operation that was asked to write into its input keeps what it needs of it before it does."""
    own = range(len(m.tape.needs))[::-1]
    for i in takewhile(lambda i: m.tape.needs[i].by == made.cells[NODE], own):
        if m.tape.needs[i].value == written.cells[NODE]:
            del m.tape.needs[i]


def changed(m: Machine, value: Tensor, span: Span) -> None:
    """A tensor gets other numbers in place, and so does what shares them; a backward minds what certainly does."""
    nodes = () if m.rehearsing else dict.fromkeys(t.cells[NODE] for t in storage.sharing(value))
    m.written.update(nodes)
    for node in nodes if not m.doubt else ():
        m.tape.change(node, span, m.text(span))


def rewritten(m: Machine) -> set[int]:
    """What got other numbers than it was initialised with, or may have: loaded, copied, moved by hand."""
    certainly = {change.value: "init" in change.label for change in m.tape.changes}
    return {value for value in m.written if not certainly.get(value, False)}


def _requires(m: Machine, value: Val) -> bool:
    return isinstance(value, Tensor) and m.tape.requires[value.cells[NODE]] == "yes"


def _pairs(m: Machine, row: Row, given: Sequence[Val]) -> tuple[tuple[str, str], ...]:
    """What is kept for whom, if the call has tensors where the observed calls had them."""
    pairs = _parsed(row.keeps) or (_contracted(given) if row.name == "torch.einsum" else ())
    places = {int(word) for pair in pairs for word in pair if word.isdigit()}
    if all(i < len(given) and isinstance(given[i], Tensor) for i in places):
        return pairs
    other = m.catalog.row(WITH_NUMBER[row.name]) if row.name in WITH_NUMBER else None
    return _pairs(m, other, given) if other is not None else ()


def _contracted(given: Sequence[Val]) -> tuple[tuple[str, str], ...]:
    """What `einsum` of two tensors keeps: each for the other, but for one that it sums up first, over an index of its own."""
    equation = given[0].replace(" ", "") if given and isinstance(given[0], str) else ""
    match = _EQUATION.fullmatch(equation) if len(given) == 3 else None
    if match is None:
        return ()
    left, right, out = (set(part) for part in match.groups())
    kept = (("1", "2", left - right), ("2", "1", right - left))
    return tuple((what, who) for what, who, own in kept if own <= out)


@cache
def _parsed(keeps: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((what, who) for what, _, who in (text.partition(":") for text in keeps))
