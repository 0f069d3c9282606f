"""Which definitions lead to a demand: those that ask, and those that come to one that does by a name they can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.catalog import Catalog
from gradlint.static import Source
from gradlint.static.alone import Alone
from gradlint.static.reaching import narrowed
from gradlint.static.replay import around

ASKS = "def step(x):\n    x.backward()\n"
KEPT = "from b import step\nclass A:\n    def f(self{}):\n        self.kept = step\n    def g(self):\n        self.kept()\n"


def leading(root: Path, files: dict[str, str], demands: tuple[str, ...] = ()) -> set[str]:
    """The functions that are wanted, as `file:name`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    sources = [Source(name, root / name, text) for name, text in files.items()]
    crew = Alone(sources, Catalog.load((), demands), lambda _: None)
    surveys = dict(crew.survey([s.path for s in sources], lambda _: None))
    found = crew.leading(surveys | around(crew, surveys))
    spans = [
        span
        for survey in surveys.values()
        for wanted in narrowed(survey, found).wanted
        for span in (wanted.methods if wanted.methods is not None else (wanted.span,))
    ]
    return {f"{s.file}:{files[s.file].splitlines()[s.line - 1][s.column - 1 : s.end_column - 1]}" for s in spans}


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ("x.backward()", True),
        ("print(x.grad)", True),
        ("x.register_forward_pre_hook(f)", True),
        ("g(x, y)", True),  # torch.autograd.grad by another name
        ("SGD([x])", True),
        ("optim.SGD([x])", True),
        ("np.array(x)", True),
        ("np.zeros(3)", False),
        ("x.requires_grad = True", True),
        ("x.requires_gradient = True", True),
        ("return x.requires_grad", False),
        ("'.backward() of a loss'", False),
        ("x.set_grad_checkpointing(np.float32)", False),
        ("loss = x", False),
    ],
)
def test_what_asks(body: str, asks: bool, tmp_path: Path) -> None:
    head = "import numpy as np\nfrom torch import optim\nfrom torch.autograd import grad as g\nfrom torch.optim import SGD\n"
    assert leading(tmp_path, {"a.py": f"{head}def f(x):\n    {body}\n"}) == ({"a.py:f"} if asks else set())


def test_what_calls_itself_a_loss_or_is_declared_asks(tmp_path: Path) -> None:
    text = "def my_loss(x):\n    return x\ndef objective(x):\n    return x\ndef other(x):\n    return x\n"
    assert leading(tmp_path, {"a.py": text}, ("a.objective:return",)) == {"a.py:my_loss", "a.py:objective"}


def test_callers_of_the_same_file(tmp_path: Path) -> None:
    text = f"{ASKS}def train(x):\n    step(x)\ndef main():\n    train(1)\ndef idle(x):\n    return x\n"
    assert leading(tmp_path, {"a.py": text}) == {"a.py:step", "a.py:train", "a.py:main"}


@pytest.mark.parametrize(
    "text",
    [
        "from p.base import step\ndef f(x):\n    step(x)\n",
        "from p import step\ndef f(x):\n    step(x)\n",
        "import p.base as b\ndef f(x):\n    b.step(x)\n",
        "import p\ndef f(x):\n    p.step(x)\n",
        "from p.base import *\ndef f(x):\n    step(x)\n",
        "from p import stars\ndef f(x):\n    stars.step(x)\n",
        "from p.base import Base\nclass A(Base):\n    def f(self):\n        self.run()\n",
        "from p.far import Far\nclass A(Far):\n    def f(self):\n        self.keeps(1)\n",
        "from p.far import Far\ndef f(far):\n    Far().run()\n",
        "from p.module import Module\nclass A:\n    def f(self):\n        self.m = Module()\n",
    ],
)
def test_callers_of_other_files(text: str, tmp_path: Path) -> None:
    base = f"{ASKS}class Base:\n    def __init__(self, x):\n        self.keeps = step\n    def run(self):\n        step(1)\n"
    files = {
        "p/__init__.py": "from .base import step\n",
        "p/base.py": base,
        "p/stars.py": "from p.base import *\n",
        "p/far.py": "from p.base import Base\nclass Far(Base):\n    def other(self):\n        pass\n",
        "p/module.py": "class Module:\n    def forward(self, x):\n        return x.grad\n",
        "a.py": text,
    }
    found = leading(tmp_path, files)
    assert "a.py:f" in found
    assert "p/far.py:other" not in found


