"""Patterns of `match` statements: from libcst's nodes to the program's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from gradlint.static import program as p
from gradlint.static.lower_expressions import expression

if TYPE_CHECKING:
    from gradlint.static.lower import Lowering


def pattern(low: Lowering, node: Any) -> p.Pattern:
    """One pattern, through its parentheses."""
    run = PATTERNS.get(type(node))
    own = [] if isinstance(node, (cst.MatchValue, cst.MatchSingleton)) else list(getattr(node, "lpar", ()))
    if isinstance(node, cst.MatchTuple):
        own = own[:-1] if own else []
    for _ in own:
        low.reader.take("(")
    start = low.reader.skip()
    if run is None:
        low.skip_node(node)
        return p.UnknownPattern(low.reader.place(start), type(node).__name__)
    made = run(low, node, start)
    for _ in own:
        low.reader.take(")")
    return made


def _value(low: Lowering, node: cst.MatchValue | cst.MatchSingleton, start: int) -> p.Pattern:
    value = expression(low, node.value)
    return p.ValuePattern(low.reader.place(start), value)


def _as(low: Lowering, node: cst.MatchAs, start: int) -> p.Pattern:
    inner = None
    if node.pattern is not None:
        inner = pattern(low, node.pattern)
        low.reader.take("as")
    name = node.name.value if node.name is not None else "_"
    low.reader.take(name)
    if name != "_":
        low.scopes.bind(name)
    return p.CapturePattern(low.reader.place(start), "" if name == "_" else name, inner)


def _sequence(opening: str, closing: str) -> Callable[[Lowering, Any, int], p.Pattern]:
    def run(low: Lowering, node: Any, start: int) -> p.Pattern:
        bracketed = (opening == "(" and len(node.lpar) > 0) or (opening == "[" and node.lbracket is not None)
        if bracketed:
            low.reader.take(opening)
        elements = tuple(_element(low, element) for element in node.patterns)
        if bracketed:
            low.reader.take(closing)
        return p.SequencePattern(low.reader.place(start), elements)

    return run


def _element(low: Lowering, node: cst.MatchSequenceElement | cst.MatchStar) -> p.Pattern:
    if isinstance(node, cst.MatchStar):
        start = low.reader.take("*")
        name = node.name.value if node.name is not None else "_"
        low.reader.take(name)
        if name != "_":
            low.scopes.bind(name)
        made: p.Pattern = p.StarPattern(low.reader.place(start), "" if name == "_" else name)
    else:
        made = pattern(low, node.value)
    low.reader.optional(",")
    return made


def _or(low: Lowering, node: cst.MatchOr, start: int) -> p.Pattern:
    found = []
    for element in node.patterns:
        found.append(pattern(low, element.pattern))
        low.reader.optional("|")
    return p.OrPattern(low.reader.place(start), tuple(found))


def _class(low: Lowering, node: cst.MatchClass, start: int) -> p.Pattern:
    cls = expression(low, node.cls)
    low.reader.take("(")
    patterns = tuple(_element(low, element) for element in node.patterns)
    names, values = _keywords(low, node.kwds)
    low.reader.take(")")
    return p.ClassPattern(low.reader.place(start), cls, patterns, names, values)


def _keywords(low: Lowering, nodes: Sequence[cst.MatchKeywordElement]) -> tuple[tuple[str, ...], tuple[p.Pattern, ...]]:
    names, values = [], []
    for node in nodes:
        low.reader.take(node.key.value)
        low.reader.take("=")
        names.append(node.key.value)
        values.append(pattern(low, node.pattern))
        low.reader.optional(",")
    return tuple(names), tuple(values)


def _mapping(low: Lowering, node: cst.MatchMapping, start: int) -> p.Pattern:
    low.reader.take("{")
    keys, values = [], []
    for element in node.elements:
        keys.append(expression(low, element.key))
        low.reader.take(":")
        values.append(pattern(low, element.pattern))
        low.reader.optional(",")
    rest = ""
    if node.rest is not None:
        low.reader.take("**")
        rest = node.rest.value
        low.reader.take(rest)
        low.scopes.bind(rest)
        low.reader.optional(",")
    low.reader.take("}")
    return p.MappingPattern(low.reader.place(start), tuple(keys), tuple(values), rest)


PATTERNS: dict[type, Callable[[Any, Any, int], p.Pattern]] = {
    cst.MatchValue: _value,
    cst.MatchSingleton: _value,
    cst.MatchAs: _as,
    cst.MatchTuple: _sequence("(", ")"),
    cst.MatchList: _sequence("[", "]"),
    cst.MatchOr: _or,
    cst.MatchClass: _class,
    cst.MatchMapping: _mapping,
}
