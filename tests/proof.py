"""The voice of autograd: runs a program and judges its last comment, `# proof: <kind> <expression>`.

Each program runs in a process of its own, forked from a server that has imported torch once and has never run a backward
(autograd's threads do not survive a fork). `python -m tests.proof PATH...` prints a line per program.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import re
import sys
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

KINDS = ("raises", "none", "zero", "constant", "unfired", "value", "nonzero", "static-only")
LIMIT = 30  #: seconds a program may take
_PROOF = re.compile(r"^# proof: (?P<kind>[a-z-]+) ?(?P<expression>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class ProofResult:
    """Whether the proof holds, and what was seen (for `value`: the value's text)."""

    ok: bool
    detail: str


def main_file(path: Path) -> Path:
    """The file of a program that is run: itself, or `main.py` of a folder."""
    return path / "main.py" if path.is_dir() else path


def proof_of(text: str) -> tuple[str, str]:
    """Kind and expression of a program's last proof comment."""
    found = list(_PROOF.finditer(text))
    if not found or found[-1]["kind"] not in KINDS:
        raise ValueError("the program must end with '# proof: <kind> <expression>'")
    return found[-1]["kind"], found[-1]["expression"].strip()


def run(path: Path) -> ProofResult:
    """Run a program (a file, or a folder with `main.py`) and judge its proof."""
    file = main_file(path)
    return run_text(file.read_text(encoding="utf-8"), str(file.resolve()))


def run_text(text: str, file: str = "main.py") -> ProofResult:
    """Run a program's text in a process of its own and judge its proof."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "numpy"])
    mine, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(theirs, text, file))
    worker.start()
    theirs.close()
    try:
        return mine.recv() if mine.poll(LIMIT) else ProofResult(False, f"no answer within {LIMIT} seconds")
    except EOFError:
        return ProofResult(False, "the process died")
    finally:
        worker.kill()
        worker.join()


def _work(pipe: Connection, text: str, file: str) -> None:
    pipe.send(_judged(text, file))


def _judged(text: str, file: str) -> ProofResult:
    import torch

    os.environ["MPLBACKEND"] = "Agg"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sys.path.insert(0, str(Path(file).parent))
    sys.argv = [file]
    kind, expression = proof_of(text)
    scope: dict[str, Any] = {"__name__": "__main__", "__file__": file}
    error = _execute(text, file, scope)
    if kind == "raises":
        return ProofResult(error is not None and re.search(expression, str(error)) is not None, repr(error))
    if error is not None:
        return ProofResult(False, repr(error))
    return ProofResult(True, "") if kind == "static-only" else _holds(kind, eval(expression, scope))


def _execute(text: str, file: str, scope: dict[str, Any]) -> BaseException | None:
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        try:
            exec(compile(text, file, "exec"), scope)
        except (Exception, SystemExit) as error:
            return error
    return None


def _holds(kind: str, value: Any) -> ProofResult:
    import torch

    tensor = value if torch.is_tensor(value) else None
    match kind:
        case "none":
            ok = value is None
        case "zero":
            ok = tensor is not None and not tensor.any()
        case "constant":
            ok = isinstance(value, float | int) if tensor is None else not tensor.requires_grad
        case "unfired":
            ok = not value
        case "nonzero":
            ok = tensor is not None and bool(tensor.any())
        case _:
            ok = True
    return ProofResult(bool(ok), repr(value))


def main() -> int:
    """Print a line per program; 1 if any proof does not hold."""
    failed = 0
    for name in sys.argv[1:]:
        result = run(Path(name))
        failed += not result.ok
        sys.stdout.write(f"{'ok  ' if result.ok else 'FAIL'} {name}{'' if result.ok else ': ' + result.detail[:200]}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
