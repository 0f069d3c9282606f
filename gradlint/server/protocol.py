"""Findings as an editor shows them: diagnostics with the way as related places, hovers with the rule's page, quick fixes.

Columns become the units that were agreed on with the editor (UTF-16 where it knows no other).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from lsprotocol import types
from pygls.workspace import PositionCodec

from gradlint.api import Outcome
from gradlint.finding import Edit, FileError, Finding, Fix, Position, Range
from gradlint.report._words import link
from gradlint.server import silencing
from gradlint.server.checking import Checked

NAME = "gradlint"
FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.{NAME}"
_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}


class Editor(msgspec.Struct, frozen=True):
    """What was agreed on with the editor."""

    codec: PositionCodec
    related: bool = True  #: it shows related places
    versioned: bool = True  #: it takes edits of a certain version of a document


class Shown:
    """The findings of one check in the terms of one editor."""

    def __init__(self, checked: Checked, editor: Editor) -> None:
        self.checked = checked
        self.editor = editor

    # --- places ------------------------------------------------------------------------------------------------------

    def uri(self, file: str, cell: int | None) -> str | None:
        """The document of a place."""
        return self.checked.snapshot.uri(file, cell)

    def range(self, outcome: Outcome, file: str, cell: int | None, there: Range) -> types.Range:
        """A range of a report as the editor counts."""
        lines = outcome.texts.cells(file, cell) if cell else outcome.texts.lines(file)
        return types.Range(self._position(lines, there.start), self._position(lines, there.end))

    def _position(self, lines: Sequence[str], there: Position) -> types.Position:
        line = lines[there.line - 1] if 0 < there.line <= len(lines) else ""
        return types.Position(there.line - 1, self.editor.codec.client_num_units(line[: there.column - 1]))

    # --- diagnostics -------------------------------------------------------------------------------------------------

    def diagnostics(self) -> dict[str, list[types.Diagnostic]]:
        """By document; every open document has an entry."""
        found: dict[str, list[types.Diagnostic]] = {uri: [] for uri in self.checked.snapshot.uris.values()}
        for finding, outcome in self.checked.findings():
            uri = self.uri(finding.file, finding.cell)
            if uri is not None:
                found.setdefault(uri, []).append(self.diagnostic(finding, outcome))
        for error, outcome in self.checked.errors():
            uri = self.uri(error.file, error.cell)
            if uri in found:
                found[uri].append(self._error(error, outcome))
        return found

    def diagnostic(self, finding: Finding, outcome: Outcome) -> types.Diagnostic:
        """One finding."""
        related = self._related(finding, outcome)
        told = finding.message + (f"\nhelp: {finding.help}" if finding.help else "")
        if not self.editor.related:
            told = "\n".join((told, *(f"{place.message}: {place.location.uri}" for place in related)))
        url = link(finding.url)
        return types.Diagnostic(
            range=self.range(outcome, finding.file, finding.cell, finding.range),
            message=told,
            severity=_SEVERITIES[finding.severity],
            code=finding.rule,
            code_description=types.CodeDescription(url) if "://" in url else None,
            source=NAME,
            related_information=related if self.editor.related else None,
            data={"fingerprint": finding.fingerprint},
        )

    def _related(self, finding: Finding, outcome: Outcome) -> list[types.DiagnosticRelatedInformation]:
        steps = [(s.file, s.cell, s.range, f"({i}) {s.role}: {s.label}") for i, s in enumerate(finding.path, 1)]
        others = [(p.file, p.cell, p.range, f"also cut off: {p.label}") for p in finding.also]
        return [
            types.DiagnosticRelatedInformation(types.Location(uri, self.range(outcome, file, cell, there)), message)
            for file, cell, there, message in (*steps, *others)
            if (uri := self.uri(file, cell)) is not None
        ]

    def _error(self, error: FileError, outcome: Outcome) -> types.Diagnostic:
        start = Position(error.line, error.column)
        there = Range(start, Position(error.line, error.column + 1))
        return types.Diagnostic(
            range=self.range(outcome, error.file, error.cell, there),
            message=error.message,
            severity=types.DiagnosticSeverity.Error,
            code=error.kind,
            source=NAME,
        )

    # --- hovers ------------------------------------------------------------------------------------------------------

    def hover(self, uri: str, position: types.Position) -> types.Hover | None:
        """What is found at a position: as a cut first, else as a step of a way."""
        places = sorted(self._at(uri, position), key=lambda found: found[0])
        texts = dict.fromkeys(_explained(finding, outcome) for _, _, finding, outcome in places[:3])
        if not texts:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, "\n\n---\n\n".join(texts))
        return types.Hover(content, places[0][1])

    def _at(self, uri: str, position: types.Position) -> Iterator[tuple[bool, types.Range, Finding, Outcome]]:
        for finding, outcome in self.checked.findings():
            own = [(False, finding.file, finding.cell, finding.range)]
            for minor, file, cell, there in (*own, *((True, s.file, s.cell, s.range) for s in finding.path)):
                if self.uri(file, cell) == uri:
                    place = self.range(outcome, file, cell, there)
                    if _holds(place, position):
                        yield minor, place, finding, outcome
                        break

    # --- actions -----------------------------------------------------------------------------------------------------

    def actions(self, uri: str, asked: types.Range, only: Sequence[str] | None) -> list[types.CodeAction]:
        """What can be done about the findings in a range, and about all of a document."""
        made: list[types.CodeAction] = []
        if _wanted(types.CodeActionKind.QuickFix.value, only):
            for finding, outcome in self.checked.findings():
                place = self.range(outcome, finding.file, finding.cell, finding.range)
                if self.uri(finding.file, finding.cell) == uri and _overlap(place, asked):
                    made += self._quick_fixes(finding, outcome)
        if _wanted(FIX_ALL, only):
            made += self._fix_all(uri)
        return made

    def _quick_fixes(self, finding: Finding, outcome: Outcome) -> Iterator[types.CodeAction]:
        diagnostics = [self.diagnostic(finding, outcome)]
        fix = finding.fix
        if fix is not None and fix.edits and fix.applicability != "display":
            safe = fix.applicability == "safe"
            title = f"{NAME}: {fix.message}" + ("" if safe else " (may change behaviour)")
            yield types.CodeAction(
                title, types.CodeActionKind.QuickFix, diagnostics, safe, edit=self._edit(fix.edits, outcome)
            )
        silence = silencing.edit(finding, outcome.texts)
        if silence is not None:
            title = f"{NAME}: ignore {finding.rule} here"
            yield types.CodeAction(
                title, types.CodeActionKind.QuickFix, diagnostics, edit=self._edit([silence], outcome)
            )

    def _fix_all(self, uri: str) -> Iterator[types.CodeAction]:
        """The safe fixes of a document, as one action for `fix on save`; of fixes that overlap, the first."""
        edits: list[Edit] = []
        chosen: Outcome | None = None
        for finding, outcome in self.checked.findings():
            fix = finding.fix
            if fix is None or fix.applicability != "safe" or not self._only_in(fix, uri):
                continue
            if (chosen is None or chosen is outcome) and not any(_collide(a, b) for a in edits for b in fix.edits):
                chosen = outcome
                edits += fix.edits
        if chosen is not None:
            yield types.CodeAction(f"{NAME}: fix what is safe to fix", FIX_ALL, edit=self._edit(edits, chosen))

    def _only_in(self, fix: Fix, uri: str) -> bool:
        return bool(fix.edits) and all(self.uri(e.file, e.cell) == uri for e in fix.edits)

    def _edit(self, edits: Sequence[Edit], outcome: Outcome) -> types.WorkspaceEdit:
        by_uri: dict[str, list[types.TextEdit]] = {}
        for edit in edits:
            uri = self.uri(edit.file, edit.cell)
            if uri is not None:
                there = self.range(outcome, edit.file, edit.cell, edit.range)
                by_uri.setdefault(uri, []).append(types.TextEdit(there, edit.content))
        if not self.editor.versioned:
            return types.WorkspaceEdit(changes=by_uri)
        versions = self.checked.snapshot.versions
        documents = [
            types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, versions.get(uri)), changes)
            for uri, changes in by_uri.items()
        ]
        return types.WorkspaceEdit(document_changes=documents)


def _explained(finding: Finding, outcome: Outcome) -> str:
    """A finding and the page of its rule, in Markdown."""
    way = "\n".join(f"{i}. *{s.role}* {_code(s.label)}" for i, s in enumerate(finding.path, 1))
    rule = outcome.rules.get(finding.rule)
    parts = (
        f"**{NAME}: {finding.rule}** ({finding.severity})",
        _escaped(finding.message),
        way,
        rule.page if rule else "",
    )
    return "\n\n".join(part for part in parts if part)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _escaped(text: str) -> str:
    """Foreign words in Markdown: they are text, not markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#!|" else c for c in " ".join(text.split()))


def _wanted(kind: str, only: Sequence[str] | None) -> bool:
    return not only or any(kind == k or kind.startswith(f"{k}.") for k in only)


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character


def _holds(place: types.Range, position: types.Position) -> bool:
    return _key(place.start) <= _key(position) <= _key(place.end)


def _overlap(one: types.Range, other: types.Range) -> bool:
    return _key(one.start) <= _key(other.end) and _key(other.start) <= _key(one.end)


def _collide(one: Edit, other: Edit) -> bool:
    same = (one.file, one.cell) == (other.file, other.cell)
    return same and one.range.start <= other.range.end and other.range.start <= one.range.end
