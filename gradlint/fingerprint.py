"""Fingerprints: how a finding is recognised in another version of its file. No line numbers, no working directory.

Made of the rule, the path below the project's root, the symbol, the text of cut and demand as a formatter cannot change it,
and the ordinal among findings of the file that are alike in all of these.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from gradlint.discovery import absolute, kind
from gradlint.finding import Finding, Range

_ROOTS = (".git", "pyproject.toml", "gradlint.toml", "setup.py", "setup.cfg")
_LAYOUT = re.compile(r"[\s()]")

Lines = Callable[[str], Sequence[str]]


class Print(msgspec.Struct, frozen=True):
    """What a fingerprint is made of; `demands` are the texts of all demands of the finding, the first one counts."""

    rule: str
    path: str
    symbol: str
    cut: str
    demands: tuple[str, ...]
    ordinal: int = 0

    @property
    def digest(self) -> str:
        """The fingerprint."""
        return self._digest(self.path, self.demands[0])

    def alike(self, path: str) -> set[str]:
        """The fingerprints that the finding had in a file with this path, whichever of its demands came first."""
        return {self._digest(path, demand) for demand in self.demands}

    def _digest(self, path: str, demand: str) -> str:
        parts = (self.rule, path, self.symbol, self.cut, demand, str(self.ordinal))
        return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def prints(findings: Iterable[Finding], lines: Lines) -> list[Print]:
    """The prints of findings that come in the order of the report."""
    seen: Counter[tuple[Path, Print]] = Counter()
    made: list[Print] = []
    for finding in findings:
        alike = _print(finding, lines)
        key = (absolute(finding.file), msgspec.structs.replace(alike, demands=alike.demands[:1]))
        made.append(msgspec.structs.replace(alike, ordinal=seen[key]))
        seen[key] += 1
    return made


def below_root(path: Path) -> str:
    """A path as it counts: from the nearest folder above that looks like the root of a project."""
    root = _root(path.parent)
    return path.relative_to(root).as_posix() if root else path.name


def excerpt(lines: Sequence[str], place: Range) -> str:
    """The text of a range without what formatters change: layout, brackets around a whole, quotes, commas at ends, comments."""
    found = list(lines[place.start.line - 1 : place.end.line])
    if found:
        found[-1] = found[-1][: place.end.column - 1]
        found[0] = found[0][place.start.column - 1 :]
    text = "\n".join(found)
    return _LAYOUT.sub("", _normal(text)).replace('"', "'")


def _normal(text: str) -> str:
    """Python as the interpreter writes it; a text that is none by itself stays as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd in the user's code is told elsewhere
        for form in (f"({text}\n)", text):
            try:
                return ast.unparse(ast.parse(form))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return text


def _print(finding: Finding, lines: Lines) -> Print:
    own = [(step.file, step.range) for step in finding.path if step.role == "demand"][-1:]
    demands = [excerpt(lines(file), there) for file, there in (*own, *((a.file, a.range) for a in finding.also))]
    cut = excerpt(lines(finding.file), finding.range)
    path = below_root(absolute(finding.file))
    return Print(finding.rule, path, finding.symbol, cut, tuple(demands) or ("",))


@cache
def _root(folder: Path) -> Path | None:
    """The nearest folder that looks like the root of a project."""
    found = (f for f in (folder, *folder.parents) if any(kind(f / name) for name in _ROOTS))
    return next(found, None)
