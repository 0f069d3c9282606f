"""Projects handed to a Dask cluster that is there already: one task for each, and their parts back.

Scheduling, and doing again what a lost worker was doing, is Dask's. The workers see the same files under the same paths and
have the same gradlint; each runs a project in a process of its own, in the working directory of the call.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any

import msgspec

from gradlint import __version__, projects
from gradlint.api import Task, Watch
from gradlint.projects import Part


class ClusterError(Exception):
    """There is no such cluster, or no Dask; the message tells what to do."""


class Cluster:
    """A way to run projects (see `projects.Ways`): at the scheduler at `address`. Raises `ClusterError`."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ClusterError("Dask is not installed: pip install 'torch-gradlint[dask]'") from error
        try:
            self._client: Any = Client(address, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ClusterError(f"no scheduler answers at {address}: {error}") from error

    def __call__(self, tasks: Sequence[Task], watch: Watch | None) -> Iterator[tuple[int, Part]]:
        """The parts of the projects, as they come."""
        executor = self._client.get_executor(pure=False)
        here = str(Path.cwd())
        futures: dict[Future[bytes], int] = {
            executor.submit(elsewhere, __version__, here, msgspec.structs.replace(task, jobs=1)): number
            for number, task in enumerate(tasks)
        }
        try:
            for done, future in enumerate(as_completed(futures)):
                number = futures[future]
                if watch:
                    watch(done, len(tasks), projects.name(tasks[number]))
                yield number, _part(tasks[number], future)
        finally:
            executor.shutdown(wait=False)  # what is not done yet is given up

    def close(self) -> None:
        """Leave the cluster as it is."""
        self._client.close()


def elsewhere(version: str, folder: str, task: Task) -> bytes:
    """On a worker: the part of a project, encoded. Raises `RuntimeError` where it cannot be made."""
    if version != __version__:
        raise RuntimeError(f"the worker has gradlint {__version__}, not {version}")
    if not Path(folder).is_dir():
        raise RuntimeError(f"the worker does not see {folder}: it must have the same files under the same paths")
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=pickle.dumps(task), cwd=folder, capture_output=True, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise RuntimeError(told or f"its process ended with status {done.returncode}")
    return done.stdout


def _part(task: Task, future: Future[bytes]) -> Part:
    try:
        return msgspec.msgpack.decode(future.result(), type=Part)
    except Exception as error:  # whatever Dask or a worker raised: the others are reported
        told = (
            f"the cluster could not do this project: {str(error) or type(error).__name__}; everything else is reported"
        )
        return projects.nothing(task, "internal", told)


def main() -> None:
    """In the process of one project: the task on standard input, its part on standard output."""
    task: Task = pickle.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(msgspec.msgpack.encode(projects.part(task)))


if __name__ == "__main__":
    main()
