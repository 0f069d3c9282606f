"""Projects on a Dask cluster of separate processes: the same report, also where a worker is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from gradlint import __version__, cluster
from gradlint.api import Task
from gradlint.cli import main
from gradlint.config import Config, Loaded
from tests.test_crew import LOSS, SCRIPT

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
dask = pytest.importorskip("dask")
LONG = "\n".join(
    ("import torch\nx = torch.ones(2, requires_grad=True)", *["x = x * 2 + 1"] * 3_000, "x.sum().backward()\n")
)


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """Two workers in processes of their own, which are started again when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as made:
        yield made


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number in range(6):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        settings = "severity = { detach = 'warning' }\n" if number % 2 else ""
        (folder / "gradlint.toml").write_text(settings, encoding="utf-8")
        (folder / "cam.py").write_text(LOSS.format(name=f"p{number}") + SCRIPT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, args, catch_exceptions=False)


def report(*args: str) -> str:
    return run(".", "--no-cache", "--output-format", "json", *args).stdout


def test_the_report_is_that_of_a_local_run(local: Any, corpus: Path) -> None:
    alone = report("--exclude", "p3")
    assert alone.count('"rule": "d') == 10
    assert report("--exclude", "p3", "--dask", local.scheduler_address) == alone


def test_fixtures(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    args = ("fixtures", "--no-cache", "--select", "ALL", "--output-format", "json")
    assert run(*args, "--dask", local.scheduler_address).stdout == run(*args).stdout


def test_what_a_lost_worker_was_doing_is_done_again(local: Any, corpus: Path) -> None:
    for number in range(6):
        (corpus / f"p{number}" / "long.py").write_text(LONG, encoding="utf-8")
    alone = report()
    killed: list[int] = []

    def kill() -> None:
        """End a worker in the middle of a project."""
        with distributed.Client(local.scheduler_address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            end = time.monotonic() + 60
            while not killed and time.monotonic() < end:
                busy = [worker for worker, tasks in client.processing().items() if tasks]
                if busy:
                    os.kill(pids[busy[0]], signal.SIGKILL)
                    killed.append(pids[busy[0]])
                time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    parallel = report("--dask", local.scheduler_address)
    killer.join()
    assert killed
    assert parallel == alone


def test_a_project_that_a_worker_cannot_do(corpus: Path) -> None:
    task = Task(("p0",), Loaded(Config(), corpus))
    with pytest.raises(RuntimeError, match="the worker has gradlint"):
        cluster.elsewhere("0.0", ".", task)
    with pytest.raises(RuntimeError, match="the worker does not see /nowhere"):
        cluster.elsewhere(__version__, "/nowhere", task)


def test_no_cluster(corpus: Path) -> None:
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        done = run(".", "--dask", "tcp://127.0.0.1:9")
    assert done.exit_code == 2
    assert "--dask: no scheduler answers at tcp://127.0.0.1:9" in done.stderr


def test_it_only_lints(corpus: Path) -> None:
    done = run(".", "--dask", "tcp://127.0.0.1:9", "--fix")
    assert done.exit_code == 2
    assert "--dask only lints" in done.stderr
