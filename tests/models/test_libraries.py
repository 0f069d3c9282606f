"""Proof of the rows of libraries on top of torch: what is installed here is called as `libraries.toml` says; the rest is skipped.

A row that no call stands for must be marked unproved.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from torch import nn

from gradlint.catalog import Catalog, Row, data_folder, matches, read_models
from tests.models import library_scene
from tests.models.canned import Scene
from tests.models.observe import observe, tensors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Call(msgspec.Struct, frozen=True):
    """How the callables of some names are called."""

    names: tuple[str, ...]
    text: str = ""
    build: str = ""  #: makes a module
    given: str = ""  #: what it is called with


class Table(msgspec.Struct, frozen=True):
    """The file."""

    call: tuple[Call, ...]
    setup: dict[str, str] = {}
    former: dict[str, str] = {}  #: names or patterns that the release here no longer has
    not_run: dict[str, str] = msgspec.field(name="not-run", default_factory=dict)  #: and why


TABLE = msgspec.convert(
    tomllib.loads((Path(__file__).parent / "libraries.toml").read_text(encoding="utf-8")), Table
)
CALLS = {name: call for call in TABLE.call for name in call.names}
#: files whose rows are proved elsewhere
OWN = ("core", "numpy", "python", "torch")


def library_rows() -> Iterator[Row]:
    """Every row of a library, once."""
    for file in sorted((data_folder() / "models").glob("*.toml")):
        if file.stem not in OWN:
            yield from {row.name: row for row in read_models([file]).values()}.values()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module", autouse=True)
def _operators() -> Any:
    """What torchvision wants to find; kept alive as long as the tests run."""
    return library_scene.operators()


def test_every_row_has_a_call_or_is_unproved() -> None:
    called = {row.name for name in CALLS if (row := Catalog.load().row(name)) is not None}
    left = {*TABLE.not_run, *TABLE.former}
    open_ = [row.name for row in library_rows() if row.name not in called and not row.unproved]
    assert [name for name in open_ if not any(matches(key, name) for key in left)] == []


def test_every_name_has_a_call() -> None:
    """Each name of a row, or each pattern, is called, is gone from the release here, or stands in the list with its reason."""
    left = {*TABLE.not_run, *TABLE.former}
    missing = [
        name
        for row in library_rows()
        if not row.unproved
        for name in (row.name, *row.aliases)
        if name not in CALLS and not any(matches(key, name) for key in left) and not ("*" in name and _any_called(name))
    ]
    assert missing == []


def _any_called(pattern: str) -> bool:
    """Whether a call stands for a pattern."""
    return any(matches(pattern, name) for name in CALLS)


def test_every_call_belongs_to_a_row_of_its_library() -> None:
    assert [name for name in CALLS if Catalog.load().row(name) is None] == []


@pytest.mark.models
@pytest.mark.parametrize("name", sorted(CALLS))
def test_row(name: str) -> None:
    row = Catalog.load().row(name)
    assert row is not None
    call = CALLS[name]
    here = library_scene.made(name, TABLE.setup.get(name.split(".")[0], ""))
    if call.build:
        _module(here, row, _text(call.build, name), call.given)
    else:
        _proved(here, row, name, _text(call.text, name))


def _module(here: Scene, row: Row, build: str, given: str) -> None:
    """A module class: built, and called; the gradient goes back to its input and its parameters."""
    assert row.module or row.returns == "module"
    module = here.run(build)
    assert isinstance(module, nn.Module)
    result = here.run(f"dict(given=lambda f: f({given}))")["given"](module)
    inputs = list(here.leaves.values())
    parameters = [p for p in module.parameters() if p.requires_grad]
    seen = observe(lambda: result, [*inputs, *parameters], list(tensors(here.names)))
    assert "carries" in seen.flows
    assert any(place < len(inputs) for place in seen.reached)
    assert not parameters or any(place >= len(inputs) for place in seen.reached)


def _proved(here: Scene, row: Row, name: str, text: str) -> None:
    """Any other callable: what it gives, and what autograd says of that."""
    result = _result(here, name, text)
    found = list(tensors(result))
    if row.demand == "return":
        assert result is True
    elif row.module:
        assert isinstance(result, nn.Module)
    elif row.demand == "root":
        assert any(p.grad is not None for p in here.names["net"].parameters())
    elif row.returns == "given" and isinstance(result, nn.Module):
        assert [id(p) for p in result.parameters()] == [id(p) for p in here.names["net"].parameters()]
    elif row.returns in ("array", "number", "image"):
        assert not any(out.requires_grad for out in found)
    elif row.returns in ("none", "scalar", "instance", "module"):
        assert found == []
    elif row.mode == "no-grad" or row.flow == "constant":
        assert not any(out.requires_grad for out in found)
    elif row.flow != "unknown" and _live(here, text):
        seen = observe(lambda: result, list(here.leaves.values()), list(tensors(here.names)))
        assert tuple(seen.flows) == row.outputs if row.outputs else set(seen.flows) <= {row.flow}
        assert seen.flows or row.flow == "cuts"


def _live(here: Scene, text: str) -> bool:
    """Whether any tensor that requires grad goes into a call: of what is made of arrays there is nothing to ask."""
    words = {part.id for part in ast.walk(ast.parse(text)) if isinstance(part, ast.Name)}
    return any(t.requires_grad for word in words for t in tensors(here.names.get(word)))


def _result(here: Scene, name: str, text: str) -> Any:
    """What comes back: on tensors that require grad an export raises, so they are given without."""
    try:
        return here.run(text)
    except (RuntimeError, TypeError):
        dead = library_scene.made(name, TABLE.setup.get(name.split(".")[0], ""), kind="dead")
        return dead.run(text)


def _text(text: str, name: str) -> str:
    """The text of a call with the parts of a name filled in: `@` the class or function, `@m` the method, `@@` its
    class, `@o` all but the last part."""
    parts = name.split(".")
    text = text.replace("@o", ".".join(parts[:-1]))
    if parts[-1] in ("__call__", "attribute"):
        return text.replace("@", parts[-2])
    for sign, place in (("@@@", 3), ("@@", 2), ("@m", 1), ("@", 1)):
        text = text.replace(sign, parts[-place]) if sign in text else text
    return text
