"""`explain` and `why`: what they answer on a real analysis of small programs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest
import torch

from gradlint.catalog import Catalog
from gradlint.cli import main
from gradlint.symptoms import Frame, frames, messages, symptom

ATTACK = """\
import torch
from torch import nn

model = nn.Linear(4, 2)
image = torch.rand(1, 4, requires_grad=True)


def loss_of(image):
    return model(image.detach()).sum()


loss = loss_of(image)
(gradient,) = torch.autograd.grad(loss, image)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "attack.py").write_text(ATTACK, encoding="utf-8")
    (tmp_path / "right.py").write_text(ATTACK.replace(".detach()", ""), encoding="utf-8")
    (tmp_path / "plain.py").write_text("print('nothing')\n", encoding="utf-8")
    return tmp_path


def invoke(*args: str, given: str = "") -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, args, input=given, catch_exceptions=False)


def test_explain_a_severed_demand() -> None:
    text = invoke("explain", "attack.py:13").stdout
    assert text.startswith("attack.py:13:15: torch.autograd.grad(loss, image)\n")
    assert "(autograd.grad) in a whole run: severed" in text
    assert "\nerror[detach]: " in text
    assert (
        "  9 |     return model(image.detach()).sum()" in text or " 9 |     return model(image.detach()).sum()" in text
    )


def test_explain_a_connected_demand() -> None:
    text = invoke("explain", "right.py:13").stdout
    assert "in a whole run: connected" in text
    assert "asks for the gradient of: torch.rand(1, 4, requires_grad=True) (right.py:5:9), tensor, leaf" in text
    assert "carries" in text
    assert "error[" not in text


def test_explain_a_tensor() -> None:
    text = invoke("explain", "attack.py:5").stdout
    assert "tensor: torch.rand(1, 4, requires_grad=True) (attack.py:5:9), tensor, leaf, requires grad: yes" in text
    assert "asked for at attack.py:13:15: torch.autograd.grad(loss, image)" in text


def test_explain_where_there_is_nothing() -> None:
    text = invoke("explain", "attack.py:2").stdout
    assert text.startswith("gradlint knows of no demand and no tensor at attack.py:2.\n")
    assert "attack.py:13:15" in text
    assert "nothing in it asks for a gradient" in invoke("explain", "plain.py:1").stdout


@pytest.mark.parametrize("place", ["attack.py", "attack.py:x", "nowhere.py:3"])
def test_explain_refuses_what_is_no_place(place: str) -> None:
    assert invoke("explain", place).exit_code == 2


CELLS = (
    ("markdown", None, "# the gradient of an image"),
    ("code", 7, ATTACK.partition("loss = ")[0].rstrip()),
    ("code", 9, "%matplotlib inline\nloss = loss_of(image)\n(gradient,) = torch.autograd.grad(loss, image)"),
    ("code", 11, "gradient.max("),
)


def notebook(path: Path) -> None:
    cells = [
        {"cell_type": kind, "metadata": {}, "source": source}
        | ({"execution_count": prompt, "outputs": []} if prompt else {})
        for kind, prompt, source in CELLS
    ]
    held = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(held), encoding="utf-8")


@pytest.mark.parametrize("place", ["attack.ipynb:cell:3:3", "attack.ipynb:cell 3:3:5"])
def test_explain_a_line_of_a_cell(place: str, folder: Path) -> None:
    notebook(folder / "attack.ipynb")
    result = invoke("explain", place)
    assert result.stdout.startswith("attack.ipynb:cell 3:3:15: torch.autograd.grad(loss, image)\n")
    assert "asks for the gradient of: torch.rand(1, 4, requires_grad=True) (attack.ipynb:cell 2:5:9)" in result.stdout
    assert " --> attack.ipynb:cell 2:9:18\n" in result.stdout
    assert "error: attack.ipynb:cell 4:1:" in result.stderr, "a cell that is no Python costs only itself"
    assert "  attack.ipynb:cell 3:3:15  torch" in invoke("explain", "attack.ipynb:cell:3:1").stdout


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("attack.ipynb:3", "a line of a notebook is one of a cell: attack.ipynb:cell:N:3"),
        ("attack.ipynb:cell:1:1", "attack.ipynb: there is no Python in a cell 1"),
        ("attack.py:cell:1:1", "attack.py: there is no Python in a cell 1"),
    ],
)
def test_explain_says_how_places_of_notebooks_are_written(place: str, told: str, folder: Path) -> None:
    notebook(folder / "attack.ipynb")
    result = invoke("explain", place)
    assert (result.exit_code, told in result.stderr) == (2, True)


