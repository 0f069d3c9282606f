"""What lies where, as the search for modules asks it; every question and its answer can be put again later."""

from __future__ import annotations

import stat
from pathlib import Path


class Disk:
    """Answers from the file system, each path asked for once."""

    def __init__(self) -> None:
        self.asked: dict[Path, str] = {}

    def kind(self, path: Path) -> str:
        """`file`, `other`, or nothing where nothing is."""
        if path not in self.asked:
            self.asked[path] = _kind(path)
        return self.asked[path]

    def is_file(self, path: Path) -> bool:
        """Whether a path is a file."""
        return self.kind(path) == "file"


def _kind(path: Path) -> str:
    try:
        return "file" if stat.S_ISREG(path.stat().st_mode) else "other"
    except (OSError, ValueError):  # also where nobody may look, or the name is longer than names can be
        return ""
