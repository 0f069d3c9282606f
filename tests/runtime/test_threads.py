"""Programs of several threads: what each of them does is seen, and what comes out of one is no secret."""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any

import pytest
import torch

import gradlint


def _run(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cut() -> None:
    torch.ones(2, requires_grad=True).detach().sum().backward()  # type: ignore[no-untyped-call]


def caught() -> None:
    with pytest.raises(RuntimeError):
        cut()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("work", "rules"), [(cut, ["detach"]), (caught, [])])
def test_what_leaves_a_thread_is_a_symptom(work: Any, rules: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    with gradlint.trace() as t:
        _run(threading.Thread(target=work))
    assert [f.rule for f in t.findings] == rules
    assert threading.excepthook == shown.append
    for args in shown:
        tb = args.exc_traceback
        while tb is not None:
            assert "gradlint/runtime" not in tb.tb_frame.f_code.co_filename
            tb = tb.tb_next


class Own(threading.Thread):
    """A thread with a `run` of its own."""

    def run(self) -> None:
        x = torch.ones(2, requires_grad=True)
        x.round().sum().backward()  # type: ignore[no-untyped-call]


def test_a_thread_with_a_run_of_its_own_is_seen() -> None:
    with gradlint.trace() as t:
        _run(Own())
    assert [f.rule for f in t.findings] == ["zero-gradient"]


def test_a_backward_is_seen_while_another_thread_is_in_the_engine() -> None:
    inside, done = threading.Event(), threading.Event()

    def waits(gradient: Any) -> None:
        inside.set()
        assert done.wait(30)

    def first() -> None:
        x = torch.ones(2, requires_grad=True)
        x.register_hook(waits)  # type: ignore[no-untyped-call]
        (x * 2).sum().backward()  # type: ignore[no-untyped-call]

    def second() -> None:
        assert inside.wait(30)
        x = torch.ones(2, requires_grad=True)
        x.round().sum().backward()  # type: ignore[no-untyped-call]
        done.set()

    with gradlint.trace() as t:
        _run(threading.Thread(target=first), threading.Thread(target=second))
    assert t.run.backwards == 2
    assert [f.rule for f in t.findings] == ["zero-gradient"]


def test_warnings_are_shown_where_they_would_be_without_the_tracer() -> None:
    def where() -> tuple[str, int]:
        torch.set_warn_always(True)
        try:
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                assert ((torch.ones(1, requires_grad=True) * 2).grad) is None
        finally:
            torch.set_warn_always(False)
        return seen[0].filename, seen[0].lineno

    plain = where()
    with gradlint.trace():
        traced = where()
    assert traced == plain == (__file__, where.__code__.co_firstlineno + 5)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions carry no notes")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_a_thread_does_not_explain_another_one() -> None:
    def fails() -> None:
        _run(threading.Thread(target=cut))
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data") as told, gradlint.trace():
        fails()
    assert not hasattr(told.value, "__notes__")
