"""The project: which file a module name means, the lowered programs, and importing them into a run.

A name resolves to a file of the project (beside the importing file, in a folder above it, in `src/`), else to a library.
Files that were not named are read for context. Programs are lowered once; a module's body runs once per run.
"""

from __future__ import annotations

import ast
import pickle
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from gradlint import options
from gradlint.finding import FileError
from gradlint.static import builtin, statements
from gradlint.static import program as p
from gradlint.static.bounds import LowerError
from gradlint.static.disk import Disk
from gradlint.static.files import Files
from gradlint.static.lower import lower
from gradlint.static.machine import Machine
from gradlint.static.source import Source, packed, shown
from gradlint.static.store import MISSING
from gradlint.static.values import Frame, ListObj, ModuleObj, Unknown, Val, content
from gradlint.tape import Span

READY = 2_500_000  #: characters of the programs that are kept ready
LINES = 40  #: files whose lines are kept apart
TEXTS = 8_000  #: texts of places that are kept
_NONE = zlib.compress(pickle.dumps(None))
STARRED = ("starred",)  #: the cell of a module that holds the names which stars of libraries bound


class Project:
    """All files that may be looked at, and what has been made of them so far."""

    def __init__(self, sources: Sequence[Source], read: Callable[[Path], str | None], *, facts: bool = True) -> None:
        self.sources = {s.path: s for s in sources}
        self.by_file = {s.file: s for s in sources}
        self.failures: dict[Path, FileError] = {}  #: the named files that cannot be lowered
        self.disk = Disk(heard=facts)
        self._read = read
        self._programs: dict[Path, p.Module] = {}  #: those used last, the last one last
        self._alive: WeakValueDictionary[Path, p.Module] = WeakValueDictionary()  #: those that a run has as well
        self._ready = 0  #: characters of the programs that are ready
        self._lengths: dict[Path, int] = {}  #: of the texts that were lowered
        self._packed: dict[
            Path, bytes
        ] = {}  #: the others: a fiftieth of the time of lowering, an eighteenth of the memory
        self._lines: dict[str, list[str]] = {}  #: of the files used last, the last one last
        self._arms: dict[str, tuple[tuple[int, int], ...]] = {}  #: of files, what is run for an option
        self._texts: dict[tuple[Span, int], str] = {}  #: of places, shortened
        self.files = Files(self.sources.keys(), self.disk)

    # --- files -------------------------------------------------------------------------------------------------------

    def source(self, path: Path) -> Source | None:
        """The text of a file, read when first needed."""
        if path not in self.sources:
            text = self._read(path)
            if text is None:
                return None
            found = Source(shown(path), path, packed(text), named=False)
            self.sources[path] = found
            self.by_file[found.file] = found
        return self.sources[path]

    def program(self, path: Path) -> p.Module | None:
        """The lowered program of a file, None if it cannot be parsed (noted in `failures` if the file was named)."""
        if path in self._programs:
            self._programs[path] = self._programs.pop(path)
            return self._programs[path]
        found = self._alive.get(path)
        if found is None:
            packed = self._packed.get(path)
            found = self._lower(path) if packed is None else pickle.loads(zlib.decompress(packed))
        if found is None:
            self._packed[path] = _NONE
            return None
        self._programs[path] = self._alive[path] = found
        self._ready += self._lengths[path]
        while self._ready > READY and len(self._programs) > 1:
            self._pack(next(iter(self._programs)))
        return found

    def _pack(self, path: Path) -> None:
        """Put a program away; runs that are going on have it still."""
        program = self._programs.pop(path)
        self._ready -= self._lengths[path]
        if path not in self._packed:
            # deflated, for what has not been lowered lies there as a text: of a large project all of it
            self._packed[path] = zlib.compress(pickle.dumps(program, pickle.HIGHEST_PROTOCOL), 1)

    def _lower(self, path: Path) -> p.Module | None:
        source = self.source(path)
        if source is None:
            return None
        try:
            text = source.text
            self._lengths[path] = len(text)
            return lower(text, source.file, module_name(path, self.disk))
        except LowerError as error:
            if source.named:
                self.failures[path] = FileError(source.file, error.line, error.column, error.kind, error.message)
            return None
        except Exception as error:  # a defect of the lowering costs one file
            if source.named:
                told = f"gradlint could not read this file: {type(error).__name__}: {error}"
                self.failures[path] = FileError(source.file, 1, 1, "internal", told)
            return None

    def lines(self, file: str) -> list[str]:
        """The lines of a file that has been read."""
        lines = self._lines.pop(file, None)
        if lines is None:
            found = self.by_file.get(file)
            lines = found.text.split("\n") if found else []
            if len(self._lines) >= LINES:
                del self._lines[next(iter(self._lines))]
        self._lines[file] = lines
        return lines

    def arms(self, file: str) -> Sequence[tuple[int, int]]:
        """The lines of a file that are run because an option says so; none where this Python cannot read it."""
        if file not in self._arms:
            try:
                self._arms[file] = tuple(options.arms(ast.parse("\n".join(self.lines(file)))))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._arms[file] = ()
        return self._arms[file]

    def text(self, span: Span, limit: int = 60) -> str:
        """The source text of a span on one line, shortened."""
        found = self._texts.get((span, limit))
        if found is None:
            if len(self._texts) >= TEXTS:
                self._texts.clear()
            found = self._texts[span, limit] = self._text(span, limit)
        return found

    def _text(self, span: Span, limit: int) -> str:
        lines = self.lines(span.file)[span.line - 1 : span.end_line]
        if not lines:
            return ""
        if len(lines) == 1:
            text = lines[0][span.column - 1 : span.end_column - 1]
        else:
            text = " ".join([lines[0][span.column - 1 :], *lines[1:-1], lines[-1][: span.end_column - 1]])
        text = " ".join(text.split())
        return text if len(text) <= limit else text[: limit - 3] + "..."

    # --- names to files ----------------------------------------------------------------------------------------------

    def find(self, importer: Path, parts: tuple[str, ...], level: int = 0) -> Path | None:
        """The file that `import a.b.c` means in `importer`; None for a library."""
        return self.files.find(importer, parts, level)

    def submodule(self, m: Machine, package: ModuleObj, name: str) -> Val | None:
        """`package.name` where `name` is a module in the package's folder."""
        path = self.path_of(package)
        if path.name != "__init__.py":
            return None
        found = self.files.inside(path.parent, (name,))
        return load(m, found) if found is not None else None

    def path_of(self, module_object: ModuleObj) -> Path:
        """The path of a loaded module."""
        return self.by_file[module_object.program.file].path


