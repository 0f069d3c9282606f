"""The units run here, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

from gradlint.static import reaching
from gradlint.static.entries import Runs
from gradlint.static.imports import Project
from gradlint.static.source import Source
from gradlint.static.units import Begin, Ran, Survey
from gradlint.tape import Span

if TYPE_CHECKING:
    from gradlint.catalog import Catalog


class Alone:
    """A crew of one; with `facts` every unit tells what it asked of the disk."""

    def __init__(
        self,
        sources: Sequence[Source],
        catalog: Catalog,
        read: Callable[[Path], str | None],
        *,
        tapes: bool = True,
        facts: bool = True,
    ) -> None:
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))
        self._project = Project(sources, read, facts=facts)
        self.runs = Runs(self._project, catalog, tapes=tapes)
        self.asked = self._project.disk.asked

    def close(self) -> None:
        """Nothing is to be ended."""

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""
        for path in paths:
            begin(path)
            yield path, self.runs.survey(path)

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand."""
        return reaching.leading(surveys)

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Ran]]:
        """The runs of some files as scripts."""
        for path in paths:
            begin(path)
            yield path, self.runs.whole(path)

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """Nothing is done before it is asked for."""

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Ran]:
        """The partial runs of a file, given all that was called before."""
        return self.runs.rest(survey, path, called, every=every)
