"""What is run: every script as a whole program, then what no run has called, from its beginning on unknown arguments.

A class nobody constructs lives once: constructed with unknown arguments, then each uncalled method from that state, with
the attributes that other methods assign unknown.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gradlint.finding import FileError
from gradlint.static import calls, classes, declared, demands, flags, gradients, hooks, imports
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.budget import PARTIAL_RUN, WHOLE_RUN, BudgetHit
from gradlint.static.imports import Project
from gradlint.static.machine import Machine, defined
from gradlint.static.sites import below, demands_gradient, dotted
from gradlint.static.source import Watch, ignore
from gradlint.static.store import MISSING
from gradlint.static.values import ClassObj, Frame, Instance, ModuleObj, Raised, Unknown, Val, Wrapped
from gradlint.static.words import DECLARING, may_demand
from gradlint.tape import Span, Tape

if TYPE_CHECKING:
    from gradlint.catalog import Catalog


class Runs:
    """The tapes of all runs, and what they reached."""

    def __init__(self, project: Project, catalog: Catalog, watch: Watch = ignore) -> None:
        self.project = project
        self.catalog = catalog
        self.watch = watch
        self.left: dict[Path, None] = {}  #: files that have not been run to the end
        self.tapes: list[Tape] = []
        self.called: set[Span] = set()
        self.measured: set[Span] = set()
        self.own_calls: set[Span] = set()
        self.reached: dict[Span, str] = {}
        self.budget: list[Span] = []
        self.bounds: Counter[str] = Counter()
        self.errors: list[FileError] = []

    def run_all(self, paths: list[Path], callers: list[Path]) -> None:
        """Whole runs of scripts first, those of the callers among them, then partial runs of what is left over in `paths`.

        An interrupt ends it and nothing else.
        """
        self.left = dict.fromkeys(paths)
        try:
            self._run_all(paths, callers)
        except KeyboardInterrupt:
            return
        finally:
            self.tapes = [_without(tape, self.measured) for tape in self.tapes]

    def _run_all(self, paths: list[Path], callers: list[Path]) -> None:
        programs: dict[Path, p.Module] = {}
        for path in self._watched(paths, 0):
            program = self.project.program(path)
            if program is None:
                del self.left[path]
            else:
                programs[path] = program
        using = {path: program for path in callers if (program := self.project.program(path)) is not None}
        known = {**programs, **using}
        imported = {target for path, program in known.items() for target in imported_files(self.project, path, program)}
        scripts = [
            path
            for path, program in known.items()
            if _has_main_guard(program)
            or (path not in imported and _acts(program.body, self.project.disk.is_file(path.parent / "__init__.py")))
        ]
        for path in self._watched(scripts, 1):
            self._guarded(path, lambda path=path: self._whole(path))
        for path in self._watched(list(programs), 2):
            self._guarded(path, lambda path=path: self._leftovers(path, programs[path]))
            del self.left[path]

    def _watched(self, paths: list[Path], part: int) -> Iterator[Path]:
        """The files of one of the three parts of the work: lowering, whole runs, what is left over."""
        for done, path in enumerate(paths):
            self.watch(part * len(paths) + done, 3 * len(paths), self._name(path))
            yield path

    def _name(self, path: Path) -> str:
        source = self.project.source(path)
        return source.file if source else path.as_posix()

    def _guarded(self, path: Path, run: object) -> None:
        """A defect of the machine costs one file, is reported, and nothing else."""
        try:
            run()  # type: ignore[operator]
        except RecursionError:
            self._internal(path, "the program is nested too deeply to follow")
        except Exception as error:
            self._internal(path, f"{type(error).__name__}: {error}")

    def _internal(self, path: Path, message: str) -> None:
        told = f"gradlint could not analyse this file: {message}"
        self.errors.append(FileError(self._name(path), 1, 1, "internal", told))

    def _whole(self, path: Path) -> None:
        m = Machine(self.catalog, self.project, WHOLE_RUN, whole=True)
        try:
            _whole_program(m, path)
            self._closures(m)
        except BudgetHit:
            self.budget.append(m.here())
            m.bounds["steps of a whole run"] += 1
            m.outside_code = True  # what would have come is not known
        self._collect(m)

    def _leftovers(self, path: Path, program: p.Module) -> None:
        """Partial runs of the functions and methods of a file that no run has called and that may demand something."""
        source = self.project.source(path)
        lines = self.project.lines(program.file)
        declaring = source is not None and any(library in source.text for library in DECLARING)
        wanted = [d for d in _definitions(program.body) if declaring or may_demand(d, lines)]
        if all(self._was_called(program.file, d) for d in wanted):
            return
        m = Machine(self.catalog, self.project, PARTIAL_RUN, whole=False)
        try:
            module = imports.load(m, path)
        except (Raised, BudgetHit):
            return
        if isinstance(module, ModuleObj):
            self._partial_runs(m, module, wanted)
        self._collect(m)

    def _partial_runs(self, m: Machine, module: ModuleObj, wanted: list[p.FunctionDef | p.ClassDef]) -> None:
        frame = Frame(module, module.program.scope)
        frame.cells = module.cells
        start = m.store.mark()
        for node in wanted:
            if self._was_called(module.program.file, node):
                continue
            value = module.cells.get(node.name, MISSING)
            if isinstance(node, p.FunctionDef):
                self._partial(m, frame, start, value, node)
            elif isinstance(value, ClassObj):
                self._life(m, frame, start, value, node)

    def _partial(
        self, m: Machine, frame: Frame, start: int, value: Val, node: p.FunctionDef, receiver: Val = None,
        call: declared.Call = calls.call,
    ) -> None:  # fmt: skip
        m.steps = 0
        span = m.span(frame, node.name_place)
        args = Args(span, frame, [receiver] if receiver is not None else [])
        args.rest = True
        try:
            gradients.use_all(m, [call(m, value, args)])
            demands.declared_losses(m)
            self._closures(m)
        except Raised:
            pass
        except BudgetHit:
            self.budget.append(span)
            m.bounds["steps of a partial run"] += 1
        self.called |= m.called
        m.stack.clear()
        m.doubt = 0
        m.store.rollback(start)

    def _closures(self, m: Machine) -> None:
        """What a run defined inside its functions and nobody called, on unknown arguments: code outside may call it."""
        m.whole = False
        for span, function in list(m.closures.items()):
            node, frame = function.node, function.parent
            called = span in m.called or span in self.called
            if (
                isinstance(node, p.FunctionDef)
                and frame
                and not called
                and may_demand(node, self.project.lines(span.file))
            ):
                args = Args(span, frame)
                args.rest = True
                with contextlib.suppress(Raised):
                    calls.call(m, function, args)

    def _life(self, m: Machine, frame: Frame, start: int, cls: ClassObj, node: p.ClassDef) -> None:
        """One construction, then every uncalled method from that state."""
        m.steps = 0
        made = self._construct(m, frame, cls)
        ran = frozenset(m.called)
        begun = m.store.mark()
        methods = [s for s in _methods(node) if s.name != "__init__"]
        for method in methods:
            if defined(method, cls.module.program.file) in self.called:
                continue
            for name in _assigned_elsewhere(node, method, cls.module.program.file, made, ran):
                m.set(made, name, Unknown(name, made, name))
            value, owner = classes.find(m, cls, method.name)
            if value is MISSING:
                continue
            bound = classes.bind(m, value, made, owner)
            target = bound.function if isinstance(bound, Wrapped) and bound.kind == "property" else bound
            receiver = made if isinstance(bound, Wrapped) and bound.kind == "property" else None
            self._partial(m, frame, begun, target, method, receiver, declared.caller(m, made, method.name))
        m.store.rollback(start)

    def _construct(self, m: Machine, frame: Frame, cls: ClassObj) -> Instance:
        args = Args(m.span(frame, cls.node.name_place), frame)
        args.rest = True
        try:
            made = classes.instantiate(m, cls, args)
        except (Raised, BudgetHit):
            made = None
        m.stack.clear()
        m.doubt = 0
        return made if isinstance(made, Instance) else Instance(cls, args.span)

    def _was_called(self, file: str, node: p.FunctionDef | p.ClassDef) -> bool:
        if isinstance(node, p.ClassDef):
            return all(defined(s, file) in self.called for s in _methods(node))
        return defined(node, file) in self.called

    def _collect(self, m: Machine) -> None:
        self.tapes.append(m.tape.tape(hooks.records(m), flags.notes(m)))
        self.called |= m.called
        self.measured |= m.measured
        self.own_calls |= m.own_calls
        self.reached.update(m.sites)
        self.bounds += m.bounds


def _without(tape: Tape, measured: set[Span]) -> Tape:
    """A tape on which no function that a caller only measures with is a declared loss."""
    kept = [d for d in tape.demands if d.kind != "loss-return" or d.span not in measured]
    return tape if len(kept) == len(tape.demands) else msgspec.structs.replace(tape, demands=type(tape.demands)(kept))


def imported_files(project: Project, path: Path, program: p.Module) -> Iterator[Path]:
    """The project files that a program imports, anywhere in it."""
    for statement in walk(program.body):
        if isinstance(statement, p.Import):
            for alias in statement.names:
                found = project.find(path, tuple(alias.name.split(".")))
                if found is not None:
                    yield found
        elif isinstance(statement, p.ImportFrom):
            parts = tuple(statement.module.split(".")) if statement.module else ()
            for extra in ((), *((a.name,) for a in statement.names)):
                found = project.find(path, (*parts, *extra), statement.level)
                if found is not None:
                    yield found


def walk(body: tuple[p.Stmt, ...]) -> Iterator[p.Stmt]:
    """All statements of a body, inner ones included."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "final"):
            yield from walk(getattr(statement, part, ()))
        for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from walk(inner.body)


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


