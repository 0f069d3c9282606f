"""Programs under the tracer, each in a process of its own, forked from a server that has imported torch once."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from gradlint import traced
from gradlint.catalog import Catalog
from gradlint.finding import Finding
from gradlint.runtime.launch import LaunchError, Request, execute
from gradlint.runtime.run import Run
from tests.proof import main_file

LIMIT = 240  #: seconds a program may take, also on a busy machine


def traced_program(path: Path, request: Request | None = None) -> Run:
    """What the tracer saw of a program (a file, or a folder with `main.py`)."""
    script = str(main_file(path))
    return in_child(msgspec.structs.replace(request or Request(script), script=script))


def in_child(request: Request) -> Run:
    """A traced run in a child process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "numpy", "gradlint.traced"])
    mine, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_work, args=(theirs, request))
    worker.start()
    theirs.close()
    try:
        if not mine.poll(LIMIT):
            raise LaunchError(f"no answer within {LIMIT} seconds")
        return msgspec.msgpack.decode(mine.recv(), type=Run)
    finally:
        worker.kill()
        worker.join()


def found_in(run: Run) -> list[Finding]:
    """What the trace itself reports."""
    return traced.findings(run, Catalog.load())


def _work(pipe: Connection, request: Request) -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        run, _ = execute(request, Catalog.load(), lambda run, error: None)
    pipe.send(msgspec.msgpack.encode(run))
