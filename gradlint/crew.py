"""Who runs the units: this process, or several. What is found is the same; so are the errors but for a process that dies.

The processes are forked before libcst is imported, and get the largest files first. Partial runs are made before it is known
all that was called before: those that turn out not to count are left out, those that are missing are made then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from gradlint.finding import FileError
from gradlint.judging import Judged, Judges
from gradlint.processes import Died, Processes, apart, available
from gradlint.static.replay import order
from gradlint.static.source import Source, shown
from gradlint.static.units import Begin, Crew, Survey, whole_file
from gradlint.tape import Span

if TYPE_CHECKING:
    from gradlint.catalog import Catalog

LITTLE = 150_000  #: characters of source that one process has done before another is ready
LARGE = (
    4_000_000  #: characters that even one process should not have read itself: it would grow, and could not be replaced
)

Read = Callable[[Path], str | None]


class _Question(NamedTuple):
    """One unit."""

    kind: Literal["survey", "whole", "rest"]
    path: Path
    survey: Survey | None = None
    called: frozenset[Span] = frozenset()  #: of this file, before it
    every: bool = False


class _Answer(NamedTuple):
    """What became of a unit, and what was asked of the disk for it."""

    survey: Survey | None
    runs: list[Judged]
    asked: dict[str, str]


def crew(sources: Sequence[Source], catalog: Catalog, read: Read, *, jobs: int, facts: bool = False) -> Crew:
    """As many processes as are worth it, at most `jobs`; with `facts` every unit tells what it asked of the disk."""
    number = min(jobs, len(sources))
    if sum(len(s.held) for s in sources) >= (LITTLE if number > 1 else LARGE) and available():
        return Several(sources, catalog, read, number, facts=facts)
    return Judges(sources, catalog, read, facts=facts)


class Several:
    """A crew of processes."""

    def __init__(self, sources: Sequence[Source], catalog: Catalog, read: Read, number: int, *, facts: bool) -> None:
        self.asked: dict[str, str] = {}
        self._files = {s.path: s.file for s in sources}
        self._sizes = {s.path: len(s.held) for s in sources}
        self._processes: Processes[_Question, _Answer] = Processes(
            number, lambda: _worker(sources, catalog, read, facts=facts)
        )
        self._coming: Iterator[tuple[_Question, list[Judged]]] = iter(())
        self._rests: dict[Path, list[Judged]] = {}

    def close(self) -> None:
        """End the processes."""
        self._processes.close()

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""
        for question, answer in self._answers([_Question("survey", path) for path in paths], begin):
            if isinstance(answer, Died):
                file = self._file(question.path)
                yield question.path, Survey(file, error=_death(file, answer))
            elif answer.survey is not None:
                yield question.path, answer.survey

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand; what had to be known for it goes with a process."""
        from gradlint.static import reaching

        return apart(lambda: reaching.leading(surveys))

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Judged]]:
        """The runs of some files as scripts."""
        for question, runs in self._runs([_Question("whole", path) for path in paths], begin):
            yield question.path, runs[0]

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """Begin with the partial runs of these files."""
        by_file: dict[str, set[Span]] = {}
        for span in called:
            by_file.setdefault(span.file, set()).add(span)
        wanted = {p: s for p, s in surveys.items() if not all(w.called(called) for w in s.wanted)}
        questions = [_Question("rest", p, s, frozenset(by_file.get(s.file, ())), every) for p, s in wanted.items()]
        self._coming = self._runs(questions, lambda _: None)

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Judged]:
        """The partial runs of a file, given all that was called before."""
        if all(wanted.called(called) for wanted in survey.wanted):
            return iter(())
        while path not in self._rests:
            question, runs = next(self._coming)
            self._rests[question.path] = runs
        made = {ran.key: ran for ran in self._rests.pop(path)}
        try:
            return iter(list(order(survey, called, made.__getitem__, every=every)))
        except KeyError:  # a run was left out because of one that does not count
            return iter(self._again(path, survey, called))

    def _file(self, path: Path) -> str:
        """How a file is printed."""
        return self._files.get(path) or shown(path)

    def _again(self, path: Path, survey: Survey, called: AbstractSet[Span]) -> list[Judged]:
        self._rests |= {question.path: runs for question, runs in self._coming}
        question = _Question("rest", path, survey, frozenset(s for s in called if s.file == survey.file))
        return [ran for _, runs in self._runs([question], lambda _: None) for ran in runs]

    def _runs(self, questions: Sequence[_Question], begin: Begin) -> Iterator[tuple[_Question, list[Judged]]]:
        for question, answer in self._answers(questions, begin):
            file = self._file(question.path)
            if isinstance(answer, Died):
                yield question, [Judged(whole_file(file), errors=[_death(file, answer)], failed=True)]
            else:
                yield question, answer.runs

    def _answers(self, questions: Sequence[_Question], begin: Begin) -> Iterator[tuple[_Question, _Answer | Died]]:
        largest_first = sorted(questions, key=lambda q: -self._sizes.get(q.path, 0))
        for question, answer in self._processes.answers(largest_first, lambda q: begin(q.path)):
            if not isinstance(answer, Died):
                self.asked |= answer.asked
            yield question, answer


def _death(file: str, died: Died) -> FileError:
    told = f"the process that analysed this file was ended by {died.how}; everything else is reported"
    return FileError(file, 1, 1, "internal", told)


def _worker(sources: Sequence[Source], catalog: Catalog, read: Read, *, facts: bool) -> Callable[[_Question], _Answer]:
    """What answers in one of the processes."""
    judges = Judges(sources, catalog, read, facts=facts)
    told: set[str] = set()

    def answer(question: _Question) -> _Answer:
        survey, runs = None, []
        match question:
            case _Question("survey", path):
                ((_, survey),) = judges.survey([path], lambda _: None)
            case _Question("whole", path):
                runs = [ran for _, ran in judges.whole([path], lambda _: None)]
            case _Question("rest", path, Survey() as known, called, every):
                runs = list(judges.rest(path, known, called, every=every))
        new = {path: kind for path, kind in list(judges.asked.items()) if path not in told} if facts else {}
        told.update(new)
        return _Answer(survey, runs, new)

    return answer
