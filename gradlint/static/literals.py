"""Reading literals: what most of them are needs no compiler, which takes fifty times as long."""

from __future__ import annotations

import ast
import re
from typing import Any

_PLAIN = re.compile(r"""'[^'\\\n]*'|"[^"\\\n]*\"""")
_LONG = re.compile(r"""(\"{3}|'{3})[^\\\r]*\1""")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,18}")
_REAL = re.compile(r"[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+")
_WORDS = {"None": None, "True": True, "False": False, "...": ...}


def read_literal(text: str) -> Any:
    """The value of a literal. Raises: SyntaxError."""
    if text in _WORDS:
        return _WORDS[text]
    if _PLAIN.fullmatch(text):
        return text[1:-1]
    if _LONG.fullmatch(text):
        return text[3:-3]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else ast.literal_eval(text)
