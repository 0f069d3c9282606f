"""Who may import whom (DESIGN, section 3), and what a static run must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradlint

PACKAGE = Path(gradlint.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_rules" not in path.parts)
#: part -> the parts of gradlint that it may know; parts that are not listed may know all
ALLOWED = {
    "tape": set(),
    "finding": {"tape"},
    "engine": {"tape", "finding", "catalog"},
    "catalog": {"cache", "finding", "modelled", "releases"},
    "modelled": {"config"},
    "releases": {"modelled"},
    "requirements": {"discovery", "releases"},
    "options": {"tape"},
    "static": {"tape", "catalog", "finding", "options"},
    "runtime": {"tape", "catalog", "finding", "options"},
    "discovery": {"finding"},
    "notebook": {"finding", "tape"},
    "texts": {"discovery", "finding", "notebook", "static", "suppress"},
    "config": {"discovery", "finding"},
    "suppress": {"finding"},
    "baseline": {"discovery", "finding", "fingerprint"},
    "fingerprint": {"discovery", "finding"},
    "edits": {"finding"},
    "fixes": {"catalog", "edits", "finding"},
    "symptoms": {"catalog", "discovery"},
    "cache": {"discovery"},
    "ledger": {"cache", "judging", "static", "tape"},
    "remembered": {"cache", "catalog", "discovery", "finding", "ledger", "static", "tape", "texts"},
    "report": {"tape", "finding", "edits", "catalog"},
}
HEAVY = ("libcst", "torch", "numpy", "rich", "multiprocessing", "gradlint.engine")


def part(path: Path) -> str:
    """The part that a file belongs to: its folder, else itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """The absolute names that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_parts_know_only_their_own(path: Path) -> None:
    own = part(path)
    known = {name.split(".")[1] for name in imported(path) if name.startswith("gradlint.")} - {own, "__version__"}
    assert known <= ALLOWED.get(own, known)


def test_nothing_static_knows_torch_and_only_the_lowering_knows_libcst() -> None:
    loads = {path: {name.split(".")[0] for name in imported(path)} for path in FILES}
    assert [p for p, names in loads.items() if part(p) != "runtime" and names & {"torch", "numpy"}] == []
    lowering = [p.relative_to(PACKAGE).as_posix() for p, names in loads.items() if "libcst" in names]
    assert all(p.startswith("static/lower") for p in lowering), lowering


def loaded(code: str, *args: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after some code."""
    tail = f"\nimport sys; print('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", code + tail, *args], capture_output=True, text=True, check=True)
    return set(out.stdout.splitlines()[-1].split())


RUN = """
import sys
from gradlint.cli import main
status = main(sys.argv[1:], standalone_mode=False)
assert not status, status
"""


def test_importing_gradlint_loads_nothing_heavy() -> None:
    assert loaded("import gradlint") == set()


@pytest.mark.parametrize("arg", ["--version", "--help"])
def test_starting_loads_nothing_heavy(arg: str) -> None:
    assert loaded(RUN, arg) == set()


@pytest.mark.parametrize("text", ["import torch\nx = torch.ones(2)\n", "print(1)\n", ""])
def test_a_run_over_files_that_ask_for_no_gradient_loads_nothing_heavy(tmp_path: Path, text: str) -> None:
    (tmp_path / "plain.py").write_text(text, encoding="utf-8")
    assert loaded(RUN, str(tmp_path), "--no-cache") == set()


def test_a_static_run_loads_no_torch(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    text = "import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n"
    program.write_text(text, encoding="utf-8")
    assert loaded(RUN, str(program), "--exit-zero") == {"libcst", "gradlint.engine"}
