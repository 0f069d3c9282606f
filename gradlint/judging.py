"""Runs with what the engine says of them: the tape is judged where it was made, and need not be kept or sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gradlint.engine.verdict import Verdict
from gradlint.finding import FileError
from gradlint.static.source import Source
from gradlint.static.units import Begin, Ran, Survey
from gradlint.tape import Span, Tape

if TYPE_CHECKING:
    from gradlint.catalog import Catalog


class Judged(Ran):
    """A run and its verdicts."""

    verdicts: list[Verdict] = msgspec.field(default_factory=list)
    broken: list[FileError] = msgspec.field(default_factory=list)  #: why it could not be judged


class Judges:
    """A crew of one that judges what it runs."""

    def __init__(
        self,
        sources: Sequence[Source],
        catalog: Catalog,
        read: Callable[[Path], str | None],
        *,
        tapes: bool = False,
        facts: bool = False,
    ) -> None:
        from gradlint.static.alone import Alone

        self._crew = Alone(sources, catalog, read, tapes=tapes, facts=facts)
        self._catalog = catalog
        self._tapes = tapes
        self.asked = self._crew.asked

    def close(self) -> None:
        """Nothing is to be ended."""

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""
        return self._crew.survey(paths, begin)

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand."""
        return self._crew.leading(surveys)

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Judged]]:
        """The runs of some files as scripts."""
        return ((path, self._judged(ran)) for path, ran in self._crew.whole(paths, begin))

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """Nothing is done before it is asked for."""

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Judged]:
        """The partial runs of a file, given all that was called before."""
        return (self._judged(ran) for ran in self._crew.rest(path, survey, called, every=every))

    def _judged(self, ran: Ran) -> Judged:
        verdicts, broken = _verdicts(ran.tape, ran.key.file, self._catalog) if ran.tape else ([], [])
        fields = {name: getattr(ran, name) for name in ran.__struct_fields__}
        made = Judged(**fields, verdicts=verdicts, broken=broken)
        if not self._tapes:
            made.tape = None
        return made


def _verdicts(tape: Tape, file: str, catalog: Catalog) -> tuple[list[Verdict], list[FileError]]:
    """All verdicts of a tape; a defect of the engine costs one run, and is reported."""
    from gradlint import engine

    try:
        return engine.judge(tape, catalog), []
    except Exception as error:
        told = f"gradlint could not judge a run: {type(error).__name__}: {error}"
        return [], [FileError(file, 1, 1, "internal", told)]


def verdicts(runs: Sequence[Ran], measured: AbstractSet[Span]) -> tuple[list[Verdict], list[FileError]]:
    """The verdicts of all runs, without those on declared losses that some run only measures with."""
    judged = [ran for ran in runs if isinstance(ran, Judged)]
    counted = (v for ran in judged for v in ran.verdicts if not _measures(v, measured))
    return list(counted), list(dict.fromkeys(e for ran in judged for e in ran.broken))


def _measures(verdict: Verdict, measured: AbstractSet[Span]) -> bool:
    demand = verdict.demand
    return demand is not None and demand.kind == "loss-return" and demand.span in measured
