"""Foreign text as a terminal can show it: what a file, a string or a message of a user holds must not steer the screen.

Control characters become their pictures, what is invisible or turns the direction of writing becomes a replacement
character, so that nothing is hidden and every character keeps its column. The widths are rich's.
"""

from __future__ import annotations

import unicodedata

_PICTURES = 0x2400  #: U+2400 and on: a visible sign for each of the 32 control characters
_DELETE, _DELETE_PICTURE = 0x7F, 0x2421
_JOINERS = "\u200c\u200d"  #: they shape emoji and letters, and hide nothing
_UNJOINED = dict.fromkeys(map(ord, f"{_JOINERS}\ufe0e\ufe0f"))
_REPLACEMENT = "\ufffd"
_TAB = "    "


def printable(text: str) -> str:
    """The text on one line, without a character that the terminal would obey. Tabs are four columns wide."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def flat(text: str) -> str:
    """The printable text as every terminal shows it: joiners are left out, whose work some terminals know and some do not."""
    text = printable(text)
    return text if text.isascii() else text.translate(_UNJOINED)


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    if character.isprintable() or character in _JOINERS:
        return character
    code = ord(character)
    if code < ord(" "):
        return chr(_PICTURES + code)
    if code == _DELETE:
        return chr(_DELETE_PICTURE)
    return " " if unicodedata.category(character) == "Zs" else _REPLACEMENT
