"""What is run: every script as a whole program, then what no run has called, from its beginning on unknown arguments.

A class nobody constructs lives once: constructed with unknown arguments, then each uncalled method from that state, with
the attributes that other methods assign unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gradlint import options
from gradlint.finding import FileError
from gradlint.static import (
    caching,
    calls,
    classes,
    declared,
    demands,
    elsewhere,
    expected,
    flags,
    gradients,
    hooks,
    imports,
    mentions,
    untaken,
)
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.asking import Libraries
from gradlint.static.bounds import LowerError
from gradlint.static.budget import WHOLE_RUN, BudgetHit
from gradlint.static.imports import Project
from gradlint.static.machine import Machine, defined
from gradlint.static.moments import Moment
from gradlint.static.outline import Outline
from gradlint.static.packages import Packages
from gradlint.static.replay import order
from gradlint.static.sites import dotted
from gradlint.static.source import Source
from gradlint.static.store import MISSING
from gradlint.static.units import Hints, Ran, Survey, Wanted, packed, whole_file
from gradlint.static.values import (
    ClassObj,
    Frame,
    Instance,
    ModuleObj,
    Raised,
    Val,
    Wrapped,
)
from gradlint.static.words import may_demand, relevant, words_of
from gradlint.tape import Hook, Span

if TYPE_CHECKING:
    from gradlint.catalog import Catalog


class Runs:
    """Runs the units of a project; what they found depends on nothing that was run before."""

    def __init__(self, project: Project, catalog: Catalog, *, tapes: bool = True) -> None:
        self.project = project
        self.catalog = catalog
        self._packages = Packages(project, catalog)
        self._libraries = Libraries(catalog)
        self._given = frozenset(project.sources)
        self.tapes = tapes  #: whether runs that add nothing to be judged leave tapes as well

    def survey(self, path: Path) -> Survey:
        """What the text of a file says."""
        with self.project.disk.listening() as heard:
            made = self._survey(path)
        return msgspec.structs.replace(made, asked=dict(heard))

    def _survey(self, path: Path) -> Survey:
        source = self.project.source(path)
        if source is None:
            return Survey(path.as_posix())
        if path not in self._given and not relevant(source.text, words_of(self.catalog.demands)):
            return Survey(source.file)  # holds no demand and, but for the names between, leads to none
        try:
            outline = Outline(source.file, source.text)
        except (LowerError, SyntaxError, ValueError, RecursionError, MemoryError):
            return self._unread(path, source)
        imported = (self.project.find(path, parts, level) for parts, level in outline.imports())
        known, asking = self._libraries.known(
            tuple(mentions.imported(outline.import_statements)), lambda name: self.project.find(path, (name,)) is None
        )
        hints = Hints(
            wanted=tuple(outline.wanted()) if source.named else (),
            parts=tuple(outline.parts(known)),
            bound=tuple(self._bound(path, outline)),
            classes=tuple(outline.classes()),
            asking=tuple(sorted(asking)),
        )
        return Survey(
            source.file,
            read=True,
            imports=tuple({found.as_posix(): None for found in imported if found is not None}),
            guarded=outline.guarded(),
            acts=outline.acts(packaged=self.project.disk.is_file(path.parent / "__init__.py")),
            hints=packed(hints),
            sites=outline.sites() if source.named else [],
        )

    def _bound(self, path: Path, outline: Outline) -> Iterator[tuple[str, str]]:
        """The names that imports bind to files of the project, or to what is in them."""
        for name, parts, level, inner in outline.bindings():
            found = self.project.find(path, (*parts, inner), level) if inner else None
            found = found or self.project.find(path, parts, level)
            if found is not None:
                yield name, found.as_posix()

    def _unread(self, path: Path, source: Source) -> Survey:
        """A file that this Python cannot read: why, or, if it is written in a newer Python, that all of it may matter."""
        program = self.project.program(path)
        if program is None:
            return Survey(path.as_posix(), error=self.project.failures.get(path))
        wanted = (_wanted(d, program.file) for d in _definitions(program.body)) if source.named else ()
        return Survey(program.file, read=True, acts=True, wanted=tuple(wanted))

    def whole(self, path: Path) -> Ran:
        """The run of a file as a script."""
        file = self._name(path)
        m = Machine(self.catalog, self.project, WHOLE_RUN, whole=True)
        ran = Ran(whole_file(file))
        with _guarded(ran), self.project.disk.listening() as heard:
            try:
                _whole_program(m, path)
            except BudgetHit:
                ran.budget.append(m.here())
                m.bounds["steps of a whole run"] += 1
                m.outside_code = True  # what would have come is not known
            _note_failure(m, path, ran)
            hooked, m.whole = hooks.records(m), False
            with suppress(BudgetHit):
                _closures(m)
            _collect(m, ran, hooked=hooked)
            ran.asked = dict(heard)
        return ran

    def rest(self, survey: Survey, path: Path, called: AbstractSet[Span], *, every: bool = False) -> Iterator[Ran]:
        """The partial runs of what nothing has called in a file: all that may demand something."""
        if all(wanted.called(called) for wanted in survey.wanted):
            return iter(())
        return order(survey, called, self.beginnings(path, survey).run, every=every)

    def beginnings(self, path: Path, survey: Survey) -> Beginnings:
        """Where the partial runs of a file begin."""
        with self.project.disk.listening() as heard:
            m = self._packages.machine(path)
        return Beginnings(m, path, survey.file, tapes=self.tapes, asked=heard)

    def _name(self, path: Path) -> str:
        source = self.project.source(path)
        return source.file if source else path.as_posix()


class Beginnings:
    """The partial runs of one file, each from the moment at which the module, or the object, has been made."""

    def __init__(self, m: Machine, path: Path, file: str, *, tapes: bool, asked: dict[str, str]) -> None:
        self.m = m
        self.asked = asked  #: of the disk, until the module was there
        self.path = path
        self.tapes = tapes
        self.start = whole_file(file)
        self.nodes: dict[Span, p.FunctionDef | p.ClassDef] = {}
        self.lives: dict[Span, Span] = {}  #: method -> its class

    def run(self, key: Span) -> Ran:
        """The run with this key; the module comes first, a class before its methods."""
        ran = Ran(key)
        with _guarded(ran), self.m.project.disk.listening() as heard:
            if key == self.start:
                self._load(ran)
                self.asked |= heard
            elif key in self.lives:
                self._method(key, ran)
            else:
                self._definition(key, ran)
        ran.failed = ran.failed or bool(ran.errors)
        new = ((path, kind) for path, kind in heard.items() if path not in self.asked)
        ran.asked = dict(self.asked if key == self.start else new)
        return ran

    def _load(self, ran: Ran) -> None:
        m = self.m
        module = None
        with suppress(Raised, BudgetHit):
            module = imports.load(m, self.path)
        if not isinstance(module, ModuleObj):
            ran.failed = True
            _note_failure(m, self.path, ran)
            ran.context = set(m.read)
            return
        m.stack.clear()
        m.doubt = 0
        self.frame = Frame(module, module.program.scope)
        self.frame.cells = module.cells
        for node in _definitions(module.program.body):
            self.nodes[defined(node, self.start.file)] = node
        self.made = Moment(m)
        _collect(m, ran)

    def _definition(self, key: Span, ran: Ran) -> None:
        node = self.nodes[key]
        self.made.back(self.m)
        value = self.frame.cells.get(node.name, MISSING)
        if isinstance(node, p.FunctionDef):
            self._partial(value, node, ran)
        elif isinstance(value, ClassObj):
            self.cls, self.node = value, node
            self.object = self._construct(value)
            self.ran = frozenset(self.m.called)
            elsewhere.forget_held(self.m, self.object, self.ran)
            self.alive = Moment(self.m)
            self.lives |= {defined(method, self.start.file): key for method in _methods(node)}
            self.nodes |= {defined(method, self.start.file): method for method in _methods(node)}
            self._finish(ran, self.made)
        else:
            ran.failed = True

    def _method(self, key: Span, ran: Ran) -> None:
        """A method of the object, with the attributes that other methods assign unknown."""
        m, made, method = self.m, self.object, self.nodes[key]
        assert isinstance(method, p.FunctionDef)
        self.alive.back(m)
        elsewhere.forget(m, made, method.name, self.ran)
        value, owner = classes.find(m, self.cls, method.name)
        if value is MISSING:
            return
        bound = classes.bind(m, value, made, owner)
        read = isinstance(bound, Wrapped) and bound.kind in ("property", caching.PROPERTY)
        target, receiver = (bound.function, made) if read else (bound, None)
        self._partial(target, method, ran, receiver, declared.caller(m, made, method.name), self.alive)

    def _partial(
        self, value: Val, node: p.FunctionDef, ran: Ran, receiver: Val = None, call: declared.Call = calls.call,
        since: Moment | None = None,
    ) -> None:  # fmt: skip
        m = self.m
        span = m.span(self.frame, node.name_place)
        args = Args(span, self.frame, [receiver] if receiver is not None else [])
        args.rest = True
        try:
            with expected.during(m, expected.marked(node.decorators)):
                gradients.use_all(m, [call(m, value, args)])
            demands.declared_losses(m)
            _closures(m)
        except Raised:
            pass
        except BudgetHit:
            ran.budget.append(span)
            m.bounds["steps of a partial run"] += 1
        self._finish(ran, since or self.made)

    def _construct(self, cls: ClassObj) -> Instance:
        m = self.m
        args = Args(m.span(self.frame, cls.node.name_place), self.frame)
        args.rest = True
        made = None
        with suppress(Raised, BudgetHit):
            made = classes.instantiate(m, cls, args)
        m.stack.clear()
        m.doubt = 0
        return made if isinstance(made, Instance) else Instance(cls, args.span)

    def _finish(self, ran: Ran, since: Moment) -> None:
        _collect(self.m, ran, since)
        if not self.tapes and not since.passed(self.m):
            ran.tape = None


@contextmanager
def _guarded(ran: Ran) -> Iterator[None]:
    """A defect of the machine costs one run, is reported, and nothing else."""
    try:
        yield
    except RecursionError:
        ran.errors.append(_internal(ran.key.file, "the program is nested too deeply to follow"))
    except Exception as error:
        ran.errors.append(_internal(ran.key.file, f"{type(error).__name__}: {error}"))


def _note_failure(m: Machine, path: Path, ran: Ran) -> None:
    """What Python reads and libcst does not is found when it is to be run."""
    failure = m.project.failures.get(path)
    if failure is not None:
        ran.errors.append(failure)


def _internal(file: str, message: str) -> FileError:
    return FileError(file, 1, 1, "internal", f"gradlint could not analyse this file: {message}")


def _collect(m: Machine, ran: Ran, since: Moment | None = None, hooked: list[Hook] | None = None) -> None:
    """What a run leaves behind: of a partial run what has come `since` the one that it begins from, which counts as well.

    `hooked` is what became of its hooks, if that is known.
    """
    came = since.came if since else _all
    ran.bounds = dict(m.bounds - since.bounds if since else m.bounds)
    ran.called, ran.measured, ran.own_calls = came(m, "called"), came(m, "measured"), came(m, "own_calls")
    ran.reached, ran.context = came(m, "sites"), came(m, "read")
    chosen = options.chosen(m.tape.edges, m.project.arms) if m.tape.demands else ()
    ran.tape = m.tape.tape(hooks.records(m) if hooked is None else hooked, flags.notes(m), untaken.words(m), chosen)


def _all(m: Machine, name: str) -> set[Any]:
    return set(getattr(m, name))


def _closures(m: Machine) -> None:
    """What a run defined inside its functions and did not call, on unknown arguments: code outside may call it."""
    for span, function in list(m.closures.items()):
        node, frame = function.node, function.parent
        if not isinstance(node, p.FunctionDef) or frame is None or span in m.called:
            continue
        if may_demand(m.project.lines(span.file), node.place[0], node.place[2], words_of(m.catalog.demands)):
            args = Args(span, frame)
            args.rest = True
            with suppress(Raised):
                calls.call(m, function, args)


def _wanted(node: p.FunctionDef | p.ClassDef, file: str) -> Wanted:
    span = defined(node, file)
    if isinstance(node, p.FunctionDef):
        return Wanted(span)
    methods = _methods(node)
    others = tuple(defined(s, file) for s in methods if s.name != "__init__")
    return Wanted(span, tuple(defined(s, file) for s in methods), others)


def _methods(node: p.ClassDef) -> list[p.FunctionDef]:
    """The methods of a class that have a body of their own."""
    return [s for s in node.body if isinstance(s, p.FunctionDef) and not _is_overload(s)]


def _is_overload(node: p.FunctionDef) -> bool:
    return any(dotted(d).split(".")[-1] == "overload" for d in node.decorators)


def _definitions(body: tuple[p.Stmt, ...]) -> list[p.FunctionDef | p.ClassDef]:
    """Module-level functions and classes, also under `if` and `try`."""
    found: list[p.FunctionDef | p.ClassDef] = []
    for statement in body:
        if isinstance(statement, (p.FunctionDef, p.ClassDef)):
            found.append(statement)
        elif isinstance(statement, (p.If, p.Try)):
            found += _definitions(statement.body) + _definitions(statement.orelse)
    return found


def _whole_program(m: Machine, path: Path) -> None:
    """Run a script to its end; what it raises uncaught ends it."""
    try:
        imports.load(m, path, as_main=True)
    except Raised:
        m.stumbled = True
    demands.end_of_run(m)
