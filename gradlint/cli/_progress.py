"""A bar on standard error for runs that take longer than a second, where somebody looks at it.

Rich draws it and is loaded only then; the bar is gone before the report is printed.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from gradlint.report._plain import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0  #: seconds without a bar


class Bar:
    """Told how far the work is; `with` takes the bar away at the end, however that comes about."""

    def __init__(self, *, shown: bool | None = None, patience: float = _PATIENCE) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._due = time.monotonic() + patience
        self._drawn: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Bar:  # noqa: PYI034 - Self is newer than Python 3.10
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._drawn:
            self._drawn[0].stop()

    def __call__(self, done: int, total: int, file: str) -> None:
        """This much is done, this file comes now."""
        if not self._shown or time.monotonic() < self._due:
            return
        bar, task = self._drawn = self._drawn or _made()
        bar.update(task, completed=done, total=total, file=printable(file))
        bar.start()


def _made() -> tuple[Progress, TaskID]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    names = TextColumn("{task.fields[file]}", markup=False, table_column=Column(ratio=1, no_wrap=True))
    console = Console(stderr=True)
    bar = Progress(BarColumn(bar_width=24), TaskProgressColumn(), names, console=console, transient=True, expand=True)
    return bar, bar.add_task("", file="")
