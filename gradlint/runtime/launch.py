"""Running a script under the tracer in a process of its own, as `python script.py` would run it.

The parent sends a `Request`, the child a `Run`, both as files; the script keeps its standard streams. The child is
`python -m gradlint.traced REQUEST`, because explaining an error takes the engine, which this part does not know.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import msgspec

from gradlint.catalog import Catalog
from gradlint.runtime.rewrite import Plan
from gradlint.runtime.run import Run
from gradlint.tape import Span, Tape

_PATIENCE = 10  #: seconds that a script has to end after the timeout's interrupt
#: so that no window, no upload and no compiled graph gets in the way
ENVIRONMENT = {"MPLBACKEND": "Agg", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "TORCHDYNAMO_DISABLE": "1"}
Explain = Callable[[Run, BaseException], None]


class LaunchError(Exception):
    """The script could not be traced; the message says why and what to do."""


class Request(msgspec.Struct, frozen=True):
    """What to run, and what to look at."""

    script: str
    args: tuple[str, ...] = ()
    module: str = ""  #: the name that the script is run by as a module, as for `python -m`
    stop_after: int = 0
    models: tuple[str, ...] = ()  #: the user's own model files
    excursions: dict[str, list[int]] = {}  #: by file: lines of functions whose arrays and numbers are followed
    watched: tuple[Span, ...] = ()  #: places of which it is asked whether they ran
    returned: tuple[
        Span, ...
    ] = ()  #: definitions of functions of which it is asked whether what they return requires grad


def module_file(name: str) -> str:
    """The file that `python -m NAME` runs here, found without importing anything. Raises `LaunchError` where there is none."""
    path: Sequence[str] | None = [str(Path.cwd()), *sys.path]
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, path) if path is not None else None
        path = spec.submodule_search_locations if spec is not None else None
    if path is not None:
        spec = PathFinder.find_spec("__main__", path)
    if spec is None or spec.origin is None or not spec.has_location:
        raise LaunchError(f"no such module to run: {name}")
    return os.path.relpath(spec.origin)


def spawn(request: Request, *, timeout: float | None = None, quiet: bool = False) -> Run:
    """Run a script in a process of its own; with `quiet` what it prints goes to standard error.

    Raises `LaunchError` where no run came back.
    """
    if not Path(request.script).is_file():
        raise LaunchError(f"no such script: {request.script}")
    with tempfile.TemporaryDirectory(prefix="gradlint-") as folder:
        given, answer = Path(folder, "request.json"), Path(folder, "run.msgpack")
        given.write_bytes(msgspec.json.encode(request))
        command = [sys.executable, "-m", "gradlint.traced", str(given), str(answer)]
        with subprocess.Popen(command, env=_environment(), stdout=sys.stderr.fileno() if quiet else None) as child:
            in_time = _waited(child, timeout)
        return _read(answer, child.returncode, in_time=in_time, timeout=timeout)


def _environment() -> dict[str, str]:
    """The script's environment; gradlint stays importable from where it is imported here."""
    package = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH", "")
    path = (
        known
        if package in sys.path and package in known.split(os.pathsep)
        else os.pathsep.join(p for p in (known, package) if p)
    )
    return {**ENVIRONMENT, **os.environ, "TORCHDYNAMO_DISABLE": "1", "PYTHONPATH": path, "GRADLINT_PYTHONPATH": known}


def _waited(child: subprocess.Popen[bytes], timeout: float | None) -> bool:
    """Wait for the child; at the timeout interrupt it, so that it can still tell what it saw. Ctrl-C reaches the child too."""
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_PATIENCE)
        child.kill()
        return False
    except KeyboardInterrupt:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.wait(_PATIENCE)
        child.kill()
    return True


def _read(answer: Path, status: int, *, in_time: bool, timeout: float | None) -> Run:
    if not answer.is_file():
        if not in_time:
            raise LaunchError(f"the script did not end within {timeout:g} seconds, nor when it was interrupted")
        raise LaunchError(
            f"the script's process ended with status {status} before the trace was written (killed, or os._exit)"
        )
    run = msgspec.msgpack.decode(answer.read_bytes(), type=Run | Failed)
    if isinstance(run, Failed):
        raise LaunchError(run.message)
    return run if in_time else msgspec.structs.replace(run, ended_by="timeout")


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The child could not begin."""

    message: str


def answer(path: Path, result: Run | Failed) -> None:
    """What the child sends back."""
    path.write_bytes(msgspec.msgpack.encode(result))


def execute(request: Request, catalog: Catalog, explain: Explain) -> tuple[Run, BaseException | None]:
    """Run the script in this process, recorded; the exception that ended it comes back, explained."""
    try:
        from gradlint.runtime import imports, writing
        from gradlint.runtime.excursion import Excursion
        from gradlint.runtime.record import Recording
    except ImportError as missing:
        raise LaunchError(f"tracing needs torch ({missing}): install it, or torch-gradlint[trace]") from missing

    recording = Recording(catalog, stop_after=request.stop_after)
    error: BaseException | None = None
    helper, plans = Excursion(), _plans(request)
    with _as_script(request), imports.installed(plans, helper):
        try:
            with recording:
                helper.tape = recording.mode
                imports.run_script(imports.module(request.module) if request.module else request.script, plans, helper)
        except BaseException as raised:
            error = raised
    run = _ended(writing.run(recording, whole=True), error)
    run = msgspec.structs.replace(
        run,
        ran=tuple(request.watched[i] for i in sorted(helper.seen)),
        constants=tuple((request.returned[i], live) for i, live in sorted(helper.looked.items())),
    )
    if error is not None and not isinstance(error, (SystemExit, KeyboardInterrupt)):
        explain(run, error)
    return run, error


def _plans(request: Request) -> dict[str, Plan]:
    """What to do to which file."""
    plans: dict[str, Plan] = {}
    files = {*request.excursions, *(s.file for s in (*request.watched, *request.returned))}
    for file in files:
        plans[os.path.realpath(file)] = Plan(
            lines=tuple(sorted(set(request.excursions.get(file, ())))),
            watched=tuple((i, s) for i, s in enumerate(request.watched) if s.file == file),
            returned=tuple((i, s) for i, s in enumerate(request.returned) if s.file == file),
        )
    return plans


def _ended(run: Run, error: BaseException | None) -> Run:
    """The run with what ended it."""
    match error:
        case None:
            return run
        case SystemExit():
            code = error.code
            status = code if isinstance(code, int) else 0 if code is None else 1
            return msgspec.structs.replace(run, ended_by="exit", status=status, raised="")
        case KeyboardInterrupt():
            return msgspec.structs.replace(run, ended_by="interrupt")
    return msgspec.structs.replace(run, ended_by="exception", status=1)


@contextlib.contextmanager
def _as_script(request: Request) -> Iterator[None]:
    """`sys.argv` and `sys.path` as the script expects them; a module puts its own file into `sys.argv`."""
    before: tuple[Any, Any] = sys.argv, sys.path[:]
    sys.argv = [request.script, *request.args]
    sys.path[0] = str(Path.cwd() if request.module else Path(request.script).resolve().parent)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before


def empty() -> Run:
    """A run in which nothing was seen."""
    return Run(Tape())
