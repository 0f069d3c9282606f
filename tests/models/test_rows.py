"""Proof of the rows: every one that can be called here is called, and autograd says whether it is right.

torch.toml is observed again and compared; core.toml, numpy.toml and python.toml are called as `canned` says.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradlint.catalog import Row, read_models
from tests.models import canned, generate
from tests.models.canned import Scene, expression, scene
from tests.models.observe import observe, tensors

RAISES = (RuntimeError, TypeError, BufferError)
UNSET = ("empty", "seed", "rng", "ndarray")  #: their results are never the same twice, or no result at all


def rows(*stems: str) -> list[tuple[str, Row]]:
    """Every name of the hand-written rows with its row, aliases too."""
    found = read_models([generate.MODELS / f"{stem}.toml" for stem in stems])
    return sorted(found.items())


def runnable(*stems: str) -> list[Any]:
    """The rows as parameters of a test; what cannot be run is skipped with its reason."""
    return [_parameter(name, row) for name, row in rows(*stems)]


def _parameter(name: str, row: Row) -> Any:
    space = f"{name.rpartition('.')[0]}.*"
    above = f"{space.removesuffix('.*').rpartition('.')[0]}.*"
    reason = next((canned.NOT_RUN[key] for key in (name, space, above) if key in canned.NOT_RUN), "")
    return pytest.param(name, row, id=name, marks=[pytest.mark.skip(reason=reason)] if reason else [])


def test_generated_rows_are_what_torch_does() -> None:
    said: list[object] = []
    assert generate.main([], said.append) == 0, said


def test_no_reason_without_a_row() -> None:
    names = [name for name, _ in rows("core", "numpy", "python")]
    stale = [key for key in canned.NOT_RUN if not any(name == key or name.startswith(key.removesuffix("*")) for name in names)]
    assert not stale


@pytest.mark.parametrize(("name", "row"), [p for p in runnable("core", "python") if not p.values[1].module])
def test_flow(name: str, row: Row) -> None:
    here = scene()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.raises:
            _raises_on_grad(name)
            here = scene(requires_grad=False)
        result = here.run(expression(name, _is_attribute))
        _check_kind(row, result, here)
        if row.flow == "constant":
            _check_constant(name)
        elif not row.raises and _observable(row, name):
            _check_flow(name, row)
