"""The packages around a file are imported once for all its neighbours; what is found is what each would find alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gradlint.catalog import Catalog
from gradlint.static import Source, analyse, replay
from gradlint.static.packages import Packages
from gradlint.static.replay import R, Together

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
    made: list[bytes] = []

    class Kept(Together):
        def add(self, ran: R) -> R:
            made.append(msgspec.json.encode(ran, order="sorted"))
            return super().add(ran)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "Together", Kept)
        analyse(sources, Catalog.load(), read=lambda _: None)
    return made


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
    monkeypatch.setattr(Packages, "_first", lambda *_: [])
    assert found(tmp_path, inner) == together
    assert len(together) >= 4


FIRST = '"""Text."""\nfrom __future__ import annotations\nimport torch\n'
LAYERS = f"{FIRST}from low import cut\nregistry = [torch.ones(2)]\ndef layer(x):\n    registry.append(x)\n    return cut(x)\n"
TRAIN = f"{FIRST}from layers import layer, registry\ndef train(x: torch.Tensor):\n    layer(x).sum().backward()\n    return registry\n"
FLAT = {
    "chain": {"low": f"{FIRST}def cut(x):\n    return x.detach()\n"},
    "circle": {"low": f"{FIRST}import train\ndef cut(x):\n    return x.detach()\n"},
    "raises": {"low": f"{FIRST}raise ImportError\n"},
    "changes what it imports": {"low": f"{FIRST}import last\nlast.held = 1\ndef cut(x):\n    return x.detach()\n"},
    "costly": {"low": f"{FIRST}for i in range(10):\n" + "    x = i\n" * 4000},
    "switches gradients off": {"low": f"{FIRST}torch.set_grad_enabled(False)\ndef cut(x):\n    return x\n"},
    "a package": {
        "pack/__init__": "made = []\n",
        "low": f"{FIRST}from pack import made\ndef cut(x):\n    return x.detach()\n",
    },
}


@pytest.mark.parametrize("files", FLAT.values(), ids=list(FLAT))
def test_files_that_begin_with_an_import(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = f"{FIRST}held = 0\ndef judge(x):\n    if held:\n        x = x.detach()\n    x.sum().backward()\n"
    all_files = {**files, "layers": LAYERS, "train": TRAIN, "again": TRAIN, "last": last}
    for name, text in all_files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    together = found(tmp_path, all_files)
    monkeypatch.setattr(Packages, "_first", lambda *_: [])
    assert found(tmp_path, all_files) == together
    assert len(together) >= 4
