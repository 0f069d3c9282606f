"""Which file a module name means, and what had to be asked of the disk for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.static import files
from gradlint.static.disk import Disk
from gradlint.static.files import Files

ASKED = [("train", ("models", "net")), ("train", ("torch",)), ("train", ("models",)), ("models/net", ("models", "net")),
         ("train", ("models", "net")), ("models/net", ("torch",))]  # fmt: skip


def answers(root: Path) -> tuple[list[Path | None], list[dict[str, str]]]:
    """What is found for some imports, and all that is heard for each of them."""
    disk = Disk()
    names = Files((), disk)
    found: list[Path | None] = []
    heard: list[dict[str, str]] = []
    for importer, parts in ASKED:
        with disk.listening() as told:
            found.append(names.find(root / f"{importer}.py", parts))
        heard.append(dict(told))
    return found, heard


def test_what_was_forgotten_is_found_again_and_heard_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "models").mkdir()
    for name in ("train.py", "models/__init__.py", "models/net.py"):
        (tmp_path / name).touch()
    found, heard = answers(tmp_path)
    net = tmp_path / "models" / "net.py"
    assert found == [net, None, tmp_path / "models" / "__init__.py", None, net, None]
    assert all(heard)
    monkeypatch.setattr(files, "REMEMBERED", 1)
    assert answers(tmp_path) == (found, heard)
