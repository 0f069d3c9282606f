"""The packages around a file are imported once for all its neighbours; what is found is what each would find alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gradlint.catalog import Catalog
from gradlint.static import Source, analyse
from gradlint.static.packages import Packages

HELPER = """
import torch

class Cut(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x).detach()
"""
USER = """
import torch
from pack.sub import Cut, registry

def run(x: torch.Tensor):
    model = Cut()
    registry.append(model)
    registry[0](x).sum().backward()
"""
PROJECTS = {
    "plain": {"__init__": "", "sub/__init__": "from pack.sub.helper import Cut\nregistry = []\n"},
    "circle": {
        "__init__": "from pack import user\n",
        "sub/__init__": "from pack.sub.helper import Cut\nregistry = []\n",
    },
    "raises": {"__init__": "raise ImportError\n", "sub/__init__": "from pack.sub.helper import Cut\nregistry = []\n"},
    "inner raises": {"__init__": "", "sub/__init__": "raise ImportError\n"},
    "costly": {
        "__init__": "for i in range(10):\n" + "    x = i\n" * 4000,
        "sub/__init__": "from pack.sub.helper import Cut\nregistry = []\n",
    },
    "switches gradients off": {
        "__init__": "import torch\n",
        "sub/__init__": "import torch\nfrom pack.sub.helper import Cut\nregistry = []\ntorch.set_grad_enabled(False)\n",
    },
}


def found(root: Path, files: dict[str, str]) -> list[bytes]:
    sources = [Source(f"{name}.py", root / f"{name}.py", text) for name, text in files.items()]
    result = analyse(sources, Catalog.load(), read=lambda _: None)
    return [msgspec.json.encode(ran, order="sorted") for ran in result.runs]


@pytest.mark.parametrize("files", PROJECTS.values(), ids=list(PROJECTS))
def test_files_of_a_package(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = {f"pack/{name}": text for name, text in files.items()}
    for name, text in (
        ("pack/sub/helper", HELPER),
        ("pack/user", USER),
        ("pack/sub/user", USER),
        ("pack/zuser", USER),
        ("other", USER),
    ):
        inner[name] = text
    for name, text in inner.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    together = found(tmp_path, inner)
    monkeypatch.setattr(Packages, "_around", lambda *_: [])
    assert found(tmp_path, inner) == together
    assert len(together) >= 4
