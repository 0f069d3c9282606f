"""What is shipped: sdist -> wheel -> a clean environment, with the rules inside and without doubles."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = {path.name for path in (ROOT / "rules").glob("*.md")}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command outside the repository, without its settings."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


def test_the_sdist_holds_the_rules_once(built: Path) -> None:
    with tarfile.open(next(built.glob("torch_gradlint-*.tar.gz"))) as archive:
        names = [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]
    assert {
        name.removeprefix("rules/") for name in names if name.startswith("rules/") and name.endswith(".md")
    } == PAGES
    assert [name for name in names if "_rules" in name] == []
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "gradlint/report/report.schema.json"} <= set(
        names
    )


def test_the_wheel_holds_the_rules_and_no_tests(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("torch_gradlint-*.whl"))) as archive:
        names = archive.namelist()
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("METADATA"))).decode())
    assert len(names) == len(set(names))
    assert {Path(name).name for name in names if name.startswith("gradlint/_rules/") and name.endswith(".md")} == PAGES
    assert any(name.startswith("gradlint/_rules/models/") for name in names)
    assert {"gradlint/report/report.schema.json", "gradlint/py.typed"} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"gradlint"}
    assert metadata["Name"] == "torch-gradlint"
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra" not in line]
    assert [line for line in required if line.startswith(("torch", "numpy"))] == []


def test_the_wheel_works_in_a_clean_environment(built: Path, tmp_path: Path) -> None:
    home = tmp_path / "clean"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    wheel = next(built.glob("*.whl"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    # the dependencies come from here; a .pth file does not bring in this environment's own editable gradlint
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    where = run(
        python, "-c", "import gradlint, gradlint.catalog as c; print(gradlint.__file__, c.data_folder())", cwd=tmp_path
    )
    assert all(Path(word).is_relative_to(home) for word in where.split())
    program = tmp_path / "train.py"
    program.write_text("import torch\nx = torch.ones(2)\nx.sum().backward()\n", encoding="utf-8")
    command = home / "bin" / "gradlint"
    assert run(command, "rule", "detach", cwd=tmp_path).startswith("# detach\n")
    assert "1 demand" in run(command, "train.py", "--exit-zero", cwd=tmp_path)


def test_ci_runs_the_commands_of_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.removesuffix(" || exit") for line in ci.splitlines() if line.startswith("pip install")]
    assert commands == ["pip install -e '.[dev]' && pytest", "pip install . && gradlint fixtures/ --exit-zero"]
    assert set(commands) <= set(readme)
