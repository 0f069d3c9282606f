"""What lies where, as the search for modules asks it; every question and its answer can be put again later."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """Answers from the file system, each path asked for once."""

    def __init__(self, *, heard: bool = True) -> None:
        self.hearing = heard  #: whether anybody wants to know what was asked when
        self.asked: dict[Path, str] = {}
        self._heard: dict[Path, str] = {}
        self._again: set[int] = set()  #: answers that were heard as a whole, by identity

    @contextmanager
    def listening(self) -> Iterator[dict[Path, str]]:
        """All that is asked inside, whether or not it was asked before, with the answers."""
        if not self.hearing:
            yield {}
            return
        around = self._heard, self._again
        self._heard, self._again = {}, set()
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
        self._heard, self._again = {}, set()
        try:
            yield
        finally:
            self._heard, self._again = around

    def repeat(self, answers: Mapping[Path, str]) -> None:
        """Something that these answers had led to is used again. The mapping must not go away or change."""
        if self.hearing and id(answers) not in self._again:
            self._again.add(id(answers))
            self._heard.update(answers)

    def kind(self, path: Path) -> str:
        """`file`, `other`, or nothing where nothing is."""
        if path not in self.asked:
            self.asked[path] = _kind(path)
        answer = self.asked[path]
        if self.hearing:
            self._heard[path] = answer
        return answer

    def is_file(self, path: Path) -> bool:
        """Whether a path is a file."""
        return self.kind(path) == "file"


def _kind(path: Path) -> str:
    try:
        return "file" if stat.S_ISREG(path.stat().st_mode) else "other"
    except (OSError, ValueError):  # also where nobody may look, or the name is longer than names can be
        return ""
