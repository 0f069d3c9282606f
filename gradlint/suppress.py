"""Suppressions: `# gradlint: ignore[rule] reason` at the cut or the demand, `# gradlint: file-ignore[rule]` anywhere.

An ignore stands on the line, or alone above it. On the first or the last line of a statement it speaks of all its lines, so
that it still holds when a formatter breaks them; inside of brackets, of its own line. Alone above a statement it speaks of
that statement, of a compound one of its head, decorators included. Knows comments and findings, not how either came about.
"""

from __future__ import annotations

import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Literal

import msgspec

from gradlint.finding import Finding, Place, Position, Range, Step

MARK = "gradlint:"
_COMMENT = re.compile(r"#\s*gradlint:\s*(file-ignore|ignore)\s*\[([^\]]*)\]")
#: what is meant to silence something and names no rule
_MISWRITTEN = re.compile(
    r"#\s*gradlint:\s*(?:(?:file-)?ignore(?!\s*\[[^\]]*\])|noqa|disable|skip|off)\b[^#]*", re.IGNORECASE
)
_NOT_CODE = frozenset((tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE))
_CLOSING = (")", "]", "}")
_HEADS = ("def", "class", "async")


class Suppression(msgspec.Struct, frozen=True):
    """One comment: what it silences, and where."""

    scope: Literal["line", "file"]
    rules: tuple[str, ...]
    file: str
    range: Range  #: of the comment's words
    first: int  #: the lines that it speaks of
    last: int

    def speaks_of(self, rule: str, file: str, place: Range) -> bool:
        """Whether it silences this rule at this place."""
        near = self.scope == "file" or (place.start.line <= self.last and self.first <= place.end.line)
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
    comments, statements = _tokens(text)
    lines = text.split("\n")
    return [s for token in comments for s in _read(file, token, _spoken(token, lines, statements))]


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


# --- comments --------------------------------------------------------------------------------------------------------


class _Statement(msgspec.Struct, frozen=True):
    """A simple statement, or the head of a compound one: its lines, its first word, and the line of its last one.

    Behind the last word stand closing brackets only; formatters put the comment of a statement there when they break its lines.
    """

    first: int
    last: int
    word: str
    end: int

    @property
    def edges(self) -> tuple[int, ...]:
        """The lines on which a comment speaks of the whole statement."""
        return self.first, self.last, self.end


def _tokens(text: str) -> tuple[list[tokenize.TokenInfo], list[_Statement]]:
    """The comments and the statements up to the first thing that is no Python."""
    comments: list[tokenize.TokenInfo] = []
    statements: list[_Statement] = []
    words: list[tokenize.TokenInfo] = []  #: of the statement that has begun, without closing brackets
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and MARK in token.string:
                comments.append(token)
            elif token.type == tokenize.NEWLINE and words:
                end = words[-1].end[0] if words[-1].string != "," else words[0].start[0]
                statements.append(_Statement(words[0].start[0], token.start[0], words[0].string, end))
                words = []
            elif token.type not in _NOT_CODE and token.string not in _CLOSING:
                words.append(token)
    return comments, statements


def _spoken(token: tokenize.TokenInfo, lines: Sequence[str], statements: Sequence[_Statement]) -> tuple[int, int]:
    """The first and the last line that a comment speaks of."""
    line, column = token.start
    at = bisect_right(statements, line, key=lambda s: s.first) - 1
    around = statements[at] if at >= 0 and line <= statements[at].last else None
    if lines[line - 1][:column].strip():
        return (around.first, around.last) if around is not None and line in around.edges else (line, line)
    below = _below(lines, line)
    if around is not None or at + 1 == len(statements) or statements[at + 1].first != below:
        return below, below
    return below, _head_end(statements[at + 1 :])


def _head_end(statements: Sequence[_Statement]) -> int:
    """The last line of a statement; of decorators, that of the head they stand over."""
    decorators = sum(1 for _ in takewhile(lambda s: s.word == "@", statements))
    following = statements[decorators : decorators + 1]
    return following[0].last if following and (not decorators or following[0].word in _HEADS) else statements[0].last


def _below(lines: Sequence[str], line: int) -> int:
    """The line below a comment that stands alone; further comments between them do not matter."""
    while line < len(lines) and lines[line].lstrip().startswith("#"):
        line += 1
    return line + 1


def _read(file: str, token: tokenize.TokenInfo, spoken: tuple[int, int]) -> Iterable[Suppression]:
    """What a comment says."""
    line, column = token.start
    for match in (*_COMMENT.finditer(token.string), *_MISWRITTEN.finditer(token.string)):
        scope, named = match.groups() if match.re is _COMMENT else ("", "")
        rules = tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
        end = match.start() + len(match[0].rstrip())
        words = Range(Position(line, column + match.start() + 1), Position(line, column + end + 1))
        yield Suppression("file" if scope == "file-ignore" else "line", rules, file, words, *spoken)
