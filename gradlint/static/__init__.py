"""The static producer: source text -> program -> abstract machine -> tapes. It never imports or runs user code.

The machine comes with the first file that is worth running: where nothing asks for a gradient, no libcst is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gradlint.finding import FileError
from gradlint.static.source import Source, Watch, ignore
from gradlint.static.words import hot, relevant
from gradlint.tape import Span, Tape

if TYPE_CHECKING:
    from gradlint.catalog import Catalog

__all__ = ["Result", "Source", "Watch", "analyse", "hot", "ignore", "relevant"]


class Result(msgspec.Struct, frozen=True):
    """What the static half knows of a set of files."""

    tapes: list[Tape]
    errors: list[FileError]
    analysed: set[str]
    context: set[str]
    sites: list[tuple[Span, str]]
    functions: dict[str, list[tuple[int, int, str]]]
    reached: set[Span]
    budget: list[Span]
    left: set[str] = set()  #: named files that an interrupt kept from being run to the end
    bounds: Mapping[str, int] = {}  #: how often each bound of `budget` was hit
    asked: dict[Path, str] = {}  #: what the search for modules asked of the disk, and was told


def analyse(
    sources: Sequence[Source],
    catalog: Catalog,
    *,
    read: Callable[[Path], str | None] | None = None,
    watch: Watch = ignore,
) -> Result:
    """Run the named sources on abstract values; `read` gives the text of further files of the project.

    `watch` is told of every file before it is run. After Ctrl-C the result holds what was found so far.
    """
    if not sources:
        return Result([], [], set(), set(), [], {}, set(), [])
    from gradlint.static.entries import Runs
    from gradlint.static.imports import Project
    from gradlint.static.sites import demand_sites, functions_of

    sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))
    ordered = sorted(sources, key=lambda s: s.path.as_posix())
    project = Project(ordered, read or read_context)
    runs = Runs(project, catalog, watch)
    paths = [s.path for s in ordered if s.named]
    runs.run_all(paths, [s.path for s in ordered if not s.named])
    programs = {s.file: program for s in ordered if s.named and (program := project.lowered(s.path)) is not None}
    return Result(
        tapes=runs.tapes,
        errors=[*project.errors, *runs.errors],
        analysed=set(programs),
        context={s.file for s in project.sources.values() if not s.named},
        sites=[
            site
            for program in programs.values()
            for site in demand_sites(program)
            if site[0] in runs.reached or site[0] not in runs.own_calls  # a method that is only called like a demand
        ],
        functions={file: functions_of(program) for file, program in programs.items()},
        reached=set(runs.reached),
        budget=runs.budget,
        bounds=dict(runs.bounds),
        left={s.file for s in ordered if s.path in runs.left},
        asked=project.disk.asked,
    )


def read_context(path: Path) -> str | None:
    """The text of a file that was not named, None if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
