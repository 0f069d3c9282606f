"""One run on several machines: each does a share of the units, and `gradlint merge` puts them together where the files are.

A shard cannot know what the others call. It makes every partial run that may count, and the merge counts those that do, as one
process would have: its report is the same to the byte. Shards are parts of one run only if their versions, settings and
sources are the same; the merge says which are not.
"""

from __future__ import annotations

import os
import platform
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec

from gradlint import api, projects
from gradlint import config as settings
from gradlint.api import Outcome, Task, Watch
from gradlint.cache import digest
from gradlint.crew import crew
from gradlint.discovery import Patterns, absolute
from gradlint.judging import Judged
from gradlint.projects import Part
from gradlint.report import Tool
from gradlint.static import reaching
from gradlint.static.reaching import narrowed
from gradlint.static.replay import around, order
from gradlint.static.source import Source
from gradlint.static.units import Begin, Hints, Survey, hints, packed
from gradlint.tape import Span


class ShardError(Exception):
    """What was given are not the shards of one run; the message tells which file, and why."""


class Options(msgspec.Struct, frozen=True):
    """What a run was asked for: the merge asks for the same."""

    paths: tuple[str, ...]
    config_file: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    fail_on: str | None = None
    baseline: str | None = None

    def task(self, jobs: int = 1) -> Task:
        """The task."""
        file = Path(self.config_file) if self.config_file is not None else None
        return Task(
            paths=self.paths,
            loaded=settings.load([absolute(path) for path in self.paths], file),
            select=self.select,
            ignore=self.ignore,
            excludes=(Patterns(Path.cwd(), self.exclude),) if self.exclude else (),
            force_exclude=self.force_exclude,
            baseline=absolute(self.baseline) if self.baseline else msgspec.UNSET,
            jobs=jobs,
        )

    @property
    def tasks(self) -> list[Task]:
        """A task for every project."""
        return projects.split(self.task(), fixed=self.config_file is not None)


class Piece(msgspec.Struct, frozen=True):
    """The share of one project. Paths are relative to the working directory."""

    surveys: dict[str, Survey]
    wholes: dict[str, Judged]
    rests: dict[str, list[Judged]]


class Shard(msgspec.Struct, frozen=True):
    """Which part of which run."""

    index: int
    count: int
    settings: str
    sources: str
    options: Options
    python: str = ".".join(platform.python_version_tuple()[:2])


class ShardReport(msgspec.Struct, frozen=True):
    """The file that a shard leaves for the merge."""

    shard: Shard
    pieces: list[Piece]
    schema_version: Literal[1] = 1
    tool: Tool = Tool()


# --- a share ---------------------------------------------------------------------------------------------------------


def run(options: Options, index: int, count: int, jobs: int, watch: Watch | None = None) -> bytes:
    """The share `index` of `count`, counted from 1, as the text of its file."""
    ready = [api.prepared(task) for task in options.tasks]
    loads = [0] * count
    pieces = [_piece(one, _share(one.sources, loads)[index - 1], jobs, watch) for one in ready]
    shard = Shard(index, count, *_digests(options, ready), options)
    return msgspec.json.encode(ShardReport(shard, pieces), order="sorted") + b"\n"


def _share(sources: Sequence[Source], loads: list[int]) -> list[list[Source]]:
    """The sources for each shard: the largest first, each to the one that has least; `loads` is what they have already."""
    shares: list[list[Source]] = [[] for _ in loads]
    for source in sorted(sources, key=lambda s: (-len(s.text), s.file)):
        least = loads.index(min(loads))
        shares[least].append(source)
        loads[least] += len(source.text)
    return shares


