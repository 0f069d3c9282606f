"""Released attribution tools under the tracer: the same results bit by bit and no finding; a cut in the model's forward is named.

Runs where the tools are installed (`grad-cam`, `captum`, `torchcam`; torchvision's operators are declared first, because its wheel
may not load beside a torch for the CPU); the project's own extras do not hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gradlint
from tests.models import library_scene

pytestmark = pytest.mark.models


class Net(nn.Module):
    """A small classifier; `cut` plants one between its two convolutions and its head."""

    def __init__(self, *, cut: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 4)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()
        self.cut = cut

    def forward(self, x: Any) -> Any:
        h = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        if self.cut:
            h = h.detach()  # planted
        return self.fc(self.pool(h).flatten(1))


PLANTED = next(i for i, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith("# planted"))


@pytest.fixture(scope="module", autouse=True)
def _operators() -> Any:
    return library_scene.operators()


def _net(*, cut: bool) -> tuple[Net, torch.Tensor]:
    torch.manual_seed(0)
    return Net(cut=cut).eval(), torch.rand(1, 3, 12, 12)


def grad_cam(name: str) -> Callable[[bool], Any]:
    def run(cut: bool) -> Any:
        tools = pytest.importorskip("pytorch_grad_cam")
        targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")

        net, image = _net(cut=cut)
        with getattr(tools, name)(model=net, target_layers=[net.conv2]) as cam:
            return torch.from_numpy(cam(input_tensor=image, targets=[targets.ClassifierOutputTarget(1)]))

    return run


def captum(name: str) -> Callable[[bool], Any]:
    def run(cut: bool) -> Any:
        tools = pytest.importorskip("captum.attr")
        net, image = _net(cut=cut)
        method = getattr(tools, name)
        tool = method(net, net.conv2) if name.startswith(("Layer", "GuidedGrad")) else method(net)
        return tool.attribute(image.requires_grad_(), target=1)

    return run


def torchcam(name: str) -> Callable[[bool], Any]:
    def run(cut: bool) -> Any:
        tools = pytest.importorskip("torchcam.methods")
        net, image = _net(cut=cut)
        with getattr(tools, name)(net, net.conv2) as extractor:
            return extractor(1, net(image))[0]

    return run


GRAD_CAM = [
    "GradCAM",
    "HiResCAM",
    "GradCAMPlusPlus",
    "XGradCAM",
    "LayerCAM",
    "GradCAMElementWise",
    "EigenGradCAM",
    "ScoreCAM",
]
CAPTUM = ["Saliency", "InputXGradient", "IntegratedGradients", "GuidedBackprop", "Deconvolution", "DeepLift", "LayerGradCam",
          "LayerGradientXActivation", "LayerIntegratedGradients", "GuidedGradCam"]  # fmt: skip
TORCHCAM = ["GradCAM", "GradCAMpp", "SmoothGradCAMpp", "XGradCAM", "LayerCAM", "ScoreCAM"]
CASES = [*((f"grad-cam {n}", grad_cam(n)) for n in GRAD_CAM), *((f"captum {n}", captum(n)) for n in CAPTUM),
         *((f"torchcam {n}", torchcam(n)) for n in TORCHCAM)]  # fmt: skip
#: methods that need no gradient
WITHOUT = ("ScoreCAM",)
DIFFERENTIATING = [case for case in CASES if not case[0].endswith(WITHOUT)]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(("name", "method"), CASES, ids=[n for n, _ in CASES])
def test_the_results_are_the_same_and_nothing_is_found(name: str, method: Callable[[bool], Any]) -> None:
    plain = method(False)
    with gradlint.trace() as t:
        traced = method(False)
    assert torch.equal(plain, traced)
    assert t.findings == ()


@pytest.mark.parametrize(
    ("name", "method"),
    [c for c in CASES if not c[0].endswith(WITHOUT)],
    ids=[n for n, _ in CASES if not n.endswith(WITHOUT)],
)
def test_a_planted_cut_is_named(name: str, method: Callable[[bool], Any]) -> None:
    with suppress(Exception), gradlint.trace() as t:
        method(True)
    places = {
        (f.rule, f.range.start.line, f.range.start.column) for f in t.findings if f.file.endswith("test_tools.py")
    }
    assert ("detach", PLANTED, 17) in places, (t, t.run.raised)
