"""Suppressions: `# gradlint: ignore[rule] reason` at the cut or the demand, `# gradlint: file-ignore[rule]` anywhere.

An ignore stands on the line, or alone on the line above. Knows comments and findings, not how either came about.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Literal

import msgspec

from gradlint.finding import Finding, Place, Position, Range, Step

MARK = "gradlint:"
_COMMENT = re.compile(r"#\s*gradlint:\s*(file-ignore|ignore)\s*\[([^\]]*)\]")


class Suppression(msgspec.Struct, frozen=True):
    """One comment: what it silences, and where."""

    scope: Literal["line", "file"]
    rules: tuple[str, ...]
    file: str
    range: Range  #: of the comment's words
    line: int  #: the line that it speaks of

    def speaks_of(self, rule: str, file: str, place: Range) -> bool:
        """Whether it silences this rule at this place."""
        near = self.scope == "file" or place.start.line <= self.line <= place.end.line
        return near and rule in self.rules and file == self.file


class Silenced(msgspec.Struct, frozen=True):
    """The findings that are left, how many went, and the comments that did something, with the rule they silenced."""

    findings: tuple[Finding, ...]
    count: int
    used: frozenset[tuple[Suppression, str]]


def suppressions(file: str, text: str) -> list[Suppression]:
    """The suppression comments of a file."""
    if MARK not in text:
        return []
    lines = text.split("\n")
    return [s for token in _comments(text) for s in _read(file, token, lines)]


def apply(findings: Iterable[Finding], of: Callable[[str], Sequence[Suppression]]) -> Silenced:
    """Silence what the comments say. A cut that severs several demands stays as long as one of them is not silenced."""
    kept: list[Finding] = []
    used: set[tuple[Suppression, str]] = set()
    count = 0
    for finding in findings:
        left, by = _silence(finding, of)
        used |= {(s, finding.rule) for s in by}
        if left is None:
            count += 1
        else:
            kept.append(left)
    return Silenced(tuple(kept), count, frozenset(used))


def unused(
    given: Iterable[Suppression], used: Collection[tuple[Suppression, str]], active: Collection[str]
) -> list[tuple[Suppression, list[str]]]:
    """The comments with rules that are on and silence nothing, and these rules."""
    idle = ((s, [rule for rule in s.rules if rule in active and (s, rule) not in used]) for s in given)
    return [(s, rules) for s, rules in idle if rules]


def unknown(given: Iterable[Suppression], rules: Collection[str]) -> list[tuple[Suppression, str]]:
    """The comments that name a rule that does not exist, and the name."""
    return [(s, name) for s in given for name in s.rules if name not in rules]


def _silence(finding: Finding, of: Callable[[str], Sequence[Suppression]]) -> tuple[Finding | None, set[Suppression]]:
    at_cut = {s for file, place in _cuts(finding) for s in of(file) if s.speaks_of(finding.rule, file, place)}
    if at_cut:
        return None, at_cut
    demands = _demands(finding)
    hits = [{s for s in of(d.file) if s.speaks_of(finding.rule, d.file, d.range)} for d in demands]
    left = [d for d, hit in zip(demands, hits, strict=True) if not hit]
    used = {s for hit in hits for s in hit}
    if not used:
        return finding, used
    return (_asked_at(finding, left) if left else None), used


def _cuts(finding: Finding) -> list[tuple[str, Range]]:
    return [(finding.file, finding.range), *((s.file, s.range) for s in finding.path if s.role == "cut")]


def _demands(finding: Finding) -> list[Place]:
    own = [Place(s.file, s.range, s.label) for s in finding.path if s.role == "demand"][-1:]
    return [*own, *finding.also]


def _asked_at(finding: Finding, demands: Sequence[Place]) -> Finding:
    """The finding with only these demands; the first of them ends its path."""
    first, *others = demands
    demand = Step("demand", first.file, first.range, first.label)
    path = tuple(demand if step.role == "demand" else step for step in finding.path)
    return msgspec.structs.replace(finding, path=path, also=tuple(others))


def _comments(text: str) -> list[tokenize.TokenInfo]:
    """The comments up to the first thing that is no Python."""
    found: list[tokenize.TokenInfo] = []
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and MARK in token.string:
                found.append(token)
    return found


def _read(file: str, token: tokenize.TokenInfo, lines: Sequence[str]) -> Iterable[Suppression]:
    line, column = token.start
    spoken = line if lines[line - 1][:column].strip() else _next_code(lines, line)
    for match in _COMMENT.finditer(token.string):
        rules = tuple(dict.fromkeys(name.strip() for name in match[2].split(",") if name.strip()))
        words = Range(Position(line, column + match.start() + 1), Position(line, column + match.end() + 1))
        yield Suppression("file" if match[1] == "file-ignore" else "line", rules, file, words, spoken)


def _next_code(lines: Sequence[str], line: int) -> int:
    """The line below a comment that stands alone; further comments between them do not matter."""
    while line < len(lines) and lines[line].lstrip().startswith("#"):
        line += 1
    return line + 1