def _piece(ready: api.Prepared, share: Sequence[Source], jobs: int, watch: Watch | None) -> Piece:
    """All units of some files."""
    if not share:
        return Piece({}, {}, {})
    names = {s.path: s.file for s in share}
    seen: list[Path] = []

    def begin(path: Path) -> None:
        seen.append(path)
        if watch:
            watch(min(len(seen), 3 * len(names)), 3 * len(names), names[path])

    with closing(crew(ready.sources, ready.catalog, ready.texts.read, jobs=jobs)) as workers:
        surveys = dict(workers.survey([*names], begin))
        wholes = dict(workers.whole([p for p, s in surveys.items() if s.guarded or s.acts], begin))
        certain = {span for path, ran in wholes.items() if surveys[path].guarded for span in ran.called}
        surveys |= around(workers, surveys)
        leading = workers.leading(surveys)
        named = {s.path: narrowed(surveys[s.path], leading) for s in share if s.named and surveys[s.path].read}
        workers.expect(named, certain, every=True)
        rests = {path: list(workers.rest(path, survey, certain, every=True)) for path, survey in named.items()}
    return _moved(Piece(_text(surveys), _text(wholes), _text(rests)), _relative)  # type: ignore[arg-type]


def _text(by_path: Mapping[Path, object]) -> dict[str, object]:
    return {str(path): value for path, value in by_path.items()}


def _digests(options: Options, ready: Sequence[api.Prepared]) -> tuple[str, str]:
    """What tells the settings of a run, and its sources."""
    known = [
        digest(repr(r.task.loaded.config), *(p.read_bytes() for _, p in r.task.loaded.models() if p.is_file()))
        for r in ready
    ]
    sources = (
        part for r in ready for s in sorted(r.sources, key=lambda s: s.file) for part in (s.file, str(s.named), s.text)
    )
    gated = (file for r in ready for file in sorted(r.gated))
    return digest(repr(options), *known), digest(*sources, "", *gated)


# --- several shares into one -----------------------------------------------------------------------------------------


def read(files: Sequence[Path]) -> list[tuple[Path, ShardReport]]:
    """The shards in some files. Raises `ShardError`."""
    return [(file, _read(file)) for file in files]


def _read(file: Path) -> ShardReport:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ShardError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        head = msgspec.json.decode(data, type=_Head)
    except msgspec.MsgspecError as error:
        raise ShardError(f"{file}: not a shard of a gradlint run (see --shard): {error}") from error
    if head.tool.version != Tool().version:
        raise ShardError(
            f"{file}: made by gradlint {head.tool.version}, this is {Tool().version}: run all with one version"
        )
    try:
        report = msgspec.json.decode(data, type=ShardReport)
        for survey in (s for piece in report.pieces for s in piece.surveys.values()):
            hints(survey)  # deflated: whether they can be read does not show before
    except (msgspec.MsgspecError, zlib.error) as error:
        raise ShardError(f"{file}: a damaged shard: {error}") from error
    return report


class _Tool(msgspec.Struct):
    version: str
    name: Literal["gradlint"]


class _Head(msgspec.Struct):
    tool: _Tool
    shard: Shard


def merge(given: Sequence[tuple[Path, ShardReport]], watch: Watch | None = None) -> Outcome:
    """The outcome of the run that these are all the shards of. Raises `ShardError`."""
    first = check(given)
    options = first.shard.options
    tasks = options.tasks
    ready = [api.prepared(task) for task in tasks]
    made, sources = _digests(options, ready)
    if sources != first.shard.sources:
        raise ShardError(
            f"{given[0][0]}: the files here are not those that the shards looked at: merge in the same checkout"
        )
    if made != first.shard.settings:
        raise ShardError(f"{given[0][0]}: the settings here are not those of the shards: merge in the same checkout")
    crews = [_together([report.pieces[n] for _, report in given]) for n in range(len(ready))]

    def recorded(tasks: Sequence[Task], watch: Watch | None) -> Iterator[tuple[int, Part]]:
        return ((n, projects.part(task, watch, crews[n])) for n, task in enumerate(tasks))

    return projects.run(options.task(), watch, fixed=options.config_file is not None, ways=recorded)


