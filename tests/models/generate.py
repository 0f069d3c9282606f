"""Write `rules/models/torch.toml`: what torch's own operations and modules do, observed by running them.

    python -m tests.models.generate            compare with the file that lies there
    python -m tests.models.generate --write    replace it

A name that a hand-written model file of torch has is left out. Knows the format of a row as text only; what autograd
does is observed in `observe`, on the samples of `samples`.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.models.observe import Flow, Seen
from tests.models.samples import (
    keeps_module,
    keeps_operation,
    modules,
    observe_inplace,
    observe_module,
    observe_operation,
    operations,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODELS = Path(__file__).resolve().parents[2] / "rules" / "models"
TARGET = MODELS / "torch.toml"
HAND_WRITTEN = MODELS / "core.toml"
HEADER = """\
# Observed: `python -m tests.models.generate --write` ran torch's test database. Do not edit, correct core.toml instead.
library = {{ name = "torch", version = "{version}", generated = true }}

"""

TERMS = {"add", "sub", "rsub", "neg"}
PRODUCTS = {
    "mul", "mm", "bmm", "mv", "dot", "vdot", "inner", "outer", "ger", "matmul", "einsum", "tensordot",
    "linalg.multi_dot", "linalg.vecdot",
}  # fmt: skip
FIXED_TUPLES = {"aminmax", "var_mean", "std_mean", "svd_lowrank", "pca_lowrank"}  #: not lists: of known length
FIRST_ONLY = {"copysign", "nextafter"}  #: the second argument gets no gradient
STRENGTH: tuple[Flow, ...] = ("carries", "zeroes", "error", "cuts", "constant")
CAUSES = {"cuts": "non-differentiable", "zeroes": "zero-gradient"}

Row = dict[str, Any]


def generate() -> str:
    """The text of the model file."""
    taken = set(_names_of(tomllib.loads(HAND_WRITTEN.read_text(encoding="utf-8"))))
    rows: dict[str, Row] = {}
    for names, row in [*_operation_rows(taken), *_module_rows(taken)]:
        free = [name for name in names if name not in taken]
        taken.update(free)
        if free:
            rows[free[0]] = {**row, **({"aliases": sorted(free[1:])} if free[1:] else {})}
    version = torch.__version__.split("+")[0]
    return HEADER.format(version=version) + "".join(_line(name, rows[name]) for name in sorted(rows, key=_order))


def _names_of(tables: dict[str, Any]) -> Iterator[str]:
    for name, row in tables.items():
        yield name
        newest = row[-1] if isinstance(row, list) else row
        yield from newest.get("aliases", ())


def _order(name: str) -> tuple[str, str]:
    return (name.rstrip("_").casefold(), name)


def _operation_rows(taken: Iterable[str]) -> Iterator[tuple[list[str], Row]]:
    """Every operation under its own names first, so that no other claims them; then its namesakes elsewhere."""
    groups: dict[str, list[Any]] = {}
    for op in operations():
        groups.setdefault(op.name, []).append(op)
    own = {name: _own_names(ops[0]) for name, ops in groups.items()}
    claimed = {name for names in own.values() for name in names} | set(taken)
    for name, ops in groups.items():
        further = [other for other in _namesakes(name) if other not in claimed]
        names = own[name] + [other for other in further if other not in own[name]]
        yield from _rows_of(ops, names)


def _rows_of(ops: Sequence[Any], names: list[str]) -> Iterator[tuple[list[str], Row]]:
    seen = [one for op in ops for one in observe_operation(op)]
    flat = ops[0].name.rsplit(".", 1)[-1]
    if seen and names:
        row = _row(ops[0].name, seen)
        kept = sorted(set.intersection(*(keeps_operation(op) for op in ops))) if row.get("saves") else []
        yield names, {**row, **({"keeps": kept} if kept else {})}
    written = [inplace for name in names if _resolves(inplace := f"{name}_") and not flat.endswith("_")]
    changed = [one for op in ops for one in observe_inplace(op)] or seen
    if written and changed:
        row = _row(ops[0].name, changed)
        yield written, {**{key: value for key, value in row.items() if key not in ("view", "factory")}, "inplace": True}


def _own_names(op: Any) -> list[str]:
    """The operation's name and aliases, as functions and, where it is one, as methods."""
    spelt = (op.name, *(alias.name.removeprefix("torch.") for alias in op.aliases))
    names = [f"torch.{name}" for name in spelt]
    methods = [op.method_variant, *(alias.method_variant for alias in op.aliases)]
    names += [f"torch.Tensor.{method.__name__}" for method in methods if hasattr(method, "__name__")]
    return [name for name in dict.fromkeys(names) if _resolves(name)]


