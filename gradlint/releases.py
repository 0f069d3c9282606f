"""Which releases of a library a program may run under, and what a row with several releases says then.

Ignorance is silence: where the releases that are possible differ, what they differ in is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gradlint.modelled import Row, silent

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version


class Pin(msgspec.Struct, frozen=True):
    """What somebody wrote of the releases of a library."""

    library: str  #: as it is imported
    text: str  #: `==1.13.1`, `>=2,<3`
    file: str = ""  #: where it stands
    line: int = 0


class Span(NamedTuple):
    """Releases from one on, up to another one."""

    low: Version
    high: Version | None
    closed: bool = False  #: whether `high` is one of them


def specifier(text: str) -> str:
    """A release as a user names it, as PEP 440 writes what he means: `1.13` stands for 1.13.1 too."""
    return f"=={text}.*" if text[:1].isdigit() else text


def told(text: str) -> str:
    """What is wrong with a text that names releases; nothing if nothing is."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(specifier(text))
    except InvalidSpecifier:
        return f'"{text}" names no releases; write "2.1", or bounds such as ">=1.13,<2"'
    return ""


def possible(pins: Iterable[Pin]) -> list[Span] | None:
    """The releases that some pins of one library allow, None where they tell nothing."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return [_span(SpecifierSet(pin.text)) for pin in pins] or None
    except (InvalidSpecifier, InvalidVersion):
        return None


def in_force(row: Row, spans: Sequence[Span] | None) -> Row:
    """What a row says under some releases, all of them where they are unknown."""
    rows = [r for r in (*row.former, row) if spans is None or any(_meets(span, r) for span in spans)]
    if not rows:  # it is gone, or there is none yet
        return Row(row.name, flow="unknown", returns="unknown", aliases=row.aliases)
    return msgspec.structs.replace(_agreed(rows), aliases=row.aliases, former=())


def exists(row: Row, spans: Sequence[Span] | None) -> bool | None:
    """Whether there is what a row describes under some releases; None where only some have it."""
    if spans is None:
        return None
    return all(any(_holds(span, r) for r in (*row.former, row)) for span in spans) or (
        None if any(_meets(span, r) for span in spans for r in (*row.former, row)) else False
    )


def _agreed(rows: Sequence[Row]) -> Row:
    """What several rows say alike. Where they differ in what becomes of a gradient, that is unknown."""
    newest = rows[-1]
    differ = {key for key in Row.__struct_fields__ if any(getattr(row, key) != getattr(newest, key) for row in rows)}
    changes: dict[str, Any] = {key: value for key, value in _UNSAID.items() if key in differ}
    if "defaults" in differ:
        changes["defaults"] = dict(set.intersection(*(set(row.defaults.items()) for row in rows)))
    found = msgspec.structs.replace(newest, **changes)
    return silent(found) if differ & _FLOWS else found


_FLOWS = {
    "flow",
    "outputs",
    "fields",
    "when",
    "cause",
    "mode",
    "demand",
    "raises",
    "factory",
    "inputs",
    "signature",
    "select",
}
_UNSAID = {
    "returns": "unknown",
    "saves": "",
    "keeps": (),
    "inputs": (),
    "signature": (),
    "select": (),
    "since": "",
    "until": "",
}


def _span(given: SpecifierSet) -> Span:
    """The releases that fulfil all parts of a specifier; those that it leaves out in between count."""
    from packaging.version import Version

    spans = []
    for part in given:
        version = Version(Version(part.version.removesuffix(".*")).public)
        match part.operator:
            case "==" if part.version.endswith(".*"):
                spans.append(Span(version, _next(version.release)))
            case "==" | "===":
                spans.append(Span(version, version, closed=True))
            case "~=":
                spans.append(Span(version, _next(version.release[:-1])))
            case ">=" | ">":
                spans.append(Span(version, None))
            case "<=" | "<":
                spans.append(Span(Version("0"), version, closed=part.operator == "<="))
    low = max((span.low for span in spans), default=Version("0"))
    ends = [(span.high, span.closed) for span in spans if span.high is not None]
    high, closed = min(ends, default=(None, False))
    return Span(low, high, closed)


def _meets(span: Span, row: Row) -> bool:
    """Whether a release of a span is one that a row speaks of."""
    first, end = _ends(row)
    after = span.high is not None and (first > span.high or (first == span.high and not span.closed))
    return not after and (end is None or span.low < end)


def _holds(span: Span, row: Row) -> bool:
    """Whether a row speaks of all releases of a span."""
    first, end = _ends(row)
    inside = end is None or (span.high is not None and (span.high < end or (span.high == end and not span.closed)))
    return first <= span.low and inside


def _ends(row: Row) -> tuple[Version, Version | None]:
    """The first release that a row speaks of, and the first behind them."""
    from packaging.version import Version

    return Version(row.since or "0"), _next(Version(row.until).release) if row.until else None


def _next(release: tuple[int, ...]) -> Version:
    """The first release that does not begin like one."""
    from packaging.version import Version

    return Version(".".join(map(str, (*release[:-1], release[-1] + 1))))
