"""Everything public in torch is described by a row, or stands in `unmodelled.toml` with its reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gradlint.catalog import Catalog, data_folder
from gradlint.static.words import DECLARING
from tests.models import pages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REASONS: dict[str, dict[str, list[str]]] = tomllib.loads(
    (Path(__file__).parent / "unmodelled.toml").read_text(encoding="utf-8")
)
SPACES: dict[str, ModuleType] = {
    "torch": torch, "torch.nn.functional": torch.nn.functional, "torch.linalg": torch.linalg, "torch.fft": torch.fft,
    "torch.special": torch.special,
}  # fmt: skip


def public() -> Iterator[str]:
    """The qualified names of all methods, functions and module classes that torch shows."""
    yield from (f"torch.Tensor.{name}" for name in dir(torch.Tensor) if not name.startswith("_"))
    for space, module in SPACES.items():
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value) and not isinstance(value, type):
                yield f"{space}.{name}"
    for name, value in vars(torch.nn).items():
        if isinstance(value, type) and issubclass(value, torch.nn.Module):
            yield f"torch.nn.{name}"


def test_everything_public_is_modelled_or_has_a_reason() -> None:
    listed = {name for reason in REASONS.values() for name in reason["names"]}
    catalog = Catalog.load()
    assert sorted(name for name in public() if catalog.row(name) is None and name not in listed) == []


def test_no_reason_for_what_is_modelled() -> None:
    catalog = Catalog.load()
    assert [name for reason in REASONS.values() for name in reason["names"] if catalog.row(name) is not None] == []


def test_the_gate_knows_every_library_that_asks_for_a_gradient() -> None:
    asking = {row.name.split(".")[0] for row in Catalog.load().rows() if row.demand}
    assert {library for library in asking if not any(word in library for word in DECLARING)} == set()
    assert {word for word in DECLARING if not any(word in library for library in asking)} == set()


@pytest.mark.parametrize("slug", pages.CAUSES)
def test_the_rule_pages_list_what_the_models_know(slug: str) -> None:
    page = (data_folder() / f"{slug}.md").read_text(encoding="utf-8")
    assert page == pages.text(slug), "python -m tests.models.pages"
    assert "\n- torch: `torch." in page
