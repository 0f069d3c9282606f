"""Which file a module name means: a file of a package that is called like a common library is not that library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradlint import api

MAIN = "from helpers import *\nnet = torch.nn.Linear(3, 1)\nwith torch.no_grad():\n    old = net(torch.rand(5, 3))\nold.sum().backward()\n"
PACKAGE = {
    "helpers/__init__.py": "from helpers.torch import *\nfrom helpers.math import *\n",
    "helpers/torch.py": "import torch\nzeros = torch.zeros\n",
    "helpers/math.py": "import math\nimport torch\ndef entropy(std):\n    return 0.5 * torch.log(2 * math.pi * std)\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_a_file_of_a_package_is_not_the_library_it_is_called_after(tmp_path: Path) -> None:
    write(tmp_path, {**PACKAGE, "main.py": MAIN})
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True)
    assert "does not require grad" in done.stderr
    assert [f.rule for f in api.check([tmp_path]).findings] == ["grad-disabled"]


@pytest.mark.parametrize("level", [".torch", "helpers.torch"])
def test_by_its_whole_name_it_is_meant(tmp_path: Path, level: str) -> None:
    cut = "def cut(x):\n    return x.detach()\n"
    write(tmp_path, {"helpers/__init__.py": f"from {level} import cut\n", "helpers/torch.py": cut})
    text = "import torch\nfrom helpers import cut\nx = torch.rand(3, requires_grad=True)\ncut(x).sum().backward()\n"
    write(tmp_path, {"main.py": text})
    assert [f.rule for f in api.check([tmp_path]).findings] == ["detach"]


def test_beside_a_script_it_is_meant(tmp_path: Path) -> None:
    """A folder that is no package is where scripts are run: there a file comes before the library."""
    write(tmp_path, {"random.py": "def pick(x):\n    return x.detach()\n"})
    text = "import torch\nimport random\nx = torch.rand(3, requires_grad=True)\nrandom.pick(x).sum().backward()\n"
    write(tmp_path, {"main.py": text})
    assert [f.rule for f in api.check([tmp_path]).findings] == ["detach"]
