"""Places of names, where blanks, continuations and comments stand between any two tokens; Python's own parser is the judge."""

from __future__ import annotations

import ast
import io
import random
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradlint.static import program as p
from gradlint.static.lower import lower
from gradlint.static.sites import below

SOURCES = sorted((Path(__file__).parents[1] / "gradlint" / "static").glob("*.py"))
INSIDE = (" ", "\n", "  # (a [comment\n  ", "\\\n ")  #: what may stand between two tokens inside brackets
OUTSIDE = (" ", " \\\n   ", "\t")
CLOSED = (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING)
GRAMMAR = """
def f(a: int = 3, /, b=1, *args: str, c, d=2, **more) -> dict[str, int]:
    global x
    x = a if b is not None and c not in (1, 2) else -d ** 2
    x += 1; x //= 2; x **= 3; x @= a; x >>= 1
    assert a != b, (yield from c)
    del x, a[b:c:d], d[..., None]
    return [i for i in a if i if not b] or {**c, "k": lambda *q, r=1: q}, {*a, b}

async def g(a):
    async with a as b, a() as (c, d):
        async for i in b:
            await c(*i, k=d, **i)
    raise ValueError(a) from None

@f(1)
class C(B, metaclass=M):
    y: int = 3
    z: list[int]

from os import (path as q, sep)
import os.path as op, sys
while (n := f(x)) < 3 <= 4 == n:
    if n: break
    elif q: continue
    else: pass
else:
    n = n[1:2, ::3].y.z(1)(2)
try:
    with (open(q) as h, open(op) as k): pass
except (A, B) as e:
    print(f"{n!r:>{sep}} {q=}", "a" 'b', b"c", not n, ~n)
finally:
    for (i, *j), k in x: i.y = j = k
"""


def spread(text: str, seed: int) -> str:
    """The text with other blanks between the tokens of each statement."""
    choose = random.Random(seed)
    made, depth, before = "", 0, None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if before is not None and before.type in CLOSED and token.type in CLOSED and before.end[0] == token.start[0]:
            gap = before.line[before.end[1] : token.start[1]]
            made += choose.choice(INSIDE if depth else OUTSIDE) if choose.random() < 0.4 else gap
        elif before is not None:
            made += _between(text, before.end, token.start)
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        made += token.string if token.type not in (tokenize.DEDENT, tokenize.INDENT) else ""
        if token.type == tokenize.INDENT:
            made += token.string
        before = token
    return made


def _between(text: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    lines = [*text.splitlines(keepends=True), ""]
    if start >= end:
        return ""
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    return lines[start[0] - 1][start[1] :] + "".join(lines[start[0] : end[0] - 1]) + lines[end[0] - 1][: end[1]]


def places(module: p.Module) -> Iterator[tuple[str, int, int]]:
    """Name, line and column of every name that is read or written in a lowered program."""
    yield from ((name.id, *name.place[:2]) for name in below(module, p.Name))


def judged(text: str) -> set[tuple[str, int, int]]:
    """The same from Python's parser, whose columns count bytes from 0."""
    lines = text.split("\n")
    return {
        (node.id, node.lineno, len(lines[node.lineno - 1].encode()[: node.col_offset].decode()) + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name)
    }


@pytest.mark.parametrize("seed", range(12))
def test_names_stand_where_python_sees_them(seed: int) -> None:
    text = spread(GRAMMAR if seed < 8 else SOURCES[seed % len(SOURCES)].read_text(encoding="utf-8"), seed)
    ast.parse(text)
    assert judged(text) <= set(places(lower(text, "f.py", "f")))
