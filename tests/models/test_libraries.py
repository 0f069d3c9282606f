"""Proof of the rows of libraries on top of torch: what is installed here is called; the rest is skipped.

torchvision from the package index may not import beside a torch for the CPU: its two operators are declared first.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
import torch

from gradlint.catalog import Catalog
from tests.models import canned
from tests.models.canned import Scene, scene
from tests.models.observe import observe, tensors

CALLS: dict[str, str] = canned.TABLES["libraries"]
pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module", autouse=True)
def _operators() -> Any:
    """What torchvision wants to find; kept alive as long as the tests run."""
    library: Any = torch.library.Library
    declared = library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with suppress(RuntimeError):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return declared


@pytest.mark.parametrize("name", sorted(CALLS))
def test_row(name: str) -> None:
    row = Catalog.load().row(name)
    assert row is not None
    here = _scene(name)
    if row.returns in ("array", "number", "image"):
        assert not any(out.requires_grad for out in tensors(_result(here, name)))
        return
    if row.returns in ("none", "scalar"):
        assert not list(tensors(here.run(CALLS[name])))
        return
    seen = observe(lambda: here.run(CALLS[name]), list(here.leaves.values()), list(tensors(here.names)))
    assert set(seen.flows) == {"cuts" if row.mode == "no-grad" else row.flow}


def _scene(name: str) -> Scene:
    here = scene()
    here.names[name.split(".")[0]] = _import(name)
    return here


def _import(name: str) -> ModuleType:
    """The library, and as much of the path as are modules."""
    parts = name.split(".")
    library: ModuleType = pytest.importorskip(parts[0], exc_type=ImportError)
    for end in range(2, len(parts)):
        with suppress(ImportError):
            importlib.import_module(".".join(parts[:end]))
    return library


def _result(here: Scene, name: str) -> Any:
    """What comes back: on tensors that require grad an export raises, so they are given without."""
    try:
        return here.run(CALLS[name])
    except (RuntimeError, TypeError):
        dead = scene(kind="dead")
        return Scene({**dead.names, name.split(".")[0]: here.names[name.split(".")[0]]}, {}).run(CALLS[name])
