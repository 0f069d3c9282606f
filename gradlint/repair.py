"""Applying fixes: each is tried on the texts in memory, and kept only where linting again shows that it helped.

A repair may uncover the next cut on the same way. That one is repaired too, as part of the same attempt; where it cannot
be, the whole attempt is taken back: a program is not left half mended. Nothing is written here but by `write`.
"""

from __future__ import annotations

import difflib
import io
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from gradlint import discovery, notebook
from gradlint.api import Outcome, Task, run
from gradlint.edits import applied, clash, moved, ordered
from gradlint.finding import Edit, Finding, Position

_LONGEST = 12  #: repairs in one attempt
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  #: a line as editors count them, with its end
#: rules whose repair is right for a program that was meant so, not for one that another repair made so
_NOT_ONWARD = ("freed-graph",)

Key = tuple[str, str, int | None, Position]  #: rule, file, cell and start: a finding among those of one run
Content = str | bytes  #: what a file holds: its text, of a notebook its JSON


class Left(msgspec.Struct, frozen=True):
    """A finding that was left alone although it has a fix, and why."""

    finding: Finding
    reason: str


class Repaired(msgspec.Struct, frozen=True):
    """What the fixes led to: the report on the new texts, the texts that changed, and what was and was not repaired."""

    outcome: Outcome
    before: Mapping[Path, Content]  #: what the changed files held when they were read
    texts: Mapping[Path, Content]
    fixed: tuple[Finding, ...]
    left: tuple[Left, ...]


class _State(msgspec.Struct, frozen=True):
    """The texts at one moment, and what is found in them."""

    outcome: Outcome
    texts: Mapping[Path, Content] = {}
    fixed: tuple[Finding, ...] = ()

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(map(_key, self.outcome.report.findings))


class _RefusedError(Exception):
    """An attempt that did not help, and why."""


def repair(task: Task, *, unsafe: bool) -> Repaired:
    """Apply the safe fixes, with `unsafe` all but those that are only shown."""
    first = _State(run(task))
    state = _all_at_once(task, first, unsafe=unsafe)
    left: dict[Key, Left] = {}
    while (finding := next((f for f in _fixable(state, unsafe=unsafe) if _key(f) not in left), None)) is not None:
        try:
            after = _attempt(task, state, finding, unsafe=unsafe)
        except _RefusedError as reason:
            left[_key(finding)] = Left(finding, str(reason))
        else:
            edits = [edit for f in after.fixed[len(state.fixed) :] for edit in _edits(f)]
            left = {_moved(key, edits): told for key, told in left.items()}
            state = after
    before = {path: first.outcome.texts.content(discovery.shown(path)) for path in state.texts}
    return Repaired(state.outcome, before, state.texts, state.fixed, tuple(left.values()))


def diff(repaired: Repaired) -> str:
    """What the fixes change, as a unified diff."""
    parts: list[str] = []
    for path in sorted(repaired.texts):
        name = discovery.shown(path)
        old, new = (_LINE.findall(_text(texts[path])) for texts in (repaired.before, repaired.texts))
        for line in difflib.unified_diff(old, new, name, name):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def text(repaired: Repaired, path: Path) -> str:
    """The text of a file after the fixes."""
    return _text(repaired.outcome.texts.content(discovery.shown(path)))


def _text(content: Content) -> str:
    return content if isinstance(content, str) else content.decode()


def write(repaired: Repaired) -> list[str]:
    """Write the files that changed, in their encoding and with their line ends; the problems with those that could not be."""
    problems: list[str] = []
    for path, text in sorted(repaired.texts.items()):
        try:
            _write(path, repaired.before[path], text)
        except (OSError, UnicodeError, SyntaxError) as error:
            problems.append(f"{discovery.shown(path)}: not repaired: {error}")
    return problems


# --- attempts --------------------------------------------------------------------------------------------------------


def _fixable(state: _State, *, unsafe: bool) -> list[Finding]:
    """The findings whose fix may be applied, to files that were asked for."""
    wanted = ("safe", "unsafe") if unsafe else ("safe",)
    found = (f for f in state.outcome.report.findings if f.fix is not None and f.fix.applicability in wanted)
    return [f for f in found if {e.file for e in _edits(f)} <= state.outcome.asked]


