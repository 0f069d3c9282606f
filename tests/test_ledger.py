"""The ledger: after any edits the same report as without a cache, and only what depends on an edit is run again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gradlint import api, cache
from gradlint.config import Config, Loaded
from gradlint.static.entries import Beginnings, Runs
from gradlint.static.units import Ran, Survey
from gradlint.tape import Span

TRAIN = """import torch
from app.helpers import cut
from app.models import Net
from losses import penalty_loss

model = Net()
x = torch.ones(2, 2, requires_grad=True)
out = model(cut(x))
loss = out.sum() + penalty_loss(out)
loss.backward()
"""
FREEZES = "import torch\nfrom app.step import step\nmodel = torch.nn.Linear(2, 1)\n{}step(model, torch.ones(2))\n"
MODEL = """import torch
from app.helpers import cut

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)

    def forward(self, x):
        return {}

    def score_loss(self, x):
        self.forward(x).sum().backward()
"""
#: what each file may hold; None: it is not there
TEXTS: dict[str, list[str | None]] = {
    "app/__init__.py": ["", None, "from app import models\n", "import torch\ntorch.set_grad_enabled(False)\n"],
    "app/helpers.py": [
        "def cut(x):\n    return x.detach()\n",
        "def cut(x):\n    return x * 2\n",
        "\n\ndef cut(x):\n    return x.data\n",
        "def cut(x)\n",
        None,
    ],
    "app/models.py": [MODEL.format("self.inner(x)"), MODEL.format("self.inner(cut(x))"), MODEL.format("x.detach()")],
    "app/step.py": [
        "def step(model, x):\n    model(x).sum().backward()\n",
        "def step(model, x):\n    return model(x)\n",
    ],
    "losses.py": [
        "def penalty_loss(x):\n    return x.argmax().float()\n",
        "def penalty_loss(x):\n    return x.abs().mean()\n",
        "from helpers import cut\n\ndef penalty_loss(x):\n    return cut(x).mean()\n",
    ],
    "helpers.py": [None, "def cut(x):\n    return x.detach()\n", "def cut(x):\n    return x\n"],
    "train.py": [
        TRAIN,
        TRAIN.replace("cut(x)", "x"),
        "\n" + TRAIN,
        TRAIN.replace("loss.backward()", "print(loss)"),
        None,
    ],
    "main.py": [FREEZES.format(""), FREEZES.format("model.requires_grad_(False)\n"), None],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    for name, texts in TEXTS.items():
        write(tmp_path, name, texts[0])
    return tmp_path


def write(project: Path, name: str, text: str | None) -> None:
    if text is None:
        (project / name).unlink(missing_ok=True)
    else:
        (project / name).write_text(text, encoding="utf-8")


def report(*paths: str, held: Path | None = None, jobs: int = 1) -> bytes:
    task = api.Task(paths, Loaded(Config(), Path.cwd()), select=("ALL",), cache=held, jobs=jobs)
    outcome = api.run(task)
    assert not outcome.notes, outcome.notes
    return msgspec.json.encode([outcome.report, outcome.sites])


@pytest.mark.parametrize("seed", range(6))
def test_any_edits(project: Path, seed: int) -> None:
    held, chance = project / cache.NAME, random.Random(seed)
    seen = set()
    for _ in range(12):
        for name in chance.sample(sorted(TEXTS), chance.randint(1, 2)):
            write(project, name, chance.choice(TEXTS[name]))
        there = [name for name in ("train.py", "app", "main.py") if (project / name).exists()]
        paths = chance.choice([["."], there])
        seen.add(report(*paths))
        assert report(*paths, held=held, jobs=chance.choice([1, 1, 2])) == report(*paths)
    assert len(seen) > 3


def test_a_file_that_was_looked_for_appears(project: Path) -> None:
    held = project / cache.NAME
    write(project, "losses.py", TEXTS["losses.py"][2])
    before = report("train.py", held=held)
    write(project, "helpers.py", TEXTS["helpers.py"][1])  # losses.py imports it
    after = report("train.py", held=held)
    assert after == report("train.py") != before
    write(project, "helpers.py", None)
    assert report("train.py", held=held) == before


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files of which anything is run or surveyed."""
    files: set[str] = set()
    run, whole, survey = Beginnings.run, Runs.whole, Runs.survey

    def noted_run(self: Beginnings, key: Span) -> Ran:
        files.add(Path(key.file).name)
        return run(self, key)

    def noted(of: Callable[[Runs, Path], Ran | Survey]) -> Callable[[Runs, Path], Ran | Survey]:
        def noting(self: Runs, path: Path) -> Ran | Survey:
            files.add(path.name)
            return of(self, path)

        return noting

    monkeypatch.setattr(Beginnings, "run", noted_run)
    monkeypatch.setattr(Runs, "whole", noted(whole))
    monkeypatch.setattr(Runs, "survey", noted(survey))
    return files


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ("train.py", {"train.py"}),
        ("losses.py", {"losses.py", "train.py"}),
        ("app/helpers.py", {"helpers.py", "models.py", "train.py"}),
        ("app/step.py", {"step.py", "main.py"}),
        ("new.py", {"new.py"}),
    ],
)
def test_only_what_depends_on_an_edit_is_run_again(
    project: Path, ran: set[str], edited: str, expected: set[str]
) -> None:
    held = project / cache.NAME
    report(".", held=held)
    assert {"train.py", "main.py", "models.py"} <= ran
    ran.clear()
    with (project / edited).open("a", encoding="utf-8") as file:
        file.write("\n# edited: loss\n")
    after = report(".", held=held)
    assert ran <= expected
    assert edited.rsplit("/", 1)[-1] in ran
    assert after == report(".")


@pytest.mark.parametrize("damage", [b"", b"\0" * 99, b"\x81\xa1a\x01"])
def test_a_ledger_of_another_shape_costs_time_only(project: Path, damage: bytes) -> None:
    held = project / cache.NAME
    report(".", held=held)
    (ledger,) = held.glob("*.ledger")
    cache.store(held, "ledger", ledger.stem, damage)
    write(project, "train.py", "\n" + TRAIN)
    task = api.Task((".",), Loaded(Config(), Path.cwd()), select=("ALL",), cache=held)
    outcome = api.run(task)
    assert any("a ledger is none" in note for note in outcome.notes)
    assert msgspec.json.encode([outcome.report, outcome.sites]) == report(".")
    write(project, "train.py", "\n\n" + TRAIN)
    assert report(".", held=held) == report(".")
