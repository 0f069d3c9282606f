"""A frozen model that outside code was given: it may hold trainable adapters from then on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import Task, run
from gradlint.config import Config, Loaded

SCRIPT = """
import torch
from torch import nn
{imports}

model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
for parameter in model.parameters():
    parameter.requires_grad = False
{call}
loss = model(torch.rand(2, 3)).sum()
loss.backward()
"""


def rules(folder: Path, imports: str, call: str) -> list[str]:
    """The rules of what is said about the script with that call between the freezing and the forward pass."""
    (folder / "main.py").write_text(SCRIPT.format(imports=imports, call=call))
    return [f.rule for f in run(Task((str(folder),), Loaded(Config(), folder))).report.findings]


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from peft import LoraConfig, get_peft_model", "wrapped = get_peft_model(model, LoraConfig())"),
        ("import loralib", "loralib.mark_only_lora_as_trainable(model)"),
        ("import adapters_of_somebody as adapters", "adapters.inject(model, rank=4)"),
        ("import adapters_of_somebody as adapters", "adapters.retrieval(model)"),
    ],
)
def test_adapters_may_be_trainable(tmp_path: Path, imports: str, call: str) -> None:
    assert rules(tmp_path, imports, call) == []


@pytest.mark.parametrize("call", ["torchinfo.summary(model)", "torchinfo.count_parameters(model)", "print(model)"])
def test_what_only_looks_frees_nothing(tmp_path: Path, call: str) -> None:
    assert rules(tmp_path, "import torchinfo", call) == ["no-graph"]
