"""Processes that answer questions: forked, fed one question at a time, and found when they die.

Knows nothing of what is asked. One that has grown is replaced between two questions, for Python gives little back.
Where processes cannot be forked there are none (`available`).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

GROWTH = 40  #: MiB that a process may grow before it is replaced

A = TypeVar("A")  #: a question
B = TypeVar("B")  #: its answer

Work = Callable[[A], B]


class Died:
    """What there is instead of an answer when the process was killed that was to give it."""

    def __init__(self, status: int | None) -> None:
        self.how = f"signal {-status}" if status is not None and status < 0 else f"exit status {status}"


def available() -> bool:
    """Whether processes can be forked: not by one of them, and not by a thread beside others (the language server's)."""
    import multiprocessing

    inside = multiprocessing.current_process().daemon or threading.current_thread() is not threading.main_thread()
    return not inside and "fork" in multiprocessing.get_all_start_methods()


def cores() -> int:
    """The processors that this process may use."""
    with suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def apart(work: Callable[[], B]) -> B:
    """What `work` returns, done in a process of its own; here if that process is killed."""
    processes: Processes[None, B] = Processes(1, lambda: lambda _: work())
    try:
        ((_, answer),) = processes.answers([None], lambda _: None)
    finally:
        processes.close()
    return work() if isinstance(answer, Died) else answer


class Processes(Generic[A, B]):
    """A number of processes; `prepare` runs in each of them, before its first question, and returns what answers."""

    def __init__(self, number: int, prepare: Callable[[], Work[A, B]]) -> None:
        self._prepare = prepare
        self._number = number
        self._workers: list[_Worker[A]] = []
        self._hire()

    def answers(self, questions: Sequence[A], begin: Callable[[A], None]) -> Iterator[tuple[A, B | Died]]:
        """Every question with its answer, as they come; `begin` is told when one is handed out."""
        todo = list(reversed(questions))
        while todo or any(w.busy for w in self._workers):
            if todo:
                self._hire()
            for worker in self._workers:
                if todo and not worker.busy:
                    begin(todo[-1])
                    worker.ask(todo.pop())
            yield from self._ready()

    def _ready(self) -> Iterator[tuple[A, B | Died]]:
        """The answers that have come; a process that died is replaced."""
        from multiprocessing.connection import wait

        busy = {w.ours: w for w in self._workers if w.busy}
        for ready in wait(list(busy)):
            worker = busy[ready]  # type: ignore[index]
            question = worker.asked.pop()
            try:
                answer, leaves = worker.ours.recv()
            except (EOFError, ConnectionResetError):
                worker.process.join()
                answer, leaves = Died(worker.process.exitcode), True
            if leaves:
                worker.process.join()
                worker.ours.close()
                self._workers.remove(worker)
            if isinstance(answer, BaseException):
                raise answer
            yield question, answer

    def _hire(self) -> None:
        """Have as many processes as there should be."""
        while len(self._workers) < self._number:
            self._workers.append(_Worker(self._prepare, [w.ours for w in self._workers]))

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.ours.close()
        self._workers.clear()


class _Worker(Generic[A]):
    """One process, and what it was asked."""

    def __init__(self, prepare: Callable[[], Work[A, object]], others: Sequence[Connection]) -> None:
        self.asked: list[A] = []
        import multiprocessing

        self.ours, theirs = multiprocessing.Pipe()
        self.process: BaseProcess = multiprocessing.get_context("fork").Process(
            target=_serve, args=(prepare, theirs, [*others, self.ours]), daemon=True
        )
        self.process.start()
        theirs.close()

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self.asked)

    def ask(self, question: A) -> None:
        """Hand out a question; a process that is dead already is found when its answer is waited for."""
        self.asked.append(question)
        with suppress(BrokenPipeError, ConnectionResetError):
            self.ours.send(question)


def _serve(prepare: Callable[[], Work[A, object]], pipe: Connection, inherited: Sequence[Connection]) -> None:
    """Answer until nobody asks any more; Ctrl-C is for the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for connection in inherited:  # else the end of the asking process would not be noticed
        connection.close()
    work, start = prepare(), _peak()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            question = pipe.recv()
            try:
                answer = work(question)
            except Exception as error:
                answer = error
            grown = _peak() > start + GROWTH
            pipe.send((answer, grown))
            if grown:
                return


def _peak() -> float:
    """The most memory that this process has had, in MiB; 0 where that is not told."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
