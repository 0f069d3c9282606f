"""A recording: patches and mode put in place, and taken away again however the recorded code ends."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from types import TracebackType

from gradlint.catalog import Catalog
from gradlint.runtime import patches
from gradlint.runtime.demands import Demands, ender
from gradlint.runtime.knowledge import Knowledge
from gradlint.runtime.mode import Tape
from gradlint.runtime.nodes import Nodes
from gradlint.runtime.places import Places

_RARER = 16  #: Python's collector runs so much more rarely: what a recording makes is no garbage


class Recording:
    """`with Recording(catalog) as r:` records; afterwards `writing.run(r)` tells what happened.

    A recording that starts while another one is running shares that one's records: a trace inside a trace sees what it
    encloses, and torch is patched once.
    """

    _running: Recording | None = None

    def __init__(self, catalog: Catalog, *, stop_after: int = 0) -> None:
        outer = Recording._running
        self.outer = outer
        self.mode: Tape = outer.mode if outer else _made(catalog)
        self.places, self.nodes, self.demands = self.mode.places, self.mode.nodes, self.mode.demands
        self.first = len(self.demands.kept)  #: the first demand of this recording
        self.last: int | None = None  #: where its demands end
        self.error: BaseException | None = None
        self.ended_by: int | None = None  #: the kept demand whose exception left the recording
        if outer is None:
            self.mode.stop_after = stop_after
        self._undo = ExitStack()

    @classmethod
    def running(cls) -> Recording | None:
        """The outermost recording that is going on."""
        return cls._running

    def __enter__(self) -> Recording:  # noqa: PYI034 - Self is newer than Python 3.10
        if self.outer is None:
            Recording._running = self
            self._undo.callback(self._over)
            self._undo.callback(gc.set_threshold, *gc.get_threshold())
            first, *others = gc.get_threshold()
            gc.set_threshold(first * _RARER, *others)
            self._undo.enter_context(patches.made(self.mode))
            self.mode.__enter__()  # type: ignore[no-untyped-call]
            self._undo.callback(self._leave)
        else:
            self.demands.again()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._undo.close()
        self.last = len(self.demands.kept)
        if error is not None:
            self.error = error
            self.ended_by = ender(error)

    def _leave(self) -> None:
        self.mode.off = True
        if not self.mode.left:
            self.mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _over(self) -> None:
        Recording._running = None


def _made(catalog: Catalog) -> Tape:
    places = Places()
    nodes = Nodes(places)
    return Tape(places, Knowledge(catalog), nodes, Demands(places, nodes))
