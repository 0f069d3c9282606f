"""Literals are read as Python reads them, whether a compiler is asked or not."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlint.static.literals import read_literal

TEXTS = (
    "''", "'a b'", '"it\'s"', r"'a\n'", "b'x'", "'''a'''", "'''it's\n'''", '"""a "b" c"""', "''''''", r"'''\x41'''", "r'a'", "u'a'",
    "'''a\r\nb'''", "0", "12", "1_000", "0x1f", "0b1", "9" * 30, "1.5", "1.", ".5", "1e5", "1E-3", "1e999", "007.5", "3j", "1.5j",
    "None", "True", "False", "...", "'é😀'",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_literal(text: str) -> None:
    try:
        wanted: Any = ast.literal_eval(text)
    except SyntaxError:
        with pytest.raises(SyntaxError):
            read_literal(text)
        return
    assert repr(read_literal(text)) == repr(wanted)


@given(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.binary()))
def test_what_repr_writes(value: Any) -> None:
    assert repr(read_literal(repr(value))) == repr(value)


def test_what_is_no_literal() -> None:
    with pytest.raises(SyntaxError):
        read_literal("007")
