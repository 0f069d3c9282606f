"""Bodies that are lowered when they are run: the program is the one that lowering all at once makes."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import msgspec
import pytest

from gradlint.static import lower as lowering
from gradlint.static import program as p
from gradlint.static.bodies import bodies, parsed, without
from gradlint.static.lower import lower
from gradlint.static.sites import below

ROOT = Path(__file__).parent.parent
TEXT = '''"""Grüße."""
class A:
    @wraps(1)
    async def ß(self, a, *b, c=2) -> int:  # why
        # before
        @wraps
        def inner():
            nonlocal a
            yield """
text
  at all""" + "ü"
        global g; g = [x for x in b if (y := x)]
        return (  # é
            await c
        )  # after

    def short(self): return 1

    if a:
        def deep(self):
            x = 1
            y = 2
            z = 3
            z = 4; return x

    def semicolon(self):
        x = 1
        y = 2
        z = 3
        z = 4;
try:
    def f():
        """Only

        a

        text."""
except* E:
    def g(x=lambda: 1): \\
        pass
'''
SOURCES = [
    *sorted((ROOT / "gradlint").rglob("*.py"))[::7],
    *sorted((ROOT / "fixtures").rglob("*.py"))[::9],
    Path(ast.__file__),
]


def whole(module: p.Module) -> object:
    """A program with all its bodies."""
    for function in below(module, p.FunctionDef):
        assert isinstance(function.body, tuple)
    return msgspec.to_builtins(module, order="sorted")


def at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        patch.setattr(lowering, "bodies", lambda *_: {})
        return whole(lower(text, "f.py", "f"))


@pytest.mark.parametrize("text", [TEXT, *(path.read_text(encoding="utf-8") for path in SOURCES)])
def test_the_program_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert whole(lower(text, "f.py", "f")) == at_once(text, monkeypatch)


def test_what_is_put_off() -> None:
    later = bodies(TEXT, ast.parse(TEXT))
    assert [(s.first, s.last) for s in later.values()] == [(6, 15), (21, 24), (33, 37)]
    assert "inner" not in without(TEXT, later.values())
    assert parsed(TEXT.replace("\n", "\r\n")) is None
    assert parsed("def f(:\n") is None


def test_a_program_keeps_its_texts_when_it_is_put_away(monkeypatch: pytest.MonkeyPatch) -> None:
    made = lower(TEXT, "f.py", "f")
    assert whole(pickle.loads(pickle.dumps(made))) == at_once(TEXT, monkeypatch)