def module_name(path: Path, disk: Disk) -> str:
    """The dotted name of a file inside its package."""
    parts = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while disk.is_file(folder / "__init__.py"):
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts) or path.parent.name


# --- importing into a run --------------------------------------------------------------------------------------------


def load(m: Machine, path: Path, as_main: bool = False) -> Val:
    """The module object of a file in this run; its body runs at the first import."""
    found = m.state.cells.get(("module", path), MISSING)
    if found is not MISSING:
        return found
    package = (path.parent.parent if path.name == "__init__.py" else path.parent) / "__init__.py"
    if not as_main and package != path and m.project.disk.is_file(package):
        with m.importing():
            load(m, package)
        found = m.state.cells.get(("module", path), MISSING)
        if found is not MISSING:
            return found
    program = _program(m, path) if as_main or m.may_import() else None
    if program is None:
        return Unknown(module_name(path, m.project.disk))
    made = ModuleObj(program)
    m.set(m.state, ("module", path), made)
    m.set(made, "__name__", "__main__" if as_main else program.name)
    m.set(made, "__file__", program.file)
    m.main = program.file if as_main else m.main
    frame = Frame(made, program.scope)
    frame.start = m.store.mark()
    frame.cells = made.cells
    with m.importing():
        statements.block(m, frame, program.body)
    return made


