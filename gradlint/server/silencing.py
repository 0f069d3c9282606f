"""The edit that silences a finding where it stands: a comment at the end of its line, checked by reading it again."""

from __future__ import annotations

from collections.abc import Iterator

from gradlint import notebook, suppress
from gradlint.finding import Edit, Finding, Position, Range
from gradlint.texts import Texts


def edit(finding: Finding, texts: Texts) -> Edit | None:
    """An edit after which the finding is silenced; None where no comment can stand (inside of a long string)."""
    file, cell = finding.file, finding.cell
    lines = list(texts.cells(file, cell) if cell else texts.lines(file))
    return next((e for e in _candidates(finding, lines) if _silences(e, finding, lines)), None)


def _candidates(finding: Finding, lines: list[str]) -> Iterator[Edit]:
    """At the end of the first line, of the last one, alone above the first."""
    first, last = finding.range.start.line, finding.range.end.line
    comment = f"# gradlint: ignore[{finding.rule}]"
    for line in dict.fromkeys((first, last)):
        end = Position(line, len(lines[line - 1].rstrip()) + 1)
        yield Edit(finding.file, Range(end, end), f"  {comment}", finding.cell)
    text = lines[first - 1]
    start = Position(first, 1)
    indent = text[: len(text) - len(text.lstrip())]
    yield Edit(finding.file, Range(start, start), f"{indent}{comment}\n", finding.cell)


def _silences(made: Edit, finding: Finding, lines: list[str]) -> bool:
    """Whether the comment is read as one, and speaks of the finding's line."""
    text = notebook.edited("\n".join(lines), [made])
    python = notebook.python(text) if finding.cell else text
    moved = made.content.count("\n")
    start, end = finding.range.start, finding.range.end
    there = Range(Position(start.line + moved, start.column), Position(end.line + moved, end.column))
    found = suppress.suppressions(finding.file, python or "")
    return any(s.speaks_of(finding.rule, finding.file, there) for s in found)
