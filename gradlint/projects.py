"""Many projects in one call: each root of a project is a piece of work with settings, a cache and fingerprints of its own.

A file belongs to the nearest folder above it that holds a pyproject.toml, a gradlint.toml or a .git. What is found in a
project does not depend on the others, so they are run in any order, in several processes or elsewhere (`elsewhere`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from gradlint import api, discovery
from gradlint import cache as answers
from gradlint import config as settings
from gradlint.api import Outcome, Task, Watch
from gradlint.baseline import Compared
from gradlint.catalog import Catalog
from gradlint.discovery import File, Found, root
from gradlint.finding import FileError, Severity, Site
from gradlint.processes import Died, Processes, available
from gradlint.report import Counts, Demands, Files, Report, Summary
from gradlint.static.units import Crew
from gradlint.texts import Texts

LITTLE = 300_000  #: bytes of source that one process has done before another is ready


class Part(msgspec.Struct, frozen=True):
    """What is reported of one project."""

    report: Report
    sites: tuple[Site, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()
    fail_on: Severity = "warning"
    compared: Compared = Compared()


class Ways(Protocol):
    """How the parts of several projects come about: any order, each with the number of its task."""

    def __call__(self, tasks: Sequence[Task], watch: Watch | None) -> Iterator[tuple[int, Part]]:
        """The parts."""


def run(task: Task, watch: Watch | None = None, *, fixed: bool = False, ways: Ways | None = None) -> Outcome:
    """`api.run` for every project that the paths of a task lie in, in one report.

    With `fixed` the settings of the task are those of all projects, else each has its own. `ways` runs the projects
    somewhere else.
    """
    return joined(split(task, fixed=fixed), task, watch, ways)


def joined(tasks: Sequence[Task], task: Task, watch: Watch | None = None, ways: Ways | None = None) -> Outcome:
    """One outcome of several projects, the parts of a task."""
    if len(tasks) < 2 and ways is None:
        return api.run(tasks[0], watch)
    parts: dict[int, Part] = {}
    try:
        for number, part in (ways or _here)(tasks, watch):
            parts[number] = part
    except KeyboardInterrupt:
        parts |= {n: nothing(t, "interrupted", "interrupted before this project was done")
                  for n, t in enumerate(tasks) if n not in parts}  # fmt: skip
    return together([parts[n] for n in range(len(tasks))], task)


# --- one into several ------------------------------------------------------------------------------------------------


def split(task: Task, *, fixed: bool = False) -> list[Task]:
    """A task for every project that the paths lie in, by the paths of their roots."""
    excludes = [*task.loaded.excludes(), *task.excludes]
    found = discovery.find(task.paths, excludes, force=task.force_exclude, buffers=task.buffers)
    groups: dict[Path | None, list[File]] = {}
    for file in found.files:
        groups.setdefault(root(file.path.parent), []).append(file)
    if len(groups) < 2:
        return [msgspec.structs.replace(task, found=found)]
    tasks = [_one(task, folder, groups[folder], fixed=fixed) for folder in sorted(groups, key=lambda f: f or Path())]
    first = msgspec.structs.replace(found, files=tasks[0].found.files if tasks[0].found else ())
    return [msgspec.structs.replace(tasks[0], found=first), *tasks[1:]]


def _one(task: Task, folder: Path | None, files: Sequence[File], *, fixed: bool) -> Task:
    over = [folder] if folder else [file.path for file in files]
    loaded = task.loaded if fixed else settings.load(over)
    own = loaded.excludes()
    kept = tuple(f for f in files if f.named or f.path in task.buffers or not discovery.excluded(f.path, own))
    return msgspec.structs.replace(
        task,
        paths=tuple(file.file for file in kept),
        loaded=loaded,
        found=Found(kept),
        cache=task.cache and (answers.home(over) if task.cache.name == answers.NAME else task.cache),
    )


# --- running ---------------------------------------------------------------------------------------------------------


def part(task: Task, watch: Watch | None = None, crew: Crew | None = None) -> Part:
    """What is reported of one project."""
    done = api.run(task, watch, crew)
    return Part(
        done.report, done.sites, done.problems, done.notes, done.asked, task.loaded.config.fail_on, done.compared
    )


def _here(tasks: Sequence[Task], watch: Watch | None) -> Iterator[tuple[int, Part]]:
    """In as many processes as are worth it: one project in each, or one after the other in all of them."""
    sizes = [_size(task) for task in tasks]
    jobs = min(tasks[0].jobs, len(tasks))
    if jobs < 2 or jobs < tasks[0].jobs or not available() or sum(sizes) < LITTLE:
        for number, task in enumerate(tasks):
            yield number, part(task, watch)
        return
    processes: Processes[int, Part] = Processes(jobs, lambda: _worker(tasks))
    try:
        largest_first = sorted(range(len(tasks)), key=lambda n: -sizes[n])
        for number, answer in processes.answers(largest_first, _told(tasks, watch)):
            yield number, _dead(tasks[number], answer) if isinstance(answer, Died) else answer
    finally:
        processes.close()


def _worker(tasks: Sequence[Task]) -> Callable[[int], Part]:
    return lambda number: part(msgspec.structs.replace(tasks[number], jobs=1))


def _told(tasks: Sequence[Task], watch: Watch | None) -> Callable[[int], None]:
    """What tells the watch of every project that is begun."""
    begun = iter(range(len(tasks)))
    return lambda number: watch(next(begun), len(tasks), name(tasks[number])) if watch else None


def name(task: Task) -> str:
    """How a project is called: by its root."""
    files = task.found.files if task.found else ()
    folder = root(files[0].path.parent) if files else None
    return discovery.shown(folder) if folder else ", ".join(task.paths)


def _size(task: Task) -> int:
    return sum(_length(file.path) for file in (task.found.files if task.found else ()))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is told when it is to be read
        return 0


def _dead(task: Task, died: Died) -> Part:
    told = f"the process that analysed this project was ended by {died.how}; everything else is reported"
    return nothing(task, "internal", told)


def nothing(task: Task, kind: str, told: str) -> Part:
    """A project of which nothing is known but that it could not be done."""
    return Part(Report(errors=(FileError(name(task), 1, 1, kind, told),)))  # type: ignore[arg-type]


# --- several into one ------------------------------------------------------------------------------------------------


def together(parts: Sequence[Part], task: Task) -> Outcome:
    """One outcome of all projects; the texts are read again where the report shows them."""
    reports = [p.report for p in parts]
    return Outcome(
        report=Report(
            findings=tuple(sorted((f for r in reports for f in r.findings), key=api.order)),
            errors=tuple(sorted((e for r in reports for e in r.errors), key=api.error_order)),
            summary=_sum(r.summary for r in reports),
        ),
        sites=tuple(site for p in parts for site in p.sites),
        problems=tuple(dict.fromkeys(told for p in parts for told in p.problems)),
        notes=tuple(dict.fromkeys(told for p in parts for told in p.notes)),
        texts=Texts(task.buffers),
        rules=Catalog.load(folder=task.cache).rules,
        asked=frozenset(file for p in parts for file in p.asked),
        fail_on={file: p.fail_on for p in parts for file in p.asked},
        compared=Compared(
            tuple(pair for p in parts for pair in p.compared.known), tuple(e for p in parts for e in p.compared.stale)
        ),
    )


def _sum(given: Iterable[Summary]) -> Summary:
    """Numbers added up, whatever they count."""
    summaries = list(given)
    return Summary(
        Files(*_columns(s.files for s in summaries)),
        Demands(*_columns(s.demands for s in summaries)),
        Counts(*_columns(s.findings for s in summaries)),
        *_columns(msgspec.structs.astuple(s)[3:] for s in summaries),
    )


def _columns(rows: Iterable[msgspec.Struct | tuple[int, ...]]) -> list[int]:
    numbers = (row if isinstance(row, tuple) else msgspec.structs.astuple(row) for row in rows)
    return [sum(column) for column in zip(*numbers, strict=True)]
