"""What PyTorch said: recognising its messages, and the places that a traceback names.

The messages are data, in `rules/messages.toml`; a new wording is a new row there. Knows nothing of files' content.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from gradlint.catalog import data_folder
from gradlint.discovery import absolute, kind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOREIGN = ("site-packages", "dist-packages")
_FRAMES = (
    re.compile(r'^\s*File "(?P<file>[^"<>]+)", line (?P<line>\d+)', re.MULTILINE),
    re.compile(r"^(?P<file>[^\s:<>][^:\n<>]*\.py):(?P<line>\d+):", re.MULTILINE),  # as pytest prints them
    re.compile(r"^File (?P<file>[^\s:<>][^:\n<>]*\.py):(?P<line>\d+)\b", re.MULTILINE),  # as IPython does
    re.compile(
        r"^(?P<file>[^\s:<>][^:\n<>]*\.py) in [^\n]*\n(?:[^\n]+\n){0,9}?-+> (?P<line>\d+)\b", re.MULTILINE
    ),  # and did
)
#: cells as IPython names them, from 8.5 on, before, and before 8
_CELLS = (
    re.compile(r"^Cell In ?\[(?P<prompt>\d+)\], line (?P<line>\d+)", re.MULTILINE),
    re.compile(
        r"^(?:Input In \[(?P<prompt>\d+)\], in|<ipython-input-(?P<old>\d+)-\w+> in)\b[^\n]*\n(?:[^\n]+\n){0,9}?-+> (?P<line>\d+)\b",
        re.MULTILINE,
    ),
)
_PAINT = re.compile(r"\x1b\[[0-9;]*m")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of PyTorch."""

    pattern: str
    meaning: str
    rules: tuple[str, ...]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: tuple[Message, ...]


class Frame(msgspec.Struct, frozen=True):
    """A line of a traceback in the user's own code: in a file, or in the cell that ran as this number."""

    line: int
    path: Path | None = None
    prompt: int | None = None


class Symptom(msgspec.Struct, frozen=True):
    """A message that was recognised, and the line it stood on."""

    message: Message
    line: str


@cache
def messages() -> tuple[Message, ...]:
    """All messages that gradlint knows."""
    text = (data_folder() / "messages.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).message


def symptom(text: str) -> Symptom | None:
    """The message in a text; of several the last, which is the one that ended the program."""
    for line in reversed(text.splitlines()):
        for message in messages():
            if re.search(message.pattern, line):
                return Symptom(message, line.strip())
    return None


def unpainted(text: str) -> str:
    """A text as it was before a terminal's colours, which notebooks keep in their outputs."""
    return _PAINT.sub("", text)


def frames(text: str) -> list[Frame]:
    """The user's own files, cells and lines in a traceback, the innermost first."""
    found = [(m.start(), _in_file(m)) for pattern in _FRAMES for m in pattern.finditer(text)]
    found += [(m.start(), _in_cell(m)) for pattern in _CELLS for m in pattern.finditer(text)]
    ordered = (frame for _, frame in sorted(found, key=lambda pair: -pair[0]))
    return list(dict.fromkeys(frame for frame in ordered if frame.path is None or _own(frame.path)))


def _in_file(match: re.Match[str]) -> Frame:
    return Frame(int(match["line"]), absolute(Path(match["file"]).expanduser()))


def _in_cell(match: re.Match[str]) -> Frame:
    return Frame(int(match["line"]), prompt=int(match["prompt"] or match.groupdict().get("old") or 0))


def _own(path: Path) -> bool:
    """Whether a file is the user's: neither installed nor Python's own."""
    library = {Path(base).resolve() / "lib" for base in (sys.prefix, sys.base_prefix)}
    inside = any(base in path.parents for base in library)
    return kind(path) == "file" and not inside and not any(part in _FOREIGN for part in path.parts)


def likeliest(rules: Sequence[str], rule: str) -> int:
    """The rank of a rule among the causes of a message."""
    return rules.index(rule) if rule in rules else len(rules)
