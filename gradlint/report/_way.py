"""The gradient's way as a drawing: stations from the capture down to the demand, and what becomes of the gradient between.

Data flows down, the gradient comes back up. Up to the cut the rail is live; below it lies what no gradient comes through.
What a state means is drawn three times over, as the stroke, as a sign on the rail and in words: colour only repeats it.
Knows findings and geometry; the shapes themselves are in `_templates/way.svg.j2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from textwrap import wrap
from typing import Any, Literal

import msgspec

from gradlint.finding import Contract, Finding, Step
from gradlint.report._plain import printable, width
from gradlint.report._words import at

State = Literal["live", "dead", "zero", "missing"]

RAIL = 26  #: where the rail stands
TEXT = 54  #: where the words begin
ROLE = 62  #: room for the name of a role
_TOP = 26
_LINE = 16  #: from one line of words to the next
_GAP = 30  #: between the words of a station and the next station
_SMALL = 6.05  #: width of a character of the small type
_MONO = 7.25  #: and of the type for code
_MOST_BRANCHES = 4
_FIRST = ("gradient", "requires_grad", "grad_fn", "raised")  #: what is told first of what was seen

#: what becomes of the gradient below the place of the finding
_BELOW: dict[Contract, tuple[State, str]] = {
    "zeroed": ("zero", "the gradient is exactly 0"),
    "off-path": ("missing", "no way leads from here to there"),
    "non-leaf": ("dead", "the gradient is not kept here"),
    "mistimed": ("dead", "the gradient is not there at this time"),
    "freed": ("dead", "the graph is gone"),
    "dead-hook": ("dead", "the hook is not called"),
    "other": ("dead", "outside of autograd"),
}
_LOST: tuple[State, str] = ("dead", "no gradient comes through here")
_REFUTED = "expected to be lost here, but a gradient came when it ran"


class Station(msgspec.Struct, frozen=True):
    """One step, drawn."""

    number: int
    role: str
    y: int
    label: str
    place: str
    notes: tuple[str, ...] = ()  #: what was seen while the program ran


class Rail(msgspec.Struct, frozen=True):
    """What lies between two stations."""

    state: State
    top: int
    bottom: int
    words: str = ""


class Way(msgspec.Struct, frozen=True):
    """A drawing: its size, what is on it, and the demands that hang on the same cut."""

    width: int
    height: int
    stations: tuple[Station, ...]
    rails: tuple[Rail, ...]
    branches: tuple[tuple[int, str], ...] = ()  #: height and words


def drawn(finding: Finding, wide: int) -> Way:
    """The way of a finding, as wide as this."""
    stations = tuple(_stations(finding, wide))
    below, words = _BELOW.get(finding.contract, _LOST)
    words = _REFUTED if finding.runtime.status == "refuted" else words
    first = _broken(finding)
    rails = []
    for i, (upper, lower) in enumerate(pairwise(stations)):
        lost = first is not None and i >= first
        rails.append(Rail(below if lost else "live", upper.y, lower.y, words if lost and i == first else ""))
    end = _bottom(stations[-1]) - _GAP if stations else _TOP
    told = [shortened(text, wide - TEXT, _SMALL) for text in _branches(finding)]
    branches = tuple((end + (i + 1) * _LINE, text) for i, text in enumerate(told))
    return Way(wide, end + (len(branches) + 1) * _LINE, stations, tuple(rails), branches)


def shortened(text: str, wide: float, character: float, *, keep_end: bool = False) -> str:
    """The text as far as there is room for it."""
    room = int(wide / character)
    text = printable(text)
    if width(text) <= room:
        return text
    text = text[-room:] if keep_end else text[:room]
    while width(text) > room - 1:
        text = text[1:] if keep_end else text[:-1]
    return f"…{text}" if keep_end else f"{text}…"


def _stations(finding: Finding, wide: int) -> Iterator[Station]:
    y = _TOP
    for number, step in enumerate(finding.path, 1):
        station = Station(
            number,
            step.role,
            y,
            shortened(step.label, wide - TEXT, _MONO),
            shortened(at(step.file, step.range, step.cell), wide - TEXT - ROLE, _SMALL, keep_end=True),
            tuple(_wrapped(_seen(finding, number - 1), wide)),
        )
        yield station
        y = _bottom(station)


def _wrapped(notes: Iterable[str], wide: int) -> Iterator[str]:
    """Notes in at most two lines each."""
    room = int((wide - TEXT) / _SMALL)
    for note in notes:
        yield from wrap(note, room, max_lines=2, placeholder=" …")


def _bottom(station: Station) -> int:
    """Where the next station stands."""
    return station.y + 2 * _LINE + len(station.notes) * _LINE + _GAP


def _broken(finding: Finding) -> int | None:
    """The step below which the gradient is lost; of a way without such a step, the last one before the demand."""
    path = finding.path
    if finding.contract == "other":  # arrays and comments: autograd has no part in it
        return 0
    causes = [i for i, step in enumerate(path) if step.role in ("cut", "cause") or _is_place(finding, step)]
    if causes:
        return causes[0]
    return len(path) - 2 if len(path) > 1 else None


def _is_place(finding: Finding, step: Step) -> bool:
    here = (finding.file, finding.cell, finding.range)
    return step.role not in ("capture", "demand") and (step.file, step.cell, step.range) == here


def _branches(finding: Finding) -> list[str]:
    told = [f"also cut off: {place.label}, {at(place.file, place.range, place.cell)}" for place in finding.also]
    more = len(told) - _MOST_BRANCHES
    return told if more <= 0 else [*told[:_MOST_BRANCHES], f"and {more} more"]


# --- evidence --------------------------------------------------------------------------------------------------------


def evidence(finding: Finding) -> dict[str, str]:
    """What the tracer saw, in words, by where it saw it."""
    seen = {part: _said(value) for part, value in (finding.runtime.evidence or {}).items() if value is not None}
    parts = ("input", "output", "demand")
    return {part: seen[part] for part in (*parts, *seen) if part in seen}


def _seen(finding: Finding, index: int) -> Iterator[str]:
    """What was seen at a step: around the place of the finding, and at the demand."""
    seen = evidence(finding)
    broken = _broken(finding)
    if index == broken and finding.path[index].role != "demand":
        yield from (f"{part}: {seen[part]}" for part in ("input", "output") if part in seen)
    if index == len(finding.path) - 1:
        yield from (f"ran: {seen[part]}" for part in ("demand",) if part in seen)


def _said(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case dict():
            known = sorted(value.items(), key=lambda item: _FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST))
            return ", ".join(f"{printable(str(key))} {_said(inner)}" for key, inner in known)
        case list() | tuple():
            return f"[{', '.join(map(_said, value))}]"
        case _:
            return printable(str(value))
