"""What `isinstance` says of torch's layers: torch is asked for every pair."""

from __future__ import annotations

import pytest
from torch import nn

from gradlint.static.lineage import derives

LAYERS = {name: found for name, found in vars(nn).items() if isinstance(found, type) and issubclass(found, nn.Module)}


@pytest.mark.parametrize("name", LAYERS)
def test_every_pair_of_layers_is_as_torch_has_it(name: str) -> None:
    told = {wanted: derives(f"torch.nn.{name}", f"torch.nn.{wanted}") for wanted in LAYERS}
    assert told == {wanted: issubclass(LAYERS[name], found) for wanted, found in LAYERS.items()}


def test_what_torch_does_not_own_is_not_known() -> None:
    assert derives("torchvision.models.ResNet", "torch.nn.Linear") is None
    assert derives("torch.nn.Linear", "timm.layers.Linear") is None
    assert derives("torch.nn.ModuleDict", "builtins.dict") is False