def _acts(body: tuple[p.Stmt, ...], packaged: bool) -> bool:
    """Whether a file does something when it is run; one of a package that only sets names up does not."""
    for statement in body:
        match statement:
            case p.ExprStmt() if isinstance(statement.value, p.Const):
                continue
            case p.ExprStmt(value=p.Call(func=p.Attribute())) if packaged:  # `warnings.warn(...)`, `registry.add(...)`
                if any(demands_gradient(call) for call in below(statement, p.Call)):
                    return True
            case p.If() | p.Try():
                handlers = (h.body for h in getattr(statement, "handlers", ()))
                if any(_acts(part, packaged) for part in (statement.body, statement.orelse, *handlers)):
                    return True
            case p.Assign() | p.AnnAssign():
                if any(not packaged or demands_gradient(call) for call in below(statement, p.Call)):
                    return True
            case p.FunctionDef() | p.ClassDef() | p.Import() | p.ImportFrom() | p.Pass() | p.Raise():
                continue
            case _:
                return True
    return False


def _has_main_guard(program: p.Module) -> bool:
    return any(
        isinstance(s, p.If)
        and isinstance(s.test, p.Compare)
        and isinstance(s.test.left, p.Name)
        and s.test.left.id == "__name__"
        for s in program.body
    )


def _whole_program(m: Machine, path: Path) -> None:
    """Run a script to its end; what it raises uncaught ends it."""
    try:
        imports.load(m, path, as_main=True)
    except Raised:
        m.stumbled = True
    demands.end_of_run(m)


def _assigned_elsewhere(
    cls: p.ClassDef, method: p.FunctionDef, file: str, made: Instance, ran: frozenset[Span]
) -> list[str]:
    """The attributes of self that methods other than `__init__` and this one assign.

    An object that the constructor made by way of such a method (`self.build_model()`) is there, and stays what it is.
    """
    names: dict[str, None] = {}
    for other in cls.body:
        if not isinstance(other, p.FunctionDef) or other.name in ("__init__", method.name):
            continue
        has_run = defined(other, file) in ran
        for statement in walk(other.body):
            targets = (
                statement.targets
                if isinstance(statement, p.Assign)
                else (statement.target,)
                if isinstance(statement, (p.AugAssign, p.AnnAssign))
                else ()
            )
            for target in targets:
                if (
                    isinstance(target, p.Attribute)
                    and isinstance(target.value, p.Name)
                    and target.value.id == "self"
                    and not (has_run and isinstance(made.cells.get(target.attr), Instance))
                ):
                    names[target.attr] = None
    return list(names)
