"""Texts that are held until they are looked at: those of a large project deflated."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import sources
from gradlint.sources import Packed


@pytest.mark.parametrize("text", ["x = 1\n" * 50, "größe = 'ß'\n" * 50, "odd = '\udc80'\n", ""])
def test_a_text_comes_back_as_it_was(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PLAIN", 100)
    held = Packed()
    for name in ("a", "b", "c"):
        held.put(Path(name), text)
    assert [held[Path(name)] for name in map(str, held)] == [text] * 3


def test_what_goes_beyond_the_first_characters_is_deflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PLAIN", 100)
    held = Packed()
    kept = [held.put(Path(name), "x = 1\n" * 15) for name in ("a", "b")]
    assert isinstance(kept[0], str)
    assert isinstance(kept[1], bytes)
    assert len(kept[1]) < 45