def _all_at_once(task: Task, state: _State, *, unsafe: bool) -> _State:
    """All fixes that do not touch the same text, in one go; nothing of it where that does not simply work."""
    batch: list[Finding] = []
    for finding in _fixable(state, unsafe=unsafe):
        if not clash([e for f in (*batch, finding) for e in _edits(f)]):
            batch.append(finding)
    if not batch:
        return state
    after = _with(task, state, batch)
    edits = [e for f in batch for e in _edits(f)]
    there = {_moved(key, edits) for key in state.keys - set(map(_key, batch))}
    return after if after.keys <= there and _sound(after, state) else state


def _attempt(task: Task, state: _State, finding: Finding, *, unsafe: bool) -> _State:
    """Repair one finding, and what that uncovers; raises where anything is left that was not there before."""
    now, mending = state, finding
    known = state.keys - {_key(finding)}
    for _ in range(_LONGEST):
        after = _with(task, now, [mending])
        if not _sound(after, now):
            raise _RefusedError("the repaired text could not be analysed")
        known = frozenset(_moved(key, _edits(mending)) for key in known)
        new = [f for f in after.outcome.report.findings if _key(f) not in known]
        if not new:
            return after
        if _moved(_key(mending), _edits(mending)) in map(_key, new):
            raise _RefusedError("the finding would still be there")
        onward = [f for f in _fixable(after, unsafe=unsafe) if f in new and f.rule not in _NOT_ONWARD]
        mending = onward[0] if onward else new[0]
        if not onward:
            raise _RefusedError(f"{mending.rule} at line {mending.range.start.line} would be next on the way")
        now = after
    raise _RefusedError("too many cuts lie behind it")


def _with(task: Task, state: _State, findings: Sequence[Finding]) -> _State:
    """The state after the fixes of some findings."""
    edits = [edit for finding in findings for edit in _edits(finding)]
    texts = dict(state.texts)
    for file in sorted({edit.file for edit in edits}):
        own = [e for e in edits if e.file == file]
        texts[discovery.absolute(file)] = _edited(state.outcome.texts.content(file), own)
    outcome = run(msgspec.structs.replace(task, buffers={**task.buffers, **texts}))
    return _State(outcome, texts, (*state.fixed, *findings))


def _edited(content: Content, edits: Sequence[Edit]) -> Content:
    """What a file holds after edits of its text, or of the cells of its notebook."""
    return applied(content, edits) if isinstance(content, str) else notebook.rewritten(content, ordered(edits))


def _sound(after: _State, before: _State) -> bool:
    """Whether nothing became unreadable."""
    return len(after.outcome.report.errors) <= len(before.outcome.report.errors)


def _key(finding: Finding) -> Key:
    return (finding.rule, finding.file, finding.cell, finding.range.start)


def _edits(finding: Finding) -> tuple[Edit, ...]:
    return finding.fix.edits if finding.fix else ()


def _moved(key: Key, edits: Iterable[Edit]) -> Key:
    rule, file, cell, start = key
    return (rule, file, cell, moved(start, [e for e in edits if (e.file, e.cell) == (file, cell)]))


# --- files -----------------------------------------------------------------------------------------------------------


def _write(path: Path, before: Content, content: Content) -> None:
    """Put a text in a file; one that changed since it was read is left as it is."""
    data = path.read_bytes()
    if (data if isinstance(before, bytes) else discovery.decode(data, path.name)) != before:
        raise OSError("the file changed meanwhile")
    if isinstance(content, str):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        content = _rejoined(data.decode(encoding), content).encode(encoding)
    path.write_bytes(content)


def _rejoined(raw: str, text: str) -> str:
    """A text with the line ends that its unchanged lines had before; new lines end as the first one does."""
    old = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", raw)
    new = _LINE.findall(text)
    newline = next((end for end in ("\r\n", "\n", "\r") if old and old[0].endswith(end)), "\n")
    plain = [re.sub(r"(?:\r\n|\r)$", "\n", line) for line in old]
    parts: list[str] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, plain, new, autojunk=False).get_opcodes():
        parts += old[i:j] if tag == "equal" else [line.replace("\n", newline) for line in new[k:m]]
    return "".join(parts)
