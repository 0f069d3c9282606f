"""What a hook costs on a clean file: `python benchmarks/startup.py [--repeat N]`.

gradlint, flake8 and ruff are called as pre-commit calls them, on one file, one after the other, so that each meets the same state of the
machine; what counts is the median of CPU time and of time on the clock. The tools are those installed beside this Python
(`pip install -e '.[dev]'`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

FILES = {
    "no torch": "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return json.load(file)\n",
    "torch, no gradient": "import torch\n\n\ndef shape(x: torch.Tensor) -> int:\n    return x.shape[0]\n",
    "a training loop": (
        "import torch\nfrom torch import nn\n\nmodel = nn.Linear(4, 2)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for _ in range(3):\n    optimizer.zero_grad()\n    loss = model(torch.randn(8, 4)).pow(2).mean()\n    loss.backward()\n"
        "    optimizer.step()\n"
    ),
}
TOOLS: dict[str, tuple[str, ...]] = {
    "python -c pass": ("python", "-c", "pass"),
    "ruff": ("ruff", "check", "--force-exclude", "--quiet", "--no-cache"),
    "flake8": ("flake8",),
    "gradlint, no cache": ("gradlint", "check", "--force-exclude", "--no-cache"),
    "gradlint, as before": ("gradlint", "check", "--force-exclude"),
}


def command(words: Sequence[str], file: str) -> list[str]:
    """A tool's command with the path of the tool."""
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    found = shutil.which(words[0], path=sysconfig.get_path("scripts"))
    if found is None:
        raise SystemExit(f"{words[0]} is not installed beside {sys.executable}: pip install -e '.[dev]'")
    return [found, *words[1:], file]


def run(words: Sequence[str], folder: Path) -> tuple[float, float]:
    """CPU and wall-clock seconds of one run, which must find nothing."""
    begun = time.perf_counter()
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}  # as after an installation, for all alike
    process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read() if process.stdout else b""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}:\n{output.decode()}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - begun


def main() -> None:
    """Measure and print a table for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=21)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").touch()
        for title, text in FILES.items():
            (folder / "module.py").write_text(text, encoding="utf-8")
            commands = {tool: command(words, "module.py") for tool, words in TOOLS.items()}
            for words in commands.values():  # byte code and caches
                run(words, folder)
            rounds = [{tool: run(words, folder) for tool, words in commands.items()} for _ in range(repeat)]
            print(f"\n{title}, median of {repeat} rounds (CPU spread: quartiles)")
            print(f"{'':22}{'CPU ms':>8}{'spread':>12}{'clock ms':>10}{'of flake8':>11}{'of ruff':>9}")
            for tool in TOOLS:
                cpu, clock = zip(*(done[tool] for done in rounds), strict=True)
                low, middle, high = (1000 * q for q in statistics.quantiles(cpu, n=4))
                ratios = [
                    statistics.median(done[tool][0] / done[peer][0] for done in rounds) for peer in ("flake8", "ruff")
                ]
                told = f"{low:.0f}-{high:.0f}"
                print(
                    f"{tool:22}{middle:8.0f}{told:>12}{1000 * statistics.median(clock):10.0f}{ratios[0]:11.2f}{ratios[1]:9.1f}"
                )


if __name__ == "__main__":
    main()
