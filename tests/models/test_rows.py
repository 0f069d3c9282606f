"""Proof of the rows: every one that can be called here is called, and autograd says whether it is right.

torch.toml is observed again and compared; core.toml, numpy.toml and python.toml are called as `canned` says.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gradlint.catalog import Row, read_models
from tests.models import canned, generate
from tests.models.canned import expression, scene
from tests.models.observe import Seen, observe, tensors

#: what a call on a tensor that requires grad raises where the row says that it raises
RAISED = (RuntimeError, TypeError, BufferError)
#: results that are never the same twice
UNSET = ("empty", "rng", "random")
KINDS: dict[str, tuple[type, ...]] = {
    "tensor": (Tensor,), "array": (np.ndarray, np.generic, tuple, list), "number": (int, float, complex, np.generic),
    "none": (type(None),), "list": (list, tuple), "tensors": (list, tuple), "scalar": (object,), "unknown": (object,),
    "instance": (object,), "self": (Tensor,),
}  # fmt: skip


def named_rows(*stems: str) -> list[tuple[str, Row]]:
    """Every name of hand-written files with its row; aliases too."""
    return sorted(read_models([generate.MODELS / f"{stem}.toml" for stem in stems]).items())


def parameters(*stems: str, module: bool = False) -> list[Any]:
    """The rows as parameters of a test; what cannot be run is skipped with its reason."""
    return [_parameter(name, row) for name, row in named_rows(*stems) if row.module == module]


def _parameter(name: str, row: Row) -> Any:
    above = [f"{'.'.join(name.split('.')[:depth])}.*" for depth in range(1, name.count(".") + 1)]
    reason = next((canned.NOT_RUN[key] for key in (name, *above, row.name) if key in canned.NOT_RUN), "")
    return pytest.param(name, row, id=name, marks=[pytest.mark.skip(reason=reason)] if reason else [])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_generated_rows_are_what_torch_does() -> None:
    said: list[object] = []
    assert generate.main([], said.append) == 0, said


def test_every_reason_has_a_row() -> None:
    names = [name for name, _ in named_rows("core", "numpy", "python")]
    assert not [key for key in canned.NOT_RUN if not any(name.startswith(key.removesuffix("*")) for name in names)]


@pytest.mark.parametrize(("name", "row"), parameters("core", "python"))
def test_row(name: str, row: Row) -> None:
    text = expression(name, is_attribute)
    if row.raises:
        with pytest.raises(RAISED):
            scene().run(text)
        check_kind(row, scene(kind="dead").run(text))
        return
    here = scene()
    result = here.run(text)
    check_kind(row, result)
    if row.flow == "constant":
        check_constant(name, text)
    elif row.returns in ("tensor", "tensors"):
        check_flow(row, text)
    else:
        assert not any(out.requires_grad for out in tensors(result)) or row.flow == "carries"
    if row.factory:
        assert here.run(_with_flag(text)).requires_grad


@pytest.mark.parametrize(("name", "row"), parameters("core", module=True))
def test_module(name: str, row: Row) -> None:
    word = name.rpartition(".")[2]
    build, _, given = canned.MODULES.get(word, f"nn.{word}()|x").partition("|")
    here = scene()
    module = here.run(build)
    result = module(*here.run(f"[{given}]"))
    assert set(row.parameters) == {key for key in module._parameters if key in row.parameters}
    assert row.parameters or not module._parameters
    leaves = [*here.leaves.values(), *module._parameters.values()]
    seen = observe(lambda: result, [leaf for leaf in leaves if leaf is not None], list(tensors(here.names)))
    check_outputs(row, seen)
    assert bool(row.saves) == bool(seen.saves) or not row.saves


@pytest.mark.parametrize(("name", "row"), parameters("numpy"))
def test_numpy(name: str, row: Row) -> None:
    text = expression(name, is_attribute)
    method = name.startswith("numpy.ndarray.")
    if row.raises:
        with pytest.raises(RAISED):
            scene().run(text)
    elif row.flow == "carries" and not method:
        check_flow(row, text)
        return
    elif not method:
        assert not any(out.requires_grad for out in tensors(_try(text)))
    result = scene(kind="array").run(text)
    check_kind(row, result)
    if row.flow == "constant" and row.returns == "array":
        check_constant(name, text, "array")


def is_attribute(name: str) -> bool:
    """Whether a method-like name is an attribute."""
    owner: type = np.ndarray if name.startswith("numpy") else Tensor
    return not callable(getattr(owner, name.rpartition(".")[2]))


def check_kind(row: Row, result: object) -> None:
    """The result is of the kind that the row returns."""
    if row.outputs:
        assert isinstance(result, tuple)
        assert len(result) == len(row.outputs)
        return
    assert isinstance(result, KINDS[row.returns])
    assert row.returns != "scalar" or not isinstance(result, Tensor)


def check_constant(name: str, text: str, kind: Any = "live") -> None:
    """The result requires no grad, and other values give the same result."""
    first, second = scene(kind=kind).run(text), scene(5, kind).run(text)
    outs = [*tensors(first)]
    assert not any(out.requires_grad for out in outs)
    if not any(word in name for word in UNSET):
        assert all(torch.equal(a, b) for a, b in zip(outs, tensors(second), strict=True))
        assert not isinstance(first, np.ndarray) or np.array_equal(first, second)


def check_flow(row: Row, text: str) -> None:
    """Autograd's answer is the row's, for the outputs and for the arguments."""
    if not leaf_names(ast.parse(text)):
        return  # made of an array: nothing to ask autograd
    here = scene()
    names = list(here.leaves)
    held = list(tensors(here.names))
    seen = observe(lambda: here.run(text), list(here.leaves.values()), held)
    check_outputs(row, seen)
    if "carries" in (row.outputs or (row.flow,)):
        assert {names[place] for place in seen.reached} == carrying(row, text)
    assert row.inplace or row.view == seen.view
    assert bool(row.saves) == bool(seen.saves)
    again = scene()
    assert not row.inplace or again.run(text) is again.names["x"]


def check_outputs(row: Row, seen: Seen) -> None:
    """The flow of every output is the row's."""
    if row.outputs:
        told = ["cuts" if flow == "constant" else flow for flow in row.outputs]
        assert ["cuts" if flow == "error" else flow for flow in seen.flows[: len(told)]] == told
        assert not row.fields or seen.fields in ((), row.fields)
    else:
        assert {"cuts" if flow == "error" else flow for flow in seen.flows} == {row.flow}


def carrying(row: Row, text: str) -> set[str]:
    """The leaves that should get a gradient: those in the arguments that carry."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not (row.inputs or row.select):
        return leaf_names(call)
    is_method = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id in "xysvq"
    given = [("self", call.func)] if is_method else []
    given += list(zip(row.signature, call.args, strict=False)) + [(word.arg or "", word.value) for word in call.keywords]
    chosen = [node for name, node in given if name in row.inputs or (not row.inputs and name not in row.select)]
    return {name for node in chosen for name in leaf_names(node)}


def leaf_names(node: ast.AST) -> set[str]:
    """The names of leaves in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & set(scene().leaves)


def _with_flag(text: str) -> str:
    return text.removesuffix(")") + (", requires_grad=True)" if not text.endswith("(x)") else ", requires_grad=True)")


def _try(text: str) -> object:
    """The result on tensors that require grad, if NumPy takes them at all."""
    try:
        return scene().run(text)
    except (TypeError, ValueError):
        return None
