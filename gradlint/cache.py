"""The folder `.gradlint_cache`: entries by key, safe to share, to lose and to break.

An entry is a digest and the bytes that it vouches for, written beside and moved into place; what is not exactly that is
ignored, and somebody is told. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from gradlint.discovery import kind, root

NAME = ".gradlint_cache"
KEPT = {"answer": 64, "catalog": 4, "ledger": 8}  #: how many entries of a kind are kept, those used last

_TAG = "CACHEDIR.TAG"
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of gradlint; `gradlint clean` removes it.\n"
_IGNORE = ".gitignore"
_PART = ".part"
_STALE = 3600  #: seconds after which what a dead run left half-written is removed
_SIZE = 32


class CacheError(Exception):
    """The folder or an entry cannot be used; the message says why."""


def home(paths: Iterable[Path]) -> Path:
    """Where the cache of these absolute paths lies: in the nearest project root over all, else the working directory."""
    folders = [str(p if kind(p) == "folder" else p.parent) for p in paths]
    with suppress(ValueError):  # nothing was given, or files on several drives
        return (root(Path(os.path.commonpath(folders))) or Path.cwd()) / NAME
    return Path.cwd() / NAME


def digest(*parts: str | bytes) -> str:
    """A key made of texts; where one ends and the next begins counts."""
    made = blake2b(digest_size=_SIZE)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "little") + data)
    return made.hexdigest()


def load(folder: Path, kind: str, key: str) -> bytes | None:
    """The bytes of an entry, None where there is none. Raises `CacheError` for a broken entry or a folder of others."""
    file = folder / f"{key}.{kind}"
    try:
        if not folder.exists():
            return None
        _check_ours(folder)
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheError(error.strerror or str(error)) from error
    held, content = data[:_SIZE], data[_SIZE:]
    if held != blake2b(content, digest_size=_SIZE).digest():
        raise CacheError(f"{file.name} is damaged")
    with suppress(OSError):
        os.utime(file)
    return content


def store(folder: Path, kind: str, key: str, content: bytes) -> None:
    """Write an entry and drop the oldest ones of its kind. Raises `CacheError` where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_ours(folder)
        for name, text in ((_TAG, _SIGNATURE), (_IGNORE, "*\n")):
            if not (folder / name).exists():
                _write(folder, name, text.encode())
        _write(folder, f"{key}.{kind}", blake2b(content, digest_size=_SIZE).digest() + content)
        _trim(folder, kind)
    except OSError as error:
        raise CacheError(error.strerror or str(error)) from error


def clean(folder: Path) -> bool:
    """Remove a cache, and nothing that is not of it; whether there was one. Raises `CacheError`."""
    if not folder.exists():
        return False
    try:
        _check_ours(folder)
        for file in folder.iterdir():
            if _is_ours(file.name):
                file.unlink(missing_ok=True)
        with suppress(OSError):  # something else lies in it
            folder.rmdir()
    except OSError as error:
        raise CacheError(error.strerror or str(error)) from error
    return True


def _is_ours(name: str) -> bool:
    return name in (_TAG, _IGNORE) or name.endswith((_PART, *(f".{kind}" for kind in KEPT)))


def _check_ours(folder: Path) -> None:
    """A folder that somebody else filled is never written to: its .gitignore would hide what is in it."""
    if not (folder / _TAG).is_file() and not all(_is_ours(file.name) for file in folder.iterdir()):
        raise CacheError("the folder holds other things than a cache of gradlint")


def _write(folder: Path, name: str, content: bytes) -> None:
    import tempfile  # late: a run that writes nothing does without it

    handle, part = tempfile.mkstemp(suffix=_PART, dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, folder / name)  # noqa: PTH105 - both names are complete paths
    except BaseException:
        with suppress(OSError):
            os.unlink(part)  # noqa: PTH108
        raise


def _trim(folder: Path, kind: str) -> None:
    """Keep the newest entries. Another run may have removed any of them meanwhile."""
    for file in _by_age(folder, f".{kind}")[KEPT[kind] :]:
        file.unlink(missing_ok=True)
    for file in _by_age(folder, _PART):
        with suppress(FileNotFoundError):
            if time.time() - file.stat().st_mtime > _STALE:
                file.unlink()


def _by_age(folder: Path, suffix: str) -> Sequence[Path]:
    """The files with this suffix, the newest first."""
    found: list[tuple[int, str, Path]] = []
    for file in folder.glob(f"*{suffix}"):
        with suppress(FileNotFoundError):
            found.append((file.stat().st_mtime_ns, file.name, file))
    return [file for _, _, file in sorted(found, reverse=True)]
