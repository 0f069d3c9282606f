"""Fingerprints: how a finding is recognised in another version of its file. No line numbers, no working directory.

Made of the rule, the path below the project's root, the symbol, the text of cut and demand without its spacing, and the
ordinal among findings that are alike in all of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from gradlint.discovery import absolute, kind
from gradlint.finding import Finding, Range

_ROOTS = (".git", "pyproject.toml", "gradlint.toml", "setup.py", "setup.cfg")

Lines = Callable[[str], Sequence[str]]


def fingerprinted(findings: Iterable[Finding], lines: Lines) -> list[Finding]:
    """The findings with their fingerprints; they come in the order of the report."""
    seen: Counter[tuple[str, ...]] = Counter()
    marked: list[Finding] = []
    for finding in findings:
        parts = _parts(finding, lines)
        digest = sha256("\0".join((*parts, str(seen[parts]))).encode()).hexdigest()[:16]
        seen[parts] += 1
        marked.append(msgspec.structs.replace(finding, fingerprint=digest))
    return marked


def excerpt(lines: Sequence[str], place: Range) -> str:
    """The text of a range, without its spacing."""
    found = list(lines[place.start.line - 1 : place.end.line])
    if found:
        found[-1] = found[-1][: place.end.column - 1]
        found[0] = found[0][place.start.column - 1 :]
    return "".join("".join(found).split())


def _parts(finding: Finding, lines: Lines) -> tuple[str, ...]:
    demand = next((s for s in reversed(finding.path) if s.role == "demand"), None)
    at_cut = excerpt(lines(finding.file), finding.range)
    at_demand = excerpt(lines(demand.file), demand.range) if demand else ""
    return (finding.rule, _below_root(absolute(finding.file)), finding.symbol, at_cut, at_demand)


def _below_root(path: Path) -> str:
    root = _root(path.parent)
    return path.relative_to(root).as_posix() if root else path.name


@cache
def _root(folder: Path) -> Path | None:
    """The nearest folder that looks like the root of a project."""
    found = (f for f in (folder, *folder.parents) if any(kind(f / name) for name in _ROOTS))
    return next(found, None)
