"""Right programs about things that are not known or not installed: nothing is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import Task, run
from gradlint.config import Config, Loaded

HEAD = "import torch\nfrom torch import autograd, nn\n"
ATTACK = """caught = None

def attack(model, inputs, layer, steps):
    adversarial = inputs.clone().detach()
    adversarial.requires_grad = True

    def keep(module, given, output):
        global caught
        caught = output

    handle = layer.register_forward_hook(keep)
    with torch.no_grad():
        model(inputs)
        clean = caught.clone().detach()
    for _ in range(steps):
        model(adversarial)
        loss = (caught - clean).pow(2).sum()
        model.zero_grad()
        loss.backward()
        adversarial = (adversarial + adversarial.grad.sign()).clone().detach()
        adversarial.requires_grad = True
    handle.remove()
    return adversarial
"""
PROGRAMS = {
    "what an unknown model gave under no_grad is made a leaf": """
class Trainer:
    def __init__(self, generator, critic):
        self.generator, self.critic = generator, critic

    def step(self, noise):
        for p in self.generator.parameters():
            p.requires_grad_(False)
        with torch.no_grad():
            fake, mask = self.generator(noise)
        fake.requires_grad_()
        mask.requires_grad = True
        score = self.critic(fake * mask).sum()
        first, second = autograd.grad(score, [fake, mask], create_graph=True)
        (first.pow(2).mean() + second.pow(2).mean()).backward()
""",
    "a weight of a library model is switched on again": """
import torchvision

model = torchvision.models.resnet18()
for p in model.parameters():
    p.requires_grad = False
model.fc.weight.requires_grad = True
model.fc.bias.requires_grad = True
model(torch.randn(2, 3, 32, 32)).sum().backward()
""",
    "weights of a library model in a list": """
from transformers import AutoModelForCausalLM

def weights(model, layer):
    return model.model.layers[layer].self_attn.q_proj.weight, model.model.layers[layer].self_attn.q_proj.bias

model = AutoModelForCausalLM.from_pretrained("any")
for p in model.parameters():
    p.requires_grad = False
for p in weights(model, 0):
    p.requires_grad = True
model(torch.ones(1, 3)).logits.sum().backward()
""",
    "a number measured by an unknown model is a baseline": """
def measured(model, batch):
    return model(batch)[:, 0].mean()

def train(model, net, batch):
    with torch.no_grad():
        baseline = measured(model, batch).item()
    loss = net(batch).mean() - baseline
    loss.backward()
""",
    "what a wrapped environment says may be of any kind": """
import gymnasium

class Wrapped(gymnasium.Wrapper):
    def kind(self):
        return super().action_space

def encode(space, action):
    if isinstance(space, gymnasium.spaces.Box):
        return action
    if isinstance(space, gymnasium.spaces.Discrete):
        return action.argmax(-1)
    with torch.no_grad():
        return action * 1.0

space = Wrapped(gymnasium.make("any")).kind()
actor, critic = nn.Linear(4, 3), nn.Linear(3, 1)
action = actor(torch.randn(2, 4))
score = critic(encode(space, action))
print(autograd.grad(score.sum(), action)[0])
""",
    "a method that subclasses give": """
from abc import ABC, abstractmethod

class Base(ABC):
    def __init__(self, model):
        self.model = model
        self.scaler = torch.amp.GradScaler("cuda")

    @abstractmethod
    def loss(self, batch):
        pass

    def penalty(self):
        return torch.tensor(0.0)

    def weight(self):
        raise NotImplementedError

    def train(self, loader, steps):
        for batch in loader:
            self.scaler.scale(self.loss(batch) / steps).backward()
            self.penalty().backward()
            (self.loss(batch) * self.weight()).backward()
""",
    "an object that one setting chose, in the branch of another": """
import json

class Guided:
    def __init__(self, model):
        self.model = model

    def residual(self, x):
        x.requires_grad = True
        return autograd.grad(self.model(x).pow(2).mean(), x)[0]

class Plain(Guided):
    def residual(self, x):
        return self.model(x)

settings = json.load(open("settings.json"))
model = nn.Linear(3, 3)
if settings["kind"] == "guided":
    residuals = Guided(model)
else:
    residuals = Plain(model)
print(residuals.residual(torch.randn(2, 3)))
with torch.no_grad():
    if settings["kind"] == "plain":
        print(residuals.residual(torch.randn(2, 3)))
""",
    "losses are added up for training and for a measure": """
def run(model, optimizer, criterion, inputs, labels, train):
    model.train(train)
    losses = 0
    for i in range(inputs.shape[0]):
        loss = criterion(model(inputs[i]), labels[i])
        if train:
            losses += loss
        else:
            losses += loss.item()
    total = losses / inputs.shape[0]
    if train:
        total.backward()
        optimizer.step()
    return total
""",
    "a loss that is kept to be told": """
class Uncertain(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_vars = nn.Parameter(torch.zeros(2))
        self.loss = None

    def forward(self, first, second):
        self.loss = (torch.exp(-self.log_vars) * torch.stack([first, second]) + self.log_vars).sum()
        return self.loss

    def get_loss(self):
        return torch.tensor([self.loss, torch.exp(-self.log_vars[0])])

def train(model, uncertain, inputs):
    outputs = model(inputs)
    uncertain(outputs.pow(2).mean(), outputs.abs().mean()).backward()
""",
    "a hook on a layer that was given beside the model": """
{ATTACK}""",
    "a hook on a layer of a library model that was found by a name": """
import sys
import torchvision

{ATTACK}
model = torchvision.models.resnet18()
layers = list(map(lambda name: (name, model._modules.get(name)), ["conv1", "layer1"]))
attack(model, torch.rand(2, 3, 32, 32), layers[int(sys.argv[1])][1], 3)
""",
}


@pytest.mark.parametrize("about", PROGRAMS)
def test_nothing_is_said(about: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    path = tmp_path / "program.py"
    path.write_text(HEAD + PROGRAMS[about].replace("{ATTACK}", ATTACK), encoding="utf-8")
    outcome = run(Task((str(path),), Loaded(Config(), tmp_path)))
    assert [f.message for f in outcome.report.findings if f.severity != "info"] == []
    assert outcome.report.summary.demands.found > 0
