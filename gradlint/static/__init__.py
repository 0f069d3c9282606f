"""The static producer: source text -> program -> abstract machine -> tapes. It never imports or runs user code.

The machine comes with the first file that is worth running: where nothing asks for a gradient, no libcst is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gradlint.finding import FileError
from gradlint.static.replay import Replay
from gradlint.static.source import Source, Watch, ignore, shown
from gradlint.static.units import Crew, Ran
from gradlint.static.words import hot, relevant, words_of
from gradlint.tape import Span, Tape

if TYPE_CHECKING:
    from gradlint.catalog import Catalog

__all__ = ["Crew", "Ran", "Result", "Source", "Watch", "analyse", "hot", "ignore", "relevant", "words_of"]


class Result(msgspec.Struct, frozen=True):
    """What the static half knows of a set of files."""

    tapes: list[Tape]
    errors: list[FileError]
    analysed: set[str]
    context: set[str]
    sites: list[tuple[Span, str]]
    reached: set[Span]
    budget: list[Span]
    left: set[str] = set()  #: named files that an interrupt kept from being run to the end
    bounds: Mapping[str, int] = {}  #: how often each bound of `budget` was hit
    asked: dict[str, str] = {}  #: what the search for modules asked of the disk, and was told
    runs: Sequence[Ran] = ()  #: what counts, in order
    measured: set[Span] = set()  #: functions called a loss whose value some run only looks at


def analyse(
    sources: Sequence[Source],
    catalog: Catalog,
    *,
    read: Callable[[Path], str | None] | None = None,
    watch: Watch = ignore,
    crew: Crew | None = None,
) -> Result:
    """Run the named sources on abstract values; `read` gives the text of further files of the project.

    `watch` is told of every file before it is run. After Ctrl-C the result holds what was found so far. `crew` runs the
    units; without one they are run here, one after the other.
    """
    if not sources:
        return Result([], [], set(), set(), [], set(), [])
    ordered = sorted(sources, key=lambda s: s.path.as_posix())
    reader = read or read_context
    if crew is None:
        from gradlint.static.alone import Alone

        crew = Alone(ordered, catalog, reader)
    replay = Replay(ordered, crew, watch)
    replay.run()
    return _result(replay, ordered, reader)


def _result(replay: Replay, ordered: Sequence[Source], read: Callable[[Path], str | None]) -> Result:
    runs = replay.runs
    surveys = [s for path in replay.paths if (s := replay.surveys.get(path)) is not None]
    together = replay.together
    measured, reached, own_calls = together.measured, together.reached, together.own_calls
    known = {s.path.as_posix() for s in ordered}
    loaded = {Path(path) for path in together.context if path not in known}
    return Result(
        tapes=[without(ran.tape, measured) for ran in runs if ran.tape is not None],
        errors=[*(s.error for s in surveys if s.error), *dict.fromkeys(e for ran in runs for e in ran.errors)],
        analysed={s.file for s in surveys if s.read},
        context={s.file for s in ordered if not s.named} | {shown(p) for p in loaded if read(p) is not None},
        sites=[
            site
            for survey in surveys
            for site in survey.sites
            if site[0] in reached or site[0] not in own_calls  # a method that is only called like a demand
        ],
        reached=reached,
        budget=[span for ran in runs for span in ran.budget],
        bounds=+together.bounds,
        left={s.file for s in ordered if s.path in replay.left},
        asked=replay.crew.asked,
        runs=runs,
        measured=measured,
    )


def without(tape: Tape, measured: set[Span]) -> Tape:
    """A tape on which no function that a caller only measures with is a declared loss."""
    kept = [d for d in tape.demands if d.kind != "loss-return" or d.span not in measured]
    return tape if len(kept) == len(tape.demands) else msgspec.structs.replace(tape, demands=kept)


def read_context(path: Path) -> str | None:
    """The text of a file that was not named, None if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