def _namesakes(name: str) -> list[str]:
    """The same word as function, method and in `torch.nn.functional`; other namespaces give words another sense."""
    word = name.removeprefix("nn.functional.")
    if "." in word:
        return []
    spaces = ("torch", "torch.Tensor", "torch.nn.functional", "torch.special")
    return [spelt for space in spaces if _resolves(spelt := f"{space}.{word}")]


def _resolves(name: str) -> bool:
    """Whether torch has it, as a callable or as an attribute of a tensor (`torch.float` is neither)."""
    found: Any = torch
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return callable(found) or (found is not None and name.startswith("torch.Tensor."))


def _module_rows(taken: Iterable[str]) -> Iterator[tuple[list[str], Row]]:
    known = frozenset(taken)
    for info in (info for info in modules() if f"torch.{info.name}" not in known):
        seen, parameters = observe_module(info)
        if seen:
            owned = {"parameters": list(parameters)} if parameters else {}
            kept = sorted(keeps_module(info))
            yield [f"torch.{info.name}"], {"module": True, **owned, **_row(info.name, seen), **({"keeps": kept} if kept else {})}


def _row(name: str, seen: Sequence[Seen]) -> Row:
    flows = _columns(seen)
    row: Row = _result(name, seen, flows)
    if flows and flows[0] == "constant":
        return {**row, "factory": True}
    told = [one for one in seen if set(one.flows) - {"empty"}]
    row |= {"view": True} if sum(one.view for one in told) * 2 > len(told) else {}
    row |= {"saves": saves} if (saves := _saves(seen)) else {}
    row |= {"term": True} if name in TERMS else {"product": True} if name in PRODUCTS else {}
    return row | ({"signature": ["input", "other"], "inputs": ["input"]} if name in FIRST_ONLY else {})


def _columns(seen: Sequence[Seen]) -> list[Flow]:
    """The strongest flow of each output over all samples; an operation without a derivative cuts."""
    width = max((len(one.flows) for one in seen), default=0)
    found = [{one.flows[place] for one in seen if len(one.flows) > place} for place in range(width)]
    best: list[Flow] = [next((flow for flow in STRENGTH if flow in flows), "carries") for flows in found]
    missing: dict[Flow, Flow] = {"error": "cuts"}
    return [missing.get(flow, flow) for flow in best]


def _result(name: str, seen: Sequence[Seen], flows: Sequence[Flow]) -> Row:
    shapes = {one.shape for one in seen}
    if not flows:
        return {"flow": "constant", "returns": "scalar"}
    fields = next((one.fields for one in seen if one.fields), ())
    if "tuple" in shapes and (fields or len(set(flows)) > 1 or name in FIXED_TUPLES):
        return _tuple(flows, fields)
    tuples = {"returns": "tensors"} if shapes == {"tuple"} else {}
    return {**_flow(flows[0]), **tuples}


def _tuple(flows: Sequence[Flow], fields: Sequence[str]) -> Row:
    cause = next((CAUSES[flow] for flow in ("cuts", "zeroes") if flow in flows), "")
    named = {"fields": list(fields)} if fields else {}
    return {"outputs": list(flows), **({"cause": cause} if cause else {}), **named}


def _flow(flow: Flow) -> Row:
    cause = {"cause": CAUSES[flow]} if flow in CAUSES else {}
    return {} if flow == "carries" else {"flow": flow, **cause}


def _saves(seen: Sequence[Seen]) -> str:
    """What backward needs: an input, or else something that the operation itself made."""
    kept = {word for one in seen for word in one.saves}
    match ("input" in kept, "output" in kept):
        case (True, True):
            return "both"
        case (True, False):
            return "input"
        case _:
            return "output" if kept else ""


def _line(name: str, row: Row) -> str:
    body = ", ".join(f"{key} = {_value(value)}" for key, value in row.items())
    return f'"{name}" = {{ {body} }}\n' if body else f'"{name}" = {{}}\n'


def _value(value: object) -> str:
    return json.dumps(value)


def main(arguments: Sequence[str], write: Callable[[str], object] = print) -> int:
    """Compare or replace; the status says whether the file was up to date."""
    torch.set_num_threads(1)
    fresh = generate()
    if "--write" in arguments:
        TARGET.write_text(fresh, encoding="utf-8")
        return 0
    old = TARGET.read_text(encoding="utf-8").splitlines() if TARGET.exists() else []
    changes = list(difflib.unified_diff(old, fresh.splitlines(), "torch.toml", "observed", lineterm="", n=0))
    write("\n".join(changes) or "torch.toml is what torch does")
    return 1 if changes else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