def check(given: Sequence[tuple[Path, ShardReport]]) -> ShardReport:
    """The first of some shards, if they are one run's, all of them and each once. Raises `ShardError`."""
    (file, first), *others = given
    for other, report in others:
        for what, told in (("count", "of another number of shards"), ("python", "made by another Python"),
                           ("options", "of a run with other options"), ("settings", "of a run with other settings"),
                           ("sources", "of a run over other sources")):  # fmt: skip
            if getattr(report.shard, what) != getattr(first.shard, what):
                raise ShardError(f"{other}: {told} than {file}")
    by_index: dict[int, Path] = {}
    for other, report in given:
        index = report.shard.index
        if index in by_index:
            raise ShardError(f"{other}: shard {index} of {first.shard.count} is there twice: {by_index[index]}")
        by_index[index] = other
    missing = [str(n) for n in range(1, first.shard.count + 1) if n not in by_index]
    if missing:
        raise ShardError(f"shard {', '.join(missing)} of {first.shard.count} is missing")
    return first


def _together(pieces: Sequence[Piece]) -> Recorded:
    moved = [_moved(piece, _absolute) for piece in pieces]
    return Recorded(
        {Path(path): survey for piece in moved for path, survey in piece.surveys.items()},
        {Path(path): ran for piece in moved for path, ran in piece.wholes.items()},
        {Path(path): runs for piece in moved for path, runs in piece.rests.items()},
    )


class Recorded:
    """A crew that remembers what others ran."""

    def __init__(
        self, surveys: dict[Path, Survey], wholes: dict[Path, Judged], rests: dict[Path, list[Judged]]
    ) -> None:
        self.asked: dict[str, str] = {}
        self._surveys, self._wholes = surveys, wholes
        self._rests = {path: {ran.key: ran for ran in runs} for path, runs in rests.items()}

    def survey(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Survey]]:
        """What the texts of some files say."""
        return ((path, self._surveys[path]) for path in paths)

    def leading(self, surveys: Mapping[Path, Survey]) -> set[Span]:
        """The definitions of a project that can lead to a demand."""
        return reaching.leading(surveys)

    def whole(self, paths: Sequence[Path], begin: Begin) -> Iterator[tuple[Path, Judged]]:
        """The runs of some files as scripts."""
        return ((path, self._wholes[path]) for path in paths)

    def expect(self, surveys: dict[Path, Survey], called: AbstractSet[Span], *, every: bool = False) -> None:
        """Everything is there."""

    def rest(self, path: Path, survey: Survey, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Judged]:
        """The partial runs of a file, given all that was called before."""
        return order(survey, called, self._rests[path].__getitem__, every=every)

    def close(self) -> None:
        """Nothing more will be asked."""


# --- paths -----------------------------------------------------------------------------------------------------------


def _relative(path: str) -> str:
    return Path(os.path.relpath(path)).as_posix()


def _absolute(path: str) -> str:
    return absolute(path).as_posix()


def _moved(piece: Piece, to: type[str] | object) -> Piece:
    """A piece with all its paths written in another way."""
    assert callable(to)
    surveys = {
        to(path): msgspec.structs.replace(
            survey,
            imports=tuple(map(to, survey.imports)),
            hints=_hints(survey, to),
        )
        for path, survey in piece.surveys.items()
    }
    for ran in (*piece.wholes.values(), *(ran for runs in piece.rests.values() for ran in runs)):
        ran.context = set(map(to, ran.context))
    return Piece(surveys, {to(p): ran for p, ran in piece.wholes.items()}, {to(p): r for p, r in piece.rests.items()})


def _hints(survey: Survey, to: Callable[[str], str]) -> bytes | Hints:
    known = hints(survey)
    bound = tuple((name, to(home)) for name, home in known.bound)
    return packed(msgspec.structs.replace(known, bound=bound)) if survey.hints else b""
