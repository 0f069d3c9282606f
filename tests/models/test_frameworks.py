"""Declared demands: what a library's call does under no_grad and with a frozen model is what gradlint says of it.

Each program is linted and executed. Those of libraries that are not installed are only linted.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from gradlint import api
from tests.models import library_scene

HEAD = """\
import torch, torch.nn as nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 5)
    def forward(self, x):
        return self.fc(self.pool(self.relu(self.conv(x))).flatten(1))
model = Net().eval()
x = torch.rand(1, 3, 8, 8)
"""
CAM = "from pytorch_grad_cam import {0}\ncam = {0}(model=model, target_layers=[model.relu])\n"
FREEZE = "for p in model.parameters():\n    p.requires_grad = False\n"
CAPTUM = "from captum.attr import LayerGradCam, Saliency\n"
TORCHCAM = "from torchcam.methods import GradCAM\n"
ATTACK = "import torchattacks\nattack = torchattacks.PGD(model, eps=8 / 255)\n"
ACCELERATE = "from accelerate import Accelerator\naccelerator = Accelerator(cpu=True)\nmodel = accelerator.prepare(model)\n"
COMPOSED = "from torchvision import transforms as T\nx.requires_grad_(True)\nT.Compose([{0}])(x[0]).sum().backward()\n"
APEX = (
    "from apex import amp\nfrom apex.parallel import DistributedDataParallel\n"
    "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
    "model, optimizer = amp.initialize(model, optimizer, opt_level='O1')\nmodel = DistributedDataParallel(model)\n"
)
#: library, program, the rule that is found; no rule: the program is right
PROGRAMS = [
    ("pytorch_grad_cam", CAM.format("GradCAM") + "cam(input_tensor=x, targets=None)\n", ""),
    ("pytorch_grad_cam", CAM.format("GradCAM") + "with torch.no_grad():\n    cam(input_tensor=x, targets=None)\n", "grad-disabled"),
    ("pytorch_grad_cam", FREEZE + CAM.format("GradCAM") + "cam(input_tensor=x, targets=None)\n", "no-graph"),
    ("pytorch_grad_cam", FREEZE + "x.requires_grad_(True)\n" + CAM.format("GradCAM") + "cam(input_tensor=x, targets=None)\n", ""),
    ("pytorch_grad_cam", CAM.format("EigenCAM") + "with torch.no_grad():\n    cam(input_tensor=x, targets=None)\n", ""),
    ("captum", FREEZE + CAPTUM + "with torch.no_grad():\n    LayerGradCam(model, model.conv).attribute(x, target=1)\n", ""),
    ("captum", CAPTUM + "with torch.no_grad():\n    Saliency(model).attribute(x, target=1)\n", ""),
    (
        "captum",
        CAPTUM + "with torch.inference_mode():\n    LayerGradCam(model, model.conv).attribute(x, target=1)\n",
        "grad-disabled",
    ),
    ("torchcam", TORCHCAM + "with GradCAM(model, 'relu') as cam:\n    out = model(x)\n    cam(1, out)\n", ""),
    (
        "torchcam",
        TORCHCAM + "with GradCAM(model, 'relu') as cam:\n    with torch.no_grad():\n        out = model(x)\n    cam(1, out)\n",
        "grad-disabled",
    ),
    ("torchattacks", FREEZE + ATTACK + "attack(x, torch.tensor([1]))\n", ""),
    ("torchattacks", ATTACK + "with torch.no_grad():\n    attack(x, torch.tensor([1]))\n", "grad-disabled"),
    ("accelerate", ACCELERATE + "accelerator.backward(model(x).sum())\n", ""),
    ("accelerate", ACCELERATE + "accelerator.backward(model(x).sum().detach())\n", "detach"),
    ("torchvision", COMPOSED.format("T.Resize(8), T.Lambda(lambda t: t.detach())"), "detach"),
    ("torchvision", COMPOSED.format("T.ToPILImage(), T.ToTensor()"), "numpy-round-trip"),
    ("torchvision", COMPOSED.format("T.Resize(8), lambda t: t + 1, T.Normalize([0.5] * 3, [0.5] * 3)"), ""),
    ("apex", APEX + "with amp.scale_loss(model(x).sum(), optimizer) as loss:\n    loss.backward()\n", ""),
    ("apex", APEX + "with amp.scale_loss(model(x).sum().detach(), optimizer) as loss:\n    loss.backward()\n", "detach"),
    ("torch", "torch.amp.GradScaler('cpu').scale(model(x).sum()).backward()\n", ""),
    ("torch", "torch.amp.GradScaler('cpu').scale(model(x).sum().detach()).backward()\n", "detach"),
]


@pytest.mark.parametrize(("library", "program", "rule"), PROGRAMS)
def test_what_is_found(tmp_path: Path, library: str, program: str, rule: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + program, encoding="utf-8")
    report = api.check([file])
    assert [f.rule for f in report.findings] == ([rule] if rule else [])
    assert report.summary.demands.undecided == 0


@pytest.mark.models
@pytest.mark.parametrize(("library", "program", "rule"), PROGRAMS)
def test_what_happens(library: str, program: str, rule: str) -> None:
    declared = library_scene.operators()
    pytest.importorskip(library, exc_type=ImportError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rule:
            with pytest.raises(RuntimeError):
                exec(HEAD + program, {"__name__": "program"})
        else:
            exec(HEAD + program, {"__name__": "program"})
    assert declared


HOOKS = """\
import torch, torch.nn as nn
import lightning as L
class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)
    def training_step(self, batch, i):
        return {STEP}
    def validation_step(self, batch, i):
        x = batch.clone().requires_grad_(True)
        return torch.autograd.grad({EVALUATED}, x)
