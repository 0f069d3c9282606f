"""What lies where, as the search for modules asks it; every question and its answer can be put again later.

Paths are texts with slashes: of a large project hundreds of thousands are asked for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

Answers = Mapping[str, str]  #: what was asked, and was told


class Disk:
    """Answers from the file system, each path asked for once."""

    def __init__(self, *, heard: bool = True) -> None:
        self.hearing = heard  #: whether anybody wants to know what was asked when
        self.asked: dict[str, str] = {}
        self._heard: dict[str, str] = {}
        self._again: dict[int, Answers] = {}  #: answers that were heard as a whole, by identity

    @contextmanager
    def listening(self) -> Iterator[dict[str, str]]:
        """All that is asked inside, whether or not it was asked before, with the answers."""
        if not self.hearing:
            yield {}
            return
        around = self._heard, self._again
        self._heard, self._again = {}, {}
        heard = self._heard
        try:
            yield heard
        finally:
            self._heard, self._again = around
            self._heard.update(heard)

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """What is asked inside tells nobody anything: it will be asked again by what needs it."""
        around = self._heard, self._again
        self._heard, self._again = {}, {}
        try:
            yield
        finally:
            self._heard, self._again = around

    def repeat(self, answers: Answers) -> None:
        """Something that these answers had led to is used again. The mapping must not change."""
        if self.hearing and id(answers) not in self._again:
            self._again[id(answers)] = answers
            self._heard.update(answers)

    def kind(self, path: str) -> str:
        """`file`, `other`, or nothing where nothing is."""
        if path not in self.asked:
            self.asked[path] = _kind(path)
        answer = self.asked[path]
        if self.hearing:
            self._heard[path] = answer
        return answer

    def is_file(self, path: Path | str) -> bool:
        """Whether a path is a file."""
        return self.kind(path if isinstance(path, str) else path.as_posix()) == "file"


def _kind(path: str) -> str:
    try:
        return "file" if stat.S_ISREG(os.stat(path).st_mode) else "other"  # noqa: PTH116 - a path object costs more than the question
    except (OSError, ValueError):  # also where nobody may look, or the name is longer than names can be
        return ""
