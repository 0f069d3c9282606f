"""Which layers of torch.nn have parameters is what torch says: of their own, of the layers they are made of, or none."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from gradlint.api import check
from gradlint.catalog import Catalog
from gradlint.config import Config
from gradlint.static.layers import COMPOSED, WRAPPERS
from gradlint.static.sizes import NUMBERS, TUPLES

LAYER = "nn.TransformerEncoderLayer(4, 2)"
ARGUMENTS = {
    "AdaptiveLogSoftmaxWithLoss": "4, 10, [3, 6]",
    "Bilinear": "3, 3, 2",
    "LinearCrossEntropyLoss": "4, 10",
    "Transformer": "4, 2, 1, 1, 8",
    "TransformerDecoder": "nn.TransformerDecoderLayer(4, 2), 2",
    "TransformerEncoder": f"{LAYER}, 2",
}
CONTAINERS = {"Container", "Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"}
GUESSES = ("", "4", "4, 2", "4, 2, 1", "4, 4, 4")


def _layers() -> Iterator[tuple[str, nn.Module]]:
    """Every layer that can be made from small numbers."""
    for name, cls in vars(nn).items():
        if (
            not (inspect.isclass(cls) and issubclass(cls, nn.Module))
            or name in CONTAINERS
            or f"torch.nn.{name}" in WRAPPERS
        ):
            continue
        for arguments in [ARGUMENTS[name]] if name in ARGUMENTS else GUESSES:
            try:
                made = eval(f"nn.{name}({arguments})", {"nn": nn})
            except (TypeError, ValueError, RuntimeError, AssertionError, NotImplementedError):
                continue
            yield name, made
            break


CATALOG = Catalog.load()
MADE = {name: any(True for _ in made.parameters()) for name, made in _layers()}


def test_most_layers_were_made() -> None:
    assert len(MADE) > 120


@pytest.mark.parametrize("name", MADE)
def test_a_layer_has_parameters_where_torch_gives_it_some(name: str) -> None:
    row = CATALOG.row(f"torch.nn.{name}")
    known = row is None or bool(row.parameters) or f"torch.nn.{name}" in COMPOSED

    assert known or not MADE[name]


def _plain() -> dict[str, set[str]]:
    """The attributes of all layers that are plain data, with the layers that have them."""
    found: dict[str, set[str]] = {}
    for name, made in _layers():
        for key, value in vars(made).items():
            if not key.startswith("_") and isinstance(value, (bool, int, float, str, tuple)):
                found.setdefault(key, set()).add(name)
    return found


def test_what_is_plain_data_in_a_layer_is_known_to_be() -> None:
    plain = _plain()
    others = {"training", "bias", "name", "module", "activation_relu_or_gelu"}

    assert plain.keys() - others <= NUMBERS | TUPLES
    assert "weight" not in NUMBERS | TUPLES


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_a_composed_layer_is_trained_and_can_be_frozen(name: str, tmp_path: Path) -> None:
    short = name.rpartition(".")[2]
    arguments = ARGUMENTS.get(short, "4, 2")
    given = "x, torch.tensor([0, 4, 8])" if short.endswith("Loss") else "x" if "Encoder" in short else "x, x"
    size = "3, 4" if short.endswith("Loss") else "2, 3, 4"
    taken = ".loss" if short.startswith("Adaptive") else ".sum()"
    head = f"import torch\nfrom torch import nn\n\nlayer = nn.{short}({arguments})\nx = torch.randn({size})\n"
    frozen = "for p in layer.parameters():\n    p.requires_grad = False\n"
    ask = f"layer({given}){taken}.backward()\n"
    scope: dict[str, object] = {}
    exec(compile(head + ask, "live.py", "exec"), scope)
    assert all(p.grad is not None for p in scope["layer"].parameters())  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="does not require grad"):
        exec(compile(head + frozen + ask, "frozen.py", "exec"), {})

    (tmp_path / "live.py").write_text(head + ask)
    (tmp_path / "frozen.py").write_text(head + frozen + ask)

    found = [(f.rule, Path(f.file).name) for f in check([tmp_path], Config()).findings]
    assert found == (
        [] if short.startswith("Adaptive") else [("no-graph", "frozen.py")]
    )  # its result has fields: nothing is known of them
