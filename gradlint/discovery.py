"""Which files are meant by the paths of a command line, and reading their text.

Knows .gitignore and exclude patterns (the syntax of both is pathspec's), and how Python files declare their encoding.
Knows nothing of what is inside them. A named file is always taken, whatever its suffix, unless excludes are forced.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tokenize
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import msgspec
from pathspec import GitIgnoreSpec

from gradlint.finding import FileError

ROOT_FILES = ("pyproject.toml", "gradlint.toml", ".git")  #: what marks the root of a project
SUFFIXES = (".py", ".pyi", ".ipynb")
#: folders that hold no code of the project
EXCLUDED = (
    ".bzr", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox", ".pants.d", ".pyenv",
    ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode", "__pycache__", "__pypackages__",
    "_build", "buck-out", "dist", "node_modules", "site-packages", "venv",
)  # fmt: skip


class File(msgspec.Struct, frozen=True):
    """A file to lint. `file` is how it is printed; `named` tells whether the user wrote this very path."""

    path: Path
    file: str
    named: bool


class Found(msgspec.Struct, frozen=True):
    """What the paths stand for."""

    files: tuple[File, ...]
    errors: tuple[FileError, ...] = ()
    notes: tuple[str, ...] = ()


class Patterns:
    """Ignore patterns and the folder that they are relative to."""

    def __init__(self, base: Path, lines: Iterable[str]) -> None:
        self.base = base
        self.spec = GitIgnoreSpec.from_lines(lines)

    def says(self, path: Path, folder: bool) -> bool | None:
        """Whether a path is ignored; None where no pattern speaks of it."""
        try:
            name = path.relative_to(self.base).as_posix()
        except ValueError:
            return None
        if name == ".":
            return None
        return self.spec.check_file(f"{name}/" if folder else name).include


def unusable(pattern: str) -> str:
    """What is wrong with an ignore pattern, nothing if nothing is."""
    try:
        GitIgnoreSpec.from_lines([pattern])
    except (ValueError, re.error):
        return f"'{pattern}' is no pattern as .gitignore has them"
    return ""


def find(
    paths: Sequence[str], excludes: Sequence[Patterns] = (), *, force: bool = False, buffers: Container[Path] = ()
) -> Found:
    """The files that the paths stand for, each once, in an order that does not depend on that of the paths.

    Those of `buffers` need not be on disk.
    """
    files: dict[Path, File] = {}
    errors: list[FileError] = []
    notes: list[str] = []
    for given in sorted(set(paths)):
        path = absolute(given)
        problem = None if path in buffers else _missing(path)
        if problem is not None:
            errors.append(problem)
        elif force and excluded(path, excludes):
            continue
        elif kind(path) == "folder":
            below = [*_below(path, excludes)]
            errors += (e for e in below if isinstance(e, FileError))
            inner = [f for f in below if isinstance(f, Path)]
            files = {**{f: File(f, shown(f), named=False) for f in inner}, **files}
            if not inner:
                notes.append(f"no Python files in {given}")
        else:
            files[path] = File(path, shown(path), named=True)
    return Found(tuple(files[path] for path in sorted(files, key=Path.as_posix)), tuple(errors), tuple(notes))


def _missing(path: Path) -> FileError | None:
    """Why there is nothing at a path."""
    try:
        path.stat()
    except OSError as error:
        return _unreadable(path, error)
    return None


def kind(path: Path) -> str:
    """`file`, `folder` or `other`; nothing where nothing is, nobody may look, or names are not that long."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def _unreadable(path: Path, error: OSError) -> FileError:
    told = "no such file or folder" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    return FileError(shown(path), 1, 1, "unreadable", told)


@cache
def root(folder: Path) -> Path | None:
    """The root of the project that a folder lies in: the nearest one above with a file that marks it."""
    found = (f for f in (folder, *folder.parents) if any(kind(f / name) for name in ROOT_FILES))
    return next(found, None)


