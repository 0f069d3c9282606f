"""On which line of a TOML document a key is set. The parser of TOML tells no lines, so it is asked about beginnings."""

from __future__ import annotations

import sys
from collections.abc import Sequence

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line where a key (with the keys of the tables over it) begins; 1 for one that is not set.

    `low` lines do not hold the key, `high` lines do. A beginning that ends inside of a value is no TOML; it holds what the
    longest one before it does, of `whole` lines, so the key begins behind those.
    """
    lines = text.split("\n")
    whole, low, high = 0, 0, len(lines)
    while high - low > 1:
        middle = at = (low + high) // 2
        while at > whole and (held := _held(lines[:at], keys)) is None:
            at -= 1
        if at > whole and held:
            high = at
        else:
            whole, low = at, middle
    return whole + 1 if _held(lines, keys) else 1


def _held(lines: Sequence[str], keys: Sequence[str]) -> bool | None:
    """Whether some lines set a key, None where they are no TOML."""
    try:
        found: object = tomllib.loads("\n".join((*lines, "")))
    except tomllib.TOMLDecodeError:
        return None
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return False
        found = found[key]
    return True
