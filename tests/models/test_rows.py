"""Proof of the rows: every one that can be called here is called, and autograd says whether it is right.

torch.toml is observed again and compared; core.toml, numpy.toml and python.toml are called as `canned` says.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from gradlint.catalog import Row, read_models
from tests.models import canned, generate
from tests.models.canned import expression, scene
from tests.models.observe import Seen, needed, observe, tensors

#: what a call on a tensor that requires grad raises where the row says that it raises
RAISED = (RuntimeError, TypeError, BufferError)
#: results that are never the same twice
UNSET = ("empty", "rng", "random", "ndarray")
KINDS: dict[str, tuple[type, ...]] = {
    "tensor": (Tensor,), "array": (np.ndarray, np.generic, tuple, list), "number": (int, float, complex, np.generic),
    "none": (type(None),), "list": (list, tuple), "tensors": (list, tuple), "self": (Tensor,),
}  # fmt: skip


def named_rows(*stems: str) -> list[tuple[str, Row]]:
    """Every name of hand-written files with its row; aliases too."""
    return sorted(read_models([generate.MODELS / f"{stem}.toml" for stem in stems]).items())


def parameters(*stems: str, module: bool = False) -> list[Any]:
    """The rows as parameters of a test; what cannot be run is skipped with its reason."""
    return [_parameter(name, row) for name, row in named_rows(*stems) if row.module == module]


def _parameter(name: str, row: Row) -> Any:
    above = [f"{'.'.join(name.split('.')[:depth])}.*" for depth in range(1, name.count(".") + 1)]
    gone = f"removed from torch after {row.until}" if row.until else ""
    reason = gone or next((canned.NOT_RUN[key] for key in (name, row.name, *above) if key in canned.NOT_RUN), "")
    return pytest.param(name, row, id=name, marks=[pytest.mark.skip(reason=reason)] if reason else [])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.models
def test_generated_rows_are_what_torch_does() -> None:
    said: list[object] = []
    assert generate.main([], said.append) == 0, said


def test_every_entry_belongs_to_a_row() -> None:
    names = [name for name, _ in named_rows("core", "numpy", "python")]
    words = {name.rpartition(".")[2] for name in names}
    assert not [key for key in canned.NOT_RUN if not any(name.startswith(key.removesuffix("*")) for name in names)]
    assert not set(canned.TABLES["calls"]) - set(names)
    assert not {word for table in ("arguments", "numpy", "python", "modules") for word in canned.TABLES[table]} - words


@pytest.mark.models
@pytest.mark.parametrize(("name", "row"), parameters("core", "python"))
def test_row(name: str, row: Row) -> None:
    text = expression(name)
    if row.raises:
        with pytest.raises(RAISED):
            scene().run(text)
        check_kind(row, scene(kind="dead").run(text))
        return
    result = scene().run(text)
    check_kind(row, result)
    if row.flow == "constant":
        check_constant(name, text)
    elif row.returns in ("tensor", "tensors"):
        check_flow(row, text)
    elif row.flow != "carries":
        assert not any(out.requires_grad for out in tensors(result))
    check_keeps(row, text)
    if row.factory:
        assert scene().run(f"{text.removesuffix(')')}, requires_grad=True)").requires_grad


@pytest.mark.models
@pytest.mark.parametrize("text", ["torch.div(x, y)", "torch.div(x, y, rounding_mode=None)", "x.divide(y)"])
def test_division_without_a_rounding_mode(text: str) -> None:
    row = dict(named_rows("core"))["torch.div"]
    here = scene()
    leaves = [here.leaves["x"], here.leaves["y"]]
    seen = observe(lambda: here.run(text), leaves, list(tensors(here.names)))
    assert (set(seen.flows), bool(seen.saves)) == ({row.flow}, bool(row.saves))
    asking = {"0": leaves[:1], "1": leaves[1:]}
    names = {"x": here.leaves["x"], "y": here.leaves["y"]}
    found = needed(lambda: eval(text, {"torch": torch}, names), {"0": leaves[0], "1": leaves[1]}, asking)
    assert {f"{what}:{who}" for who, kept in found.items() for what in kept} == set(row.keeps)


@pytest.mark.models
@pytest.mark.parametrize(("name", "row"), parameters("core", module=True))
def test_module(name: str, row: Row) -> None:
    build, given = canned.building(name.rpartition(".")[2])
    here = scene()
    module = here.run(build)
    result = module(*here.run(f"[{given}]"))
    assert bool(row.parameters) == bool(module._parameters)
    assert set(row.parameters) <= set(module._parameters)
    leaves = [leaf for leaf in (*here.leaves.values(), *module._parameters.values()) if leaf is not None]
    seen = observe(lambda: result, leaves, list(tensors(here.names)))
    check_outputs(row, seen)
    assert not row.saves or seen.saves


@pytest.mark.models
@pytest.mark.parametrize(("name", "row"), parameters("numpy"))
def test_numpy(name: str, row: Row) -> None:
    text = expression(name)
    method = name.startswith("numpy.ndarray.")
    if row.raises:
        with pytest.raises(RAISED):
            scene().run(text)
    elif not method and row.flow == "carries":
        check_flow(row, text)
        return
    elif not method:
        assert not any(out.requires_grad for out in tensors(_on_tensors(text)))
    check_kind(row, scene(kind="array").run(text))
    if row.flow == "constant" and row.returns == "array":
        check_constant(name, text, "array")


def check_kind(row: Row, result: object) -> None:
    """The result is of the kind that the row returns."""
    if len(row.outputs) > 1:
        assert isinstance(result, tuple)
        assert len(result) == len(row.outputs)
    elif row.returns == "scalar":
        assert not isinstance(result, Tensor)
    else:
        assert isinstance(result, KINDS.get(row.returns, object))


def check_constant(name: str, text: str, kind: Literal["live", "array"] = "live") -> None:
    """The result requires no grad, and other values give the same result."""
    first, second = scene(kind=kind).run(text), scene(5, kind).run(text)
    outs = list(tensors(first))
    assert not any(out.requires_grad for out in outs)
    if not any(word in name for word in UNSET):
        assert all(torch.equal(a, b) for a, b in zip(outs, tensors(second), strict=True))
        assert not isinstance(first, np.ndarray) or np.array_equal(first, second)


def check_flow(row: Row, text: str) -> None:
    """Autograd's answer is the row's: for the outputs, for the arguments, for what is shared and kept."""
    if not leaf_names(ast.parse(text)):
        return  # made of an array: nothing to ask autograd
    here, again = scene(), scene()
    names = list(here.leaves)
    seen = observe(lambda: here.run(text), list(here.leaves.values()), list(tensors(here.names)))
    check_outputs(row, seen)
    if "carries" in (row.outputs or (row.flow,)):
        assert {names[place] for place in seen.reached} == carrying(row, text)
    assert row.inplace or row.view == seen.view
    assert len(row.outputs) == 1 or bool(row.saves) == bool(seen.saves)  # what is kept otherwise, where another flow is asked for
    assert not row.inplace or again.run(text) is again.names["x"]


def check_keeps(row: Row, text: str) -> None:
    """What a row of one tensor keeps cannot be changed before the backward."""
    if row.keeps and not row.when:
        here = scene()
        only = min(leaf_names(ast.parse(text)))
        broken = needed(lambda: here.run(text), {"0": here.names[only]}, {"0": [here.leaves[only]]})
        assert {pair.partition(":")[0] for pair in row.keeps} == broken["0"]


def check_outputs(row: Row, seen: Seen) -> None:
    """The flow of every output is the row's; a derivative that torch lacks is a cut."""
    flows = ["cuts" if flow == "error" else flow for flow in seen.flows]
    if row.outputs:
        assert flows[: len(row.outputs)] == ["cuts" if flow == "constant" else flow for flow in row.outputs]
        assert not row.fields or seen.fields in ((), row.fields)
    else:
        assert set(flows) == {row.flow}


def carrying(row: Row, text: str) -> set[str]:
    """The leaves that should get a gradient: those in the arguments that carry."""
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not row.inputs:
        return leaf_names(call)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call
    given: list[tuple[str, ast.expr]] = [("self", owner)] if isinstance(owner, ast.Name) else []
    given += zip(row.signature, call.args, strict=False)
    given += [(word.arg or "", word.value) for word in call.keywords]
    return {name for parameter, node in given if parameter in row.inputs for name in leaf_names(node)}


def leaf_names(node: ast.AST) -> set[str]:
    """The names of leaves in an expression."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & set(scene().leaves)


def _on_tensors(text: str) -> object:
    """The result on tensors that require grad, None where NumPy refuses any tensor."""
    try:
        return scene().run(text)
    except (TypeError, ValueError):
        return None
