"""The baseline: findings that are known and not reported again, so that a project can begin with those that are new.

An entry is recognised by its fingerprint. Where that is gone, a finding that nothing else explains may still be the one: in a
file that was renamed or to which its function moved, or with another of its demands first. Each entry stands for one finding.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from gradlint.discovery import absolute, shown
from gradlint.finding import Finding
from gradlint.fingerprint import Print, below_root

NAME = "gradlint-baseline.json"  #: where nothing else is said

Found = tuple[Finding, Print]


class BaselineError(Exception):
    """A baseline cannot be used; the message names the file and says what to do."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A known finding. Files are relative to the folder of the baseline; what only people read is not compared."""

    fingerprint: str
    rule: str
    file: str
    symbol: str
    message: str
    demand: str = ""  #: the file of the demand, where it is another one

    def files(self, folder: Path) -> set[Path]:
        """The files that it speaks of."""
        return {absolute(folder / name) for name in (self.file, self.demand) if name}


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    schema_version: Literal[1]
    entries: tuple[Entry, ...]


class Compared(msgspec.Struct, frozen=True):
    """A baseline beside what a run found: findings with their entries, and the entries that match nothing any more."""

    known: tuple[tuple[Finding, Entry], ...] = ()
    stale: tuple[Entry, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that are in the baseline."""
        return tuple(finding for finding, _ in self.known)

    def unasked(self, entries: Iterable[Entry]) -> list[Entry]:
        """What of a baseline's entries the run did not look for."""
        seen = Counter((*(known for _, known in self.known), *self.stale))
        left = Counter(entries)
        left.subtract(seen)
        return list(left.elements())


Match = Callable[[Entry, Finding, Print], bool]


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a baseline. Raises `BaselineError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline).entries
    except FileNotFoundError as error:
        raise BaselineError(f"{shown(path)}: no such file: gradlint baseline write makes it") from error
    except OSError as error:
        raise BaselineError(f"{shown(path)}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = f"{shown(path)}: not a baseline of gradlint: {error}"
        raise BaselineError(f"{told}: remove it, and make it anew with gradlint baseline write") from error


def text(entries: Iterable[Entry]) -> str:
    """The file with some entries, in an order that does not depend on lines."""
    ordered = sorted(entries, key=lambda e: (e.file, e.rule, e.symbol, e.message, e.fingerprint))
    return msgspec.json.format(msgspec.json.encode(Baseline(1, tuple(ordered))), indent=2).decode() + "\n"


def entry(finding: Finding, folder: Path) -> Entry:
    """A finding as an entry of a baseline in this folder."""
    asking = next((step.file for step in reversed(finding.path) if step.role == "demand"), finding.file)
    return Entry(
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        file=_below(finding.file, folder),
        symbol=finding.symbol,
        message=finding.message,
        demand="" if asking == finding.file else _below(asking, folder),
    )


def compare(
    entries: Sequence[Entry], folder: Path, found: Sequence[Found], asked: Callable[[Entry], bool]
) -> tuple[list[Finding], Compared]:
    """The findings that are new, and the rest. `asked` tells whether the run would have found an entry's finding again."""

    def here(known: Entry, finding: Finding, own: Print) -> bool:
        return known.fingerprint == own.digest and known.file == _below(finding.file, folder)

    def same(known: Entry, finding: Finding, own: Print) -> bool:
        return known.fingerprint == own.digest

    def moved(known: Entry, finding: Finding, own: Print) -> bool:
        return asked(known) and known.fingerprint in own.alike(below_root(absolute(folder / known.file)))

    left, new = list(entries), list(found)
    held: list[tuple[Finding, Entry]] = []
    for matches in (here, same, moved):
        pairs, new = _paired(left, new, matches)
        held += [(finding, left[position]) for finding, position in pairs]
        gone = {position for _, position in pairs}
        left = [e for i, e in enumerate(left) if i not in gone]
    return [finding for finding, _ in new], Compared(tuple(held), tuple(e for e in left if asked(e)))


def _paired(
    entries: Sequence[Entry], found: Iterable[Found], matches: Match
) -> tuple[list[tuple[Finding, int]], list[Found]]:
    """Each finding with the position of an entry that no other finding has, and the findings that are left."""
    by_kind: dict[tuple[str, str], list[int]] = {}
    for position, known in enumerate(entries):
        by_kind.setdefault((known.rule, known.symbol), []).append(position)
    pairs: list[tuple[Finding, int]] = []
    left: list[Found] = []
    for finding, own in found:
        free = by_kind.get((own.rule, own.symbol), [])
        at = next((i for i in free if matches(entries[i], finding, own)), None)
        if at is None:
            left.append((finding, own))
        else:
            free.remove(at)
            pairs.append((finding, at))
    return pairs, left


def _below(file: str, folder: Path) -> str:
    """A file as the baseline names it."""
    try:
        return Path(os.path.relpath(absolute(file), folder)).as_posix()
    except ValueError:  # another drive
        return absolute(file).as_posix()