"""


@pytest.mark.parametrize(
    ("step", "evaluated", "rules"),
    [
        ("self.fc(batch).mean()", "self.fc(x).sum()", ["library-cut"]),
        ("self.fc(batch).mean().detach()", "self.fc(x).sum()", ["detach", "library-cut"]),
        ("{'loss': self.fc(batch).mean().detach()}", "self.fc(x).sum()", ["detach", "library-cut"]),
        ("{'loss': self.fc(batch).mean()}", "self.fc(x).sum()", ["library-cut"]),
    ],
)
def test_lightning(tmp_path: Path, step: str, evaluated: str, rules: list[str]) -> None:
    file = tmp_path / "lit.py"
    file.write_text(HOOKS.replace("{STEP}", step).replace("{EVALUATED}", evaluated), encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == rules

#: what such a library makes has parameters of its own, or gives back the output of the model: silence, though nothing is proved
SILENT = [
    (
        "peft",
        FREEZE + "import peft\nnet = peft.get_peft_model(model, peft.LoraConfig(target_modules=['fc']))\nnet(x).sum().backward()\n",
    ),
    (
        "pytorch_grad_cam",
        "from pytorch_grad_cam import ActivationsAndGradients\n"
        "ActivationsAndGradients(model, [model.relu], None)(x).sum().backward()\n",
    ),
]


@pytest.mark.parametrize(("library", "program"), SILENT)
def test_silence(tmp_path: Path, library: str, program: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(HEAD + program, encoding="utf-8")
    assert not api.check([file]).findings


@pytest.mark.models
@pytest.mark.parametrize(("library", "program"), SILENT)
def test_silence_is_right(library: str, program: str) -> None:
    declared = library_scene.operators()
    pytest.importorskip(library, exc_type=ImportError)
    exec(HEAD + program, {"__name__": "program"})
    assert declared


MEASURED = """\
import torch, torch.nn as nn
import lightning as L
class Criterion(nn.Module):
    def size(self, loss, weight):
        return torch.autograd.grad(loss, weight, retain_graph=True)[0].detach().norm()
    def measure(self, out, weight):
        scale = self.size(out.sum(), weight) if {CONDITION} else 1.0
        return out.sum() * scale
class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 1)
        self.criterion = Criterion()
    def validation_step(self, batch, i):
        return self.criterion.measure(self.fc(batch), self.fc.weight)
"""


@pytest.mark.parametrize(
    ("condition", "rules"), [("self.training", []), ("not self.training", ["library-cut"]), ("True", ["library-cut"])]
)
def test_a_model_that_lightning_measures_does_not_train(tmp_path: Path, condition: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(MEASURED.replace("{CONDITION}", condition), encoding="utf-8")
    assert [f.rule for f in api.check([file]).findings] == rules