def loaded(m: Machine, path: Path) -> bool:
    """Whether a file has been imported in this run, or is being."""
    return m.state.cells.get(("module", path), MISSING) is not MISSING


def asked_for(project: Project, importer: Path, node: p.Import | p.ImportFrom) -> Iterator[Path | None]:
    """The files that an import statement loads, in order, as far as the text tells; None for a library."""
    if isinstance(node, p.Import):
        yield from (project.find(importer, tuple(alias.name.split("."))) for alias in node.names)
        return
    parts = tuple(node.module.split(".")) if node.module else ()
    yield project.find(importer, parts, node.level)
    yield from (project.find(importer, (*parts, alias.name), node.level) for alias in node.names if alias.name != "*")


def _program(m: Machine, path: Path) -> p.Module | None:
    m.read.add(path.as_posix())
    return m.project.program(path)


def module(m: Machine, frame: Frame, name: str, whole_name: bool) -> Val:
    """`import a.b.c`: the first package, or the module itself where it gets a name of its own."""
    importer = m.project.path_of(frame.module)
    parts = tuple(name.split("."))
    path = m.project.find(importer, parts)
    if path is None:
        return builtin.library(m, name if whole_name else parts[0])
    target = load(m, path)
    if whole_name or len(parts) == 1:
        return target
    first = m.project.find(importer, parts[:1])
    return load(m, first) if first is not None else _namespace(m, importer, parts)


def _namespace(m: Machine, importer: Path, parts: tuple[str, ...]) -> Val:
    """A folder without `__init__`: an object whose attributes are its modules."""
    top = Unknown(parts[0])
    holder: Val = top
    for i in range(1, len(parts)):
        path = m.project.find(importer, parts[: i + 1])
        inner: Val = load(m, path) if path is not None else Unknown(parts[i])
        holder.cells[parts[i]] = inner
        holder = inner
    return top


def member(m: Machine, frame: Frame, node: p.ImportFrom, name: str) -> Val:
    """`from module import name`."""
    importer = m.project.path_of(frame.module)
    parts = tuple(node.module.split(".")) if node.module else ()
    path = m.project.find(importer, parts, node.level)
    inner = m.project.find(importer, (*parts, name), node.level)
    if path is not None:
        loaded = load(m, path)
        value = loaded.cells.get(name, MISSING) if isinstance(loaded, ModuleObj) else MISSING
        if value is not MISSING:
            return value
    if inner is not None:
        return load(m, inner)
    if path is not None or node.level:
        return Unknown(name)
    return builtin.library(m, f"{node.module}.{name}")


def star(m: Machine, frame: Frame, node: p.ImportFrom) -> list[tuple[str, Val]]:
    """The names that `from module import *` binds."""
    importer = m.project.path_of(frame.module)
    path = m.project.find(importer, tuple(node.module.split(".")) if node.module else (), node.level)
    if path is None:
        return _foreign_star(m, frame, node)
    loaded = load(m, path)
    if not isinstance(loaded, ModuleObj):
        return []
    listed = loaded.cells.get("__all__", MISSING)
    wanted = [n for n in content(listed) if isinstance(n, str)] if isinstance(listed, ListObj) else None
    names = wanted or [k for k in loaded.cells if isinstance(k, str) and not k.startswith("_")]
    return [(n, loaded.cells[n]) for n in names if loaded.cells.get(n, MISSING) is not MISSING]


def _foreign_star(m: Machine, frame: Frame, node: p.ImportFrom) -> list[tuple[str, Val]]:
    """What is known of the names that a library exports; one that nobody described may bind any of those bound before."""
    before = frame.module.cells.get(STARRED, MISSING)
    known = before if isinstance(before, tuple) else ()
    names = m.catalog.exported(node.module) if not node.level else None
    if names is None:
        return [(name, Unknown(name)) for name in known]
    m.set(frame.module, STARRED, (*known, *names))
    return [(name, builtin.library(m, full) if full else Unknown(name)) for name, full in names.items()]
