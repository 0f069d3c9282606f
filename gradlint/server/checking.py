"""From open documents to findings: one run for each project that something is open of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gradlint import api, config
from gradlint.api import Outcome
from gradlint.config import Loaded
from gradlint.finding import FileError, Finding
from gradlint.server.documents import Snapshot


class Options(msgspec.Struct, frozen=True, rename="camel"):
    """What the editor can set (`initializationOptions`, or the section `gradlint` of its settings)."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    config: str | None = None  #: a gradlint.toml or pyproject.toml that counts instead of the nearest
    debounce: float = 0.2  #: seconds after a change until the documents are checked


class Checked(msgspec.Struct, frozen=True):
    """What was found in a snapshot."""

    snapshot: Snapshot
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[str, ...] = ()

    def findings(self) -> list[tuple[Finding, Outcome]]:
        """All findings, each with the outcome that knows the texts; one that two projects share comes once."""
        seen: dict[tuple[object, ...], tuple[Finding, Outcome]] = {}
        for outcome in self.outcomes:
            for finding in outcome.report.findings:
                seen.setdefault((finding.rule, finding.file, finding.cell, finding.range), (finding, outcome))
        return list(seen.values())

    def errors(self) -> list[tuple[FileError, Outcome]]:
        """What could not be read."""
        return [(error, outcome) for outcome in self.outcomes for error in outcome.report.errors]


def check(snapshot: Snapshot, options: Options) -> Checked:
    """Lint the open documents, the rest of their projects as context."""
    outcomes = [_run(paths, loaded, snapshot, options) for loaded, paths in _projects(snapshot, options)]
    problems = dict.fromkeys(problem for outcome in outcomes for problem in outcome.problems)
    return Checked(snapshot, tuple(outcomes), tuple(problems))


def _projects(snapshot: Snapshot, options: Options) -> list[tuple[Loaded, list[Path]]]:
    """The open files by the settings that hold for them."""
    given = Path(options.config) if options.config else None
    projects: dict[Path, tuple[Loaded, list[Path]]] = {}
    for path in snapshot.buffers:
        loaded = config.load([path], given)
        projects.setdefault(loaded.base, (loaded, []))[1].append(path)
    return list(projects.values())


def _run(paths: Sequence[Path], loaded: Loaded, snapshot: Snapshot, options: Options) -> Outcome:
    return api.run(
        api.Task(
            paths=tuple(map(str, paths)),
            loaded=loaded,
            select=options.select,
            ignore=options.ignore,
            force_exclude=True,
            buffers=snapshot.buffers,
        )
    )