#: the same error as releases of IPython show it, the innermost last
IN_CELLS = {
    "8.31": """\
\x1b[0;31mRuntimeError\x1b[0m                              Traceback (most recent call last)
Cell \x1b[0;32mIn[9], line 3\x1b[0m
\x1b[1;32m      2\x1b[0m loss = loss_of(image)
\x1b[0;32m----> 3\x1b[0m (gradient,) = torch.autograd.grad(loss, image)
""",
    "8.4": """\
RuntimeError                              Traceback (most recent call last)
Input In [9], in <cell line: 3>()
      1 get_ipython().run_line_magic('matplotlib', 'inline')
      2 loss = loss_of(image)
----> 3 (gradient,) = torch.autograd.grad(loss, image)
""",
    "7": """\
RuntimeError                              Traceback (most recent call last)
<ipython-input-9-f1b2a3c4d5e6> in <module>
      1 get_ipython().run_line_magic('matplotlib', 'inline')
      2 loss = loss_of(image)
----> 3 (gradient,) = torch.autograd.grad(loss, image)
""",
}


@pytest.mark.parametrize("release", IN_CELLS)
def test_why_knows_the_cell_that_a_traceback_names(release: str, folder: Path) -> None:
    notebook(folder / "attack.ipynb")
    message = "\x1b[0;31mRuntimeError\x1b[0m: One of the differentiated Tensors does not require grad\n"
    text = invoke("why", "attack.ipynb", given=IN_CELLS[release] + message).stdout
    assert text.startswith("RuntimeError: One of the differentiated Tensors does not require grad\n")
    assert "Suspects on the lines of the traceback (1):\n\nerror[detach]: " in text
    elsewhere = IN_CELLS[release].replace("9", "7")
    assert "Suspects (1):" in invoke("why", "attack.ipynb", given=elsewhere + message).stdout


TRACEBACK = """\
Traceback (most recent call last):
  File "attack.py", line 13, in <module>
    (gradient,) = torch.autograd.grad(loss, image)
  File "/opt/lib/python3.11/site-packages/torch/autograd/__init__.py", line 503, in grad
    result = _engine_run_backward(
RuntimeError: One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True
"""


def test_why_answers_a_traceback_with_the_suspects_on_its_lines() -> None:
    text = invoke("why", given=TRACEBACK).stdout
    assert "  means: torch.autograd.grad() was asked for the gradient of a tensor that the result was not" in text
    assert "Suspects on the lines of the traceback (1):\n\nerror[detach]: " in text


def test_why_answers_a_bare_message_with_its_meaning_and_the_suspects_in_the_paths() -> None:
    message = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
    alone = invoke("why", given=message)
    assert alone.exit_code == 0
    assert "means: backward() was called on a tensor that has no graph" in alone.stdout
    assert "gradlint why PATH..." in alone.stdout
    assert "Suspects (1):\n\nerror[detach]: " in invoke("why", ".", given=message).stdout
    assert "gradlint finds no suspect in these files." in invoke("why", "right.py", given=message).stdout


def test_why_needs_something_it_knows() -> None:
    result = invoke("why", given="KeyError: 'x'\n")
    assert result.exit_code == 2
    assert "neither a message of PyTorch that gradlint knows nor a traceback" in result.stderr
    assert "gradlint does not know this message." in invoke("why", "attack.py", given="KeyError: 'x'\n").stdout


#: a message as PyTorch prints or printed it, and the first rule that comes to mind
MESSAGES = [
    ("RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn", "grad-disabled"),
    ("RuntimeError: element 0 of variables does not require grad and does not have a grad_fn", "grad-disabled"),
    ("RuntimeError: there are no graph nodes that require computing gradients", "grad-disabled"),
    ("RuntimeError: One of the differentiated Tensors appears to not have been used in the graph.", "off-path-target"),
    ("RuntimeError: The differentiated Tensor at index 0 appears to not have been used in the graph.", "off-path-target"),
    ("RuntimeError: One of the differentiated Variables appears to not have been used in the graph", "off-path-target"),
    ("RuntimeError: One of the differentiated Tensors does not require grad", "detach"),
    ("AttributeError: 'NoneType' object has no attribute 'data'", "non-leaf-grad"),
    ("TypeError: 'NoneType' object is not subscriptable", "non-leaf-grad"),
    ("x.py:3: UserWarning: None of the inputs have requires_grad=True. Gradients will be None", "grad-disabled"),
    ("RuntimeError: Inference tensors cannot be saved for backward. Please do not use Tensors created", "grad-disabled"),
    ("RuntimeError: Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.", "grad-disabled"),
    ("RuntimeError: Trying to backward through the graph a second time (or directly access saved tensors)", "freed-graph"),
    ("RuntimeError: Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()", "numpy-round-trip"),
    ("RuntimeError: Can't call numpy() on Variable that requires grad. Use var.detach().numpy()", "numpy-round-trip"),
    ("RuntimeError: can't retain_grad on Tensor that has requires_grad=False", "grad-disabled"),
    ("RuntimeError: cannot register a hook on a tensor that doesn't require gradient", "grad-disabled"),
    ("RuntimeError: you can only change requires_grad flags of leaf variables.", "hidden-cut"),
    ("RuntimeError: a leaf Variable that requires grad is being used in an in-place operation.", "written-leaf"),
    ("ValueError: can't optimize a non-leaf Tensor", "non-leaf-grad"),
    ("RuntimeError: derivative for aten::histc is not implemented", "non-differentiable"),
    ("RuntimeError: the derivative for 'argmax' is not implemented.", "non-differentiable"),
    ("RuntimeError: one of the variables needed has been modified by an inplace operation: [x]", "overwritten-saved"),
    ("RuntimeError: Output 0 of BackwardHookFunctionBackward is a view and is being modified inplace.", "overwritten-capture"),
    ("RuntimeError: a leaf Variable that requires grad has been used in an in-place operation.", "written-leaf"),
    ("RuntimeError: leaf variable has been moved into the graph interior", "written-leaf"),
    ("RuntimeError: Only Tensors of floating point dtype can require gradients", "non-differentiable"),
    ("RuntimeError: Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol", "tensor-rebuild"),
    ("x.py:3: UserWarning: Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior", "python-number"),
    ("x.py:3: FutureWarning: Using a non-full backward hook when the forward contains", "legacy-backward-hook"),
    ("RuntimeError: A view was created in no_grad mode and is being modified inplace with grad mode enabled.", "written-leaf"),
    ("AssertionError: No inf checks were recorded for this optimizer.", "untrained-module"),
    ("RuntimeError: Expected to have finished reduction in the prior iteration before starting a new one.", "untrained-module"),
    ("x.py:3: UserWarning: To copy construct from a tensor, it is recommended to use sourceTensor.clone()", "tensor-rebuild"),
    ("x.py:3: UserWarning: The .grad attribute of a Tensor that is not a leaf Tensor is being accessed.", "non-leaf-grad"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "rule"), MESSAGES, ids=[line[:60] for line, _ in MESSAGES])
