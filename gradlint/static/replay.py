"""Putting units together: which files are scripts, and which partial runs count, in an order that nothing else decides.

A definition that something has called is not run by itself. Whether the runs are made now, in another process or were made
on another machine, the same ones count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gradlint.static.reaching import narrowed
from gradlint.static.source import Source, Watch
from gradlint.static.units import Crew, Ran, Survey, whole_file
from gradlint.tape import Span

R = TypeVar("R", bound=Ran)
_NOTHING: set[Any] = set()  #: what a run is left with of what was put together


class Together:
    """What all runs found, put together as they come: thousands of runs need not keep it each."""

    def __init__(self) -> None:
        self.called: set[Span] = set()
        self.measured: set[Span] = set()
        self.own_calls: set[Span] = set()
        self.reached: set[Span] = set()
        self.context: set[str] = set()
        self.bounds: Counter[str] = Counter()

    def add(self, ran: R) -> R:
        """The run without what is kept here."""
        names = ("called", "measured", "own_calls", "reached", "context")
        for name in names:
            getattr(self, name).update(getattr(ran, name))
        self.bounds.update(ran.bounds)
        return msgspec.structs.replace(ran, **dict.fromkeys(names, _NOTHING), bounds={}, asked={})


class Replay:
    """Whole runs of all scripts first, then partial runs of what is left over, file by file."""

    def __init__(self, ordered: Sequence[Source], crew: Crew, watch: Watch) -> None:
        self.crew = crew
        self.watch = watch
        self.names = {s.path: s.file for s in ordered}
        self.paths = [s.path for s in ordered if s.named]
        self.callers = [s.path for s in ordered if not s.named]
        self.surveys: dict[Path, Survey] = {}
        self.runs: list[Ran] = []
        self.together = Together()
        self.left = dict.fromkeys(self.paths)  #: files that have not been run to the end
        self._begun = 0

    def run(self) -> None:
        """Everything; an interrupt ends it and nothing else."""
        try:
            self._surveys()
            self._wholes()
            self._rests()
        except KeyboardInterrupt:
            return

    def _surveys(self) -> None:
        surveys = dict(self.crew.survey(self.paths, self._begin))
        surveys |= dict(self.crew.survey(self.callers, lambda _: None))
        leading = self.crew.leading(surveys | around(self.crew, surveys))
        self.surveys = {path: narrowed(surveys[path], leading) for path in (*self.paths, *self.callers)}
        for path in self.paths:
            if not self.surveys[path].read:
                del self.left[path]

    def _wholes(self) -> None:
        found = scripts(self.surveys)
        runs: dict[Path, Ran] = {}
        try:
            for path, ran in self.crew.whole(found, self._begin):
                runs[path] = ran
        finally:
            self.runs += (self.together.add(runs[path]) for path in found if path in runs)

    def _rests(self) -> None:
        called = self.together.called
        surveys = {path: self.surveys[path] for path in self.paths if self.surveys[path].read}
        self.crew.expect(surveys, called)
        for path, survey in surveys.items():
            self._begin(path)
            for ran in self.crew.rest(path, survey, called):
                self.runs.append(self.together.add(ran))
            del self.left[path]

    def _begin(self, path: Path) -> None:
        total = 3 * len(self.paths)
        self.watch(min(self._begun, total), total, self.names[path])
        self._begun += 1


def around(crew: Crew, surveys: Mapping[Path, Survey]) -> dict[Path, Survey]:
    """The surveys of the project files that others import, directly or through others, and that are not among them."""
    found: dict[Path, Survey] = {}
    new: Mapping[Path, Survey] = surveys
    while new:
        imported = {Path(path) for survey in new.values() for path in survey.imports}
        new = dict(crew.survey(sorted(imported - surveys.keys() - found.keys()), lambda _: None))
        found |= new
    return found


def scripts(surveys: Mapping[Path, Survey]) -> list[Path]:
    """The files that are run as scripts: those that say so, and those that do something and that nobody imports."""
    imported = {path for survey in surveys.values() for path in survey.imports}
    return [p for p, s in surveys.items() if s.guarded or (s.acts and p.as_posix() not in imported)]


def order(survey: Survey, called: AbstractSet[Span], ask: Callable[[Span], R], *, every: bool = False) -> Iterator[R]:
    """The partial runs of a file, given what was called before: first the module, then each definition left to be run.

    With `every` those as well that one of these runs has called.
    """
    called = set(called)
    if all(wanted.called(called) for wanted in survey.wanted):
        return
    module = ask(whole_file(survey.file))
    yield module
    if module.failed:
        return
    called |= set() if every else module.called
    for wanted in survey.wanted:
        if not wanted.called(called):
            for ran in _one(wanted.span, wanted.others, called, ask):
                called |= set() if every else ran.called
                yield ran


def _one(span: Span, others: Sequence[Span], called: set[Span], ask: Callable[[Span], R]) -> Iterator[R]:
    """A function, or a class: its object and then its methods."""
    first = ask(span)
    yield first
    if not first.failed:
        yield from (ask(other) for other in others if other not in called)
