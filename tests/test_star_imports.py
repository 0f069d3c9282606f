"""Star imports of libraries: what they bind is what the libraries export; a library that nobody knows binds anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api
from gradlint.catalog import Catalog
from tests.models import exports, library_scene

#: program, the rules that are found; it is executed, and raises where the rules say so
PROGRAMS = [
    ("from torch import *\nfrom torch.nn import *\n(sum(argmax(Linear(3, 4)(rand(2, 3)), 1)) * 1.0).backward()\n", ["non-differentiable"]),
    ("from torch import *\nfrom torch.nn import *\nmax(Linear(3, 4)(rand(2, 3))).backward()\n", []),
    ("from torch.nn.functional import *\nx = torch.rand(3, requires_grad=True)\nrelu(x).sum().backward()\n", []),
    ("from numpy import *\nimport torch\nx = torch.rand(3, requires_grad=True)\ny = clip(x, 0, 1)\n", ["numpy-round-trip"]),
    ("from torch import *\nfrom math import *\nx = rand(1, requires_grad=True)\ntensor(exp(x)).backward()\n", ["python-number"]),
    ("from math import *\nfrom torch import *\nx = rand(1, requires_grad=True)\nexp(x).backward()\n", []),
    ("from torch import *\nround = sigmoid\nround(rand(3, requires_grad=True)).sum().backward()\n", []),
    (
        "from torch.autograd import *\nimport torch\nw = torch.rand(3, requires_grad=True)\ny = w.detach().sum()\ngrad(y, w)\n",
        ["detach"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("program", "rules"), PROGRAMS)
def test_what_is_found_and_happens(tmp_path: Path, program: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == rules
    if rules:
        with pytest.raises(RuntimeError):
            exec(program, {"__name__": "program"})
    else:
        exec(program, {"__name__": "program"})


@pytest.mark.parametrize(
    "program",
    [
        "from torch import *\nfrom mystery import *\nx = rand(3, requires_grad=True)\nround(x).sum().backward()\n",
        "from numpy import *\nimport torch\nx = torch.rand(3, requires_grad=True)\ny = max(x)\n",
    ],
)
def test_what_may_be_another_name_is_unknown(tmp_path: Path, program: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    assert not api.check([file]).findings


def test_a_project_hands_a_star_on(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("from torch import *\nfrom torch.nn import *\n", encoding="utf-8")
    file = tmp_path / "program.py"
    file.write_text("from common import *\nround(Linear(3, 4)(rand(2, 3))).sum().backward()\n", encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == ["zero-gradient"]


@pytest.mark.models
@pytest.mark.parametrize("module", sorted(Catalog.load().exports))
def test_the_library_exports_it(module: str) -> None:
    """Each name is bound, and is what it is said to stand for."""
    declared = library_scene.operators()
    pytest.importorskip(module, exc_type=ImportError)
    here, said = exports.bound(module), Catalog.load().exported(module)
    assert said
    assert [
        name for name, full in said.items() if name in here and full and exports.meant(full) is not here[name]
    ] == []
    assert [name for name, full in said.items() if name not in here and full] == []
    assert declared


def test_the_lists_are_those_of_the_libraries_here() -> None:
    """Nothing of torch is missing: a name that is not listed is not the built-in or the star before."""
    for module in ("torch", "torch.nn", "torch.nn.functional", "torch.optim"):
        said = Catalog.load().exported(module)
        assert said is not None
        assert [name for name in exports.exports(module, Catalog.load()).own if name not in said] == []