def test_a_held_object_leads_on(tmp_path: Path) -> None:
    held = "class Module:\n    def forward(self, x):\n        return x.grad\n"
    text = f"{held}class A:\n    def __init__(self):\n        self.m = Module()\n    def f(self, x):\n        return self.m(x)\n"
    assert leading(tmp_path, {"a.py": text}) == {"a.py:forward", "a.py:__init__", "a.py:f"}


def test_a_method_is_not_looked_for_in_the_whole_project(tmp_path: Path) -> None:
    files = {"a.py": "class A:\n    def run(self, x):\n        x.backward()\n", "b.py": "def f(x):\n    x.run()\n"}
    assert leading(tmp_path, files) == {"a.py:run"}


def test_a_library_that_asks(tmp_path: Path) -> None:
    text = (
        "from pytorch_grad_cam import GradCAM\nclass A:\n    def __init__(self, m):\n        self.cam = GradCAM(m)\n"
        "    def f(self, x):\n        return self.cam(x)\n"
    )
    assert leading(tmp_path, {"a.py": text}) == {"a.py:__init__", "a.py:f"}
    assert leading(tmp_path, {"pytorch_grad_cam/__init__.py": "class GradCAM:\n    pass\n", "a.py": text}) == set()
    assert leading(tmp_path / "b", {"b.py": "class A:\n    def training_step(self, x):\n        return x\n"}) == {
        "b.py:training_step"
    }


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("from b import step\ndef f(x):\n    x.step()\n", set()),  # a method of whatever it is, not the function
        ("from b import step\ndef f():\n    kept = step\n    return kept\n", {"a.py:f"}),
        ("from b import Base\ndef f(run):\n    run()\n", set()),
        ("from b import Base\ndef f(x):\n    x.run()\n", {"a.py:f"}),
        (KEPT.format(", step"), set()),  # a parameter, whatever it is called
        ("from b import step\ndef f(step):\n    return step()\n", set()),
        ("from b import step\n@step\ndef f(step):\n    return step\n", {"a.py:f"}),
        ("from b import Base\ndef f(x: Base) -> Base:\n    y: Base = x\n    return y\n", set()),  # types are not run
        ("import torch\ndef f(x: torch.optim.SGD) -> None:\n    return x\n", set()),
        (KEPT.format(", step=step"), {"a.py:f", "a.py:g"}),
        (KEPT.format(""), {"a.py:f", "a.py:g"}),
    ],
)  # fmt: skip
def test_a_name_leads_to_what_it_is_a_name_of(text: str, more: set[str], tmp_path: Path) -> None:
    base = f"{ASKS}class Base:\n    def run(self):\n        step(1)\n"
    assert leading(tmp_path, {"a.py": text, "b.py": base}) == {"b.py:step", "b.py:run", *more}


def test_what_a_function_minds_concerns_those_near_it(tmp_path: Path) -> None:
    calls = "".join(f"def f{i}(x):\n    return f{i - 1}(x)\n" for i in range(1, 5))
    array = f"import numpy as np\ndef f0(x):\n    return np.mean(x)\n{calls}"
    assert leading(tmp_path, {"a.py": array}) == {"a.py:f0", "a.py:f1", "a.py:f2"}
    asked = f"def f0(x):\n    return x.backward()\n{calls}"
    assert leading(tmp_path, {"a.py": asked}) == {f"a.py:f{i}" for i in range(5)}