def absolute(path: str | Path) -> Path:
    """A path from the root, without `..`; links stay as the user wrote them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow links


def shown(path: Path) -> str:
    """How a path is printed: from the working directory where it lies below it."""
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")


def read(path: Path, file: str) -> str | FileError:
    """The text of a file, lines ending with a line feed, or why there is none."""
    data = content(path, file)
    return data if isinstance(data, FileError) else decode(data, file)


def content(path: Path, file: str) -> bytes | FileError:
    """What a file holds, or why it cannot be read. Pipes and devices may have no end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return FileError(file, 1, 1, "unreadable", "not a regular file")
        return path.read_bytes()
    except OSError as error:
        return FileError(file, 1, 1, "unreadable", error.strerror or str(error))


def decode(data: bytes, file: str) -> str | FileError:
    """Source text as Python would read it: by its byte order mark, its coding comment, else UTF-8."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        return _undecodable(data, error, file)
    except (SyntaxError, LookupError) as error:
        return _undeclared(data, error, file)
    if not encoding.startswith("utf-8") and any("\ud800" <= c <= "\udfff" for c in text):
        return FileError(file, 1, 1, "encoding", f"{encoding} gives half characters here: save the file as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _undeclared(data: bytes, reason: Exception, file: str) -> FileError:
    """No usable encoding is declared: name the byte that is not UTF-8, else the declaration."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _undecodable(data, error, file)
    return FileError(file, 1, 1, "encoding", str(reason))


def _undecodable(data: bytes, error: UnicodeDecodeError, file: str) -> FileError:
    before = data[: error.start]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode(error.encoding, "replace")) + 1
    byte = f"byte 0x{data[error.start]:02x} is not {error.encoding}"
    return FileError(file, line, column, "encoding", f"{byte}: declare the file's encoding, or save it as UTF-8")


def _below(top: Path, excludes: Sequence[Patterns]) -> Iterator[Path | FileError]:
    """The Python files of a folder that the user named; patterns that ignore this very folder do not count."""
    hard = [Patterns(top, EXCLUDED), *(p for p in excludes if not _inside(top, p))]
    yield from _walk(top, hard, [p for p in _above(top) if not _inside(top, p)])


def _walk(folder: Path, hard: Sequence[Patterns], soft: Sequence[Patterns]) -> Iterator[Path | FileError]:
    own = _gitignore(folder)
    soft = [*soft, own] if own else soft
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for entry in entries:
        path = folder / entry.name
        deeper = entry.is_dir(follow_symlinks=False)
        if not deeper and not (entry.name.endswith(SUFFIXES) and _there(path)):
            continue
        if any(p.says(path, deeper) for p in hard) or _ignored(path, deeper, soft):
            continue
        if deeper:
            yield from _walk(path, hard, soft)
        else:
            yield path


def _there(path: Path) -> bool:
    """Whether a name stands for anything to read: editors leave links to nothing, and a link may name a folder."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _ignored(path: Path, folder: bool, layers: Sequence[Patterns]) -> bool:
    """What git says: the deepest .gitignore that speaks of a path decides."""
    answers = (layer.says(path, folder) for layer in reversed(layers))
    return next((answer for answer in answers if answer is not None), False)


def _inside(path: Path, patterns: Patterns) -> bool:
    """Whether a folder, or one that it lies in, is ignored."""
    return any(patterns.says(p, folder=True) for p in (path, *path.parents))


def excluded(path: Path, excludes: Sequence[Patterns]) -> bool:
    """Whether patterns speak of a path, or of a folder that it lies in."""
    return any(p.says(path, folder=kind(path) == "folder") or _inside(path.parent, p) for p in excludes)


def _above(top: Path) -> Iterator[Patterns]:
    """The .gitignore files over a folder, up to the root of its repository, the outermost first."""
    folders = [top, *top.parents]
    root = next((i for i, folder in enumerate(folders) if kind(folder / ".git")), 0)
    for folder in reversed(folders[1 : root + 1]):
        found = _gitignore(folder)
        if found is not None:
            yield found


def _gitignore(folder: Path) -> Patterns | None:
    file = folder / ".gitignore"
    try:
        if kind(file) != "file":
            return None
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return Patterns(folder, text.splitlines())
