"""Setting a keyword argument of a call, whether it is there already or not."""

from __future__ import annotations

import ast

from gradlint.finding import Edit, Position, Range
from gradlint.fixes._source import Source


def with_keyword(source: Source, call: ast.Call, name: str, value: str) -> Edit:
    """The edit that gives a call this keyword argument."""
    given = next((k for k in call.keywords if k.arg == name), None)
    if given is not None:
        return source.replaced(given.value, value)
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    if not arguments:
        end = source.place(call).end
        return source.inserted(Position(end.line, end.column - 1), f"{name}={value}")
    last = max(arguments, key=lambda a: source.place(a).end)
    return _behind(source, call, source.place(last).end, f"{name}={value}")


def without_keyword(source: Source, call: ast.Call, keyword: ast.keyword) -> Edit:
    """The edit that takes a keyword argument away, with the comma that parted it from its neighbour."""
    arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    arguments.sort(key=lambda a: source.place(a).start)
    i = arguments.index(keyword)
    place = source.place(keyword)
    if i:
        return Edit(source.file, Range(source.place(arguments[i - 1]).end, place.end), "")
    end = source.place(arguments[1]).start if len(arguments) > 1 else place.end
    return Edit(source.file, Range(place.start, end), "")


def _behind(source: Source, call: ast.Call, end: Position, content: str) -> Edit:
    """After the last argument; where each has a line of its own and a comma after it, on a line of its own."""
    tail = source.between(Range(end, source.place(call).end))
    if not tail.lstrip().startswith(","):
        # a generator's or a parenthesised argument's own bracket belongs to the argument
        inner = len(tail[:-1]) - len(tail[:-1].lstrip(") \n\t")) if tail.startswith(")") and tail != ")" else 0
        return source.inserted(_further(end, tail[:inner]), f", {content}")
    comma = _further(end, tail[: tail.index(",") + 1])
    if "\n" not in tail:
        return source.inserted(comma, f" {content}")
    first = source.lines[end.line - 1]
    indent = first[: len(first) - len(first.lstrip())]
    line = comma.line + 1
    return source.inserted(Position(line, 1), f"{indent}{content},\n")


def _further(place: Position, text: str) -> Position:
    if "\n" not in text:
        return Position(place.line, place.column + len(text))
    return Position(place.line + text.count("\n"), len(text.rpartition("\n")[2]) + 1)
