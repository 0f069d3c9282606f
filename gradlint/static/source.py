"""What the static half is given and what it tells on the way; loading it loads nothing of the machine."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

#: told of the work: files done, files in all, the file that comes now
Watch = Callable[[int, int, str], None]


def ignore(done: int, total: int, file: str) -> None:
    """Nobody watches."""


class Source(msgspec.Struct, frozen=True):
    """A file's text. `file` is how it is printed, `named` tells it from a file that is only read for context."""

    file: str
    path: Path
    held: str | bytes  #: the text, or packed
    named: bool = True

    @property
    def text(self) -> str:
        """The text."""
        return unpacked(self.held)


def packed(text: str, *, always: bool = False) -> str | bytes:
    """A text to be kept: one that is not ASCII takes up to four bytes for every character, deflated a quarter of one."""
    if text.isascii() and not always:
        return text
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def unpacked(held: str | bytes) -> str:
    """A text that was packed."""
    return held if isinstance(held, str) else zlib.decompress(held).decode("utf-8", "surrogatepass")


def shown(path: Path) -> str:
    """How a file that nobody named is printed: from the working directory where it lies below it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
