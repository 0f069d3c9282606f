"""What gradlint says: findings and the report that holds them. The JSON report is these types and nothing else.

Positions are 1-based, columns count code points, `end` is exclusive.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gradlint.tape import Span

Severity = Literal["error", "warning", "info"]
Confidence = Literal["proved", "likely"]
Contract = Literal[
    "severed", "no-graph", "off-path", "dead-term", "dead-loss", "untrained", "zeroed", "non-leaf",
    "mistimed", "freed", "dead-hook", "other",
]  # fmt: skip
Role = Literal["capture", "step", "cut", "select", "demand", "cause", "unknown"]


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in a file."""

    line: int
    column: int


class Range(msgspec.Struct, frozen=True, order=True):
    """From `start` up to, not including, `end`."""

    start: Position
    end: Position

    @classmethod
    def of(cls, span: Span) -> Range:
        """The range of a tape's span."""
        return cls(Position(span.line, span.column), Position(span.end_line, span.end_column))


class Step(msgspec.Struct, frozen=True):
    """One place on the way from the capture to the demand."""

    role: Role
    file: str
    range: Range
    label: str
    cell: int | None = None


class Place(msgspec.Struct, frozen=True):
    """A further demand that the same cut severs."""

    file: str
    range: Range
    label: str
    cell: int | None = None


class Edit(msgspec.Struct, frozen=True):
    """Replace `range` of `file` by `content`."""

    file: str
    range: Range
    content: str
    cell: int | None = None


class Fix(msgspec.Struct, frozen=True):
    """A repair; only a safe one is applied without being asked twice."""

    applicability: Literal["safe", "unsafe", "display"]
    message: str
    edits: tuple[Edit, ...]


class Runtime(msgspec.Struct, frozen=True, omit_defaults=False):
    """What the tracer saw of this finding's demand."""

    status: Literal["not-run", "confirmed", "refuted", "not-reached"] = "not-run"
    reason: str | None = None
    evidence: dict[str, object] | None = None


class Finding(msgspec.Struct, frozen=True):
    """One cut: where the gradient is lost, and the way from the capture to the demand that misses it."""

    rule: str
    contract: Contract
    severity: Severity
    confidence: Confidence
    message: str
    file: str
    range: Range
    path: tuple[Step, ...]
    help: str
    found_by: Literal["static", "trace"] = "static"
    cell: int | None = None
    symbol: str = "<module>"
    also: tuple[Place, ...] = ()
    fix: Fix | None = None
    runtime: Runtime = Runtime()
    fingerprint: str = ""
    url: str = ""


class FileError(msgspec.Struct, frozen=True):
    """A file that could not be analysed."""

    file: str
    line: int
    column: int
    kind: Literal["syntax-error", "encoding", "unreadable", "notebook", "budget", "internal", "interrupted"]
    message: str
    cell: int | None = None


class Site(msgspec.Struct, frozen=True):
    """The verdict on one demand site of the text, over all runs that reached it."""

    span: Span
    label: str
    verdict: Literal["connected", "severed", "undecided"]
    reason: str = ""  #: why undecided
    cell: int | None = None  #: of a notebook: `span` is a place in this cell

    @property
    def file(self) -> str:
        """The file it stands in."""
        return self.span.file

    @property
    def range(self) -> Range:
        """Where it stands there."""
        return Range.of(self.span)


def sort_key(finding: Finding) -> tuple[object, ...]:
    """The order of a report: file, line, column, rule, then the demand's file and place."""
    demand = next((s for s in reversed(finding.path) if s.role == "demand"), None)
    tail = (demand.file, demand.range) if demand else ("", finding.range)
    return (finding.file, finding.range.start, finding.rule, *tail)