def test_messages_old_and_new(line: str, rule: str) -> None:
    found = symptom(f"Traceback (most recent call last):\n  File 'x'\n{line}\n")
    assert found is not None
    assert found.message.rules[0] == rule
    assert found.line == line


X = "import copy, torch\nx = torch.rand(3, requires_grad=True)\n"
#: what makes the PyTorch that is installed say something, and the first rule that comes to mind
SAID = [
    ("torch.tensor([1, 2], requires_grad=True)", "non-differentiable"),
    ("x.long().requires_grad_()", "non-differentiable"),
    ("copy.deepcopy(x * 2)", "tensor-rebuild"),
    ("torch.tensor(x)", "tensor-rebuild"),
    ("float(x.sum())", "python-number"),
    ("x.add_(1)", "written-leaf"),
    ("with torch.no_grad():\n    v = x.view(3)\nv.add_(1)", "written-leaf"),
    (
        "m = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())\nm.register_backward_hook(print)\nm(x).sum().backward()",
        "legacy-backward-hook",
    ),
    (
        "s = torch.amp.GradScaler('cpu')\ns.scale(x.sum()).backward()\ns.step(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))]))",
        "untrained-module",
    ),
]


@pytest.fixture
def _always() -> Iterator[None]:
    """PyTorch says each time what it says once in a process otherwise."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize(("program", "rule"), SAID)
def test_what_torch_says_here(program: str, rule: str) -> None:
    text = ""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            exec(X + program, {})
        except (RuntimeError, AssertionError) as error:
            text = str(error)
    found = symptom(text or "\n".join(str(warning.message) for warning in said))
    assert found is not None
    assert found.message.rules[0] == rule


def test_every_message_is_tried_and_names_rules_that_exist() -> None:
    tried = {found.message for line, _ in MESSAGES if (found := symptom(line))}
    assert tried == set(messages())
    assert {rule for message in messages() for rule in message.rules} <= set(Catalog.load().rules)


def test_the_last_message_counts() -> None:
    text = f"{MESSAGES[0][0]}\nDuring handling of the above exception, another exception occurred:\n{MESSAGES[5][0]}"
    found = symptom(text)
    assert found is not None
    assert found.line == MESSAGES[5][0]


@pytest.mark.parametrize(
    "text",
    [
        '  File "attack.py", line 12, in <module>\n    x\n  File "right.py", line 3, in f\n',
        "attack.py:12: in <module>\n    x\nright.py:3: RuntimeError\n",
        "File attack.py:12, in f(x)\n     11 a\nFile right.py:3\n      2 b\n",
        "attack.py in f(x)\n     11 a\n---> 12 b\n\nright.py in g(y)\n      2 b\n----> 3 c\n",
    ],
    ids=["python", "pytest", "ipython", "ipython 7"],
)
def test_frames_of_several_tools_innermost_first(text: str, folder: Path) -> None:
    assert frames(text) == [Frame(3, folder / "right.py"), Frame(12, folder / "attack.py")]


def test_frames_of_libraries_are_left_out(tmp_path: Path) -> None:
    library = tmp_path / "site-packages" / "lib.py"
    library.parent.mkdir()
    library.write_text("", encoding="utf-8")
    assert frames(f'  File "{library}", line 1, in f\n  File "<stdin>", line 1\n  File "gone.py", line 2\n') == []
