"""What is known of a function of torch that the mode has seen: its name, its row in the catalog, and what to do with it.

Torch hands functions over in many shapes (built-ins, methods of a C class, getters of attributes); here each gets the name
that the catalog's rows use. What is not in the catalog is still recorded: the facts come from the tensors themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from gradlint.catalog import Catalog, Row

Action = Literal[
    "skip", "operation", "create", "leave", "grad", "requires-grad", "register-hook", "retain-grad", "set-data", "set-grad",
    "grad-mode",
]  # fmt: skip
_ACTIONS: dict[str, Action] = {
    "torch.Tensor.grad": "grad",
    "torch.Tensor.requires_grad=": "requires-grad",
    "torch.Tensor.requires_grad_": "requires-grad",
    "torch.Tensor.register_hook": "register-hook",
    "torch.Tensor.retain_grad": "retain-grad",
    "torch.Tensor.data=": "set-data",
    "torch.Tensor.grad=": "set-grad",
    "torch.Tensor.backward": "skip",
    "torch.autograd.backward": "skip",
    "torch.autograd.grad": "skip",
    "torch.Tensor.__bool__": "skip",
    "torch.Tensor.__deepcopy__": "skip",
    "torch.Tensor.__setitem__": "operation",
    "torch._C._set_grad_enabled": "grad-mode",
}
_INTERNAL = {"_nn": "nn.functional", "_special": "special", "_fft": "fft", "_linalg": "linalg", "_nested": "nested"}
_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "true_divide": "/", "matmul": "@", "pow": "**", "neg": "-",
    "gt": ">", "lt": "<", "ge": ">=", "le": "<=", "eq": "==", "ne": "!=",
}  # fmt: skip
_DIVISIONS = ("div", "divide", "div_", "divide_")
_RETURNS = {"array": "array", "number": "number", "list": "number"}


class Known(msgspec.Struct, frozen=True):
    """One function of torch."""

    name: str
    label: str
    action: Action
    row: Row
    returns: str = ""  #: what a result that is no tensor is: array or number
    inplace: bool = False
    divides: bool = False  #: `rounding_mode=` decides whether its gradient is zero
    scales: bool = False  #: with one tensor among its inputs it scales that: `x / 2`, not `2 / x`
    operator: bool = False
    plain: bool = False  #: makes new tensors, and never a zero gradient


class Knowledge:
    """The functions that were met, each looked up once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.seen: dict[Any, Known] = {}
        self.plain: dict[Any, Known] = {}  #: those of them that are plain

    def of(self, function: Callable[..., Any]) -> Known:
        """What is known of a function."""
        known = self.seen.get(function)
        if known is None:
            known = self.seen[function] = self.named(name_of(function))
            if known.plain:
                self.plain[function] = known
        return known

    def named(self, name: str) -> Known:
        """What is known of a qualified name."""
        short = name.rpartition(".")[2]
        plain = _plain(short)
        row = self._row(name, plain)
        action = _ACTIONS.get(name) or _action(name, row)
        written = short.endswith("_") and not short.endswith("__")
        inplace = row.inplace or written or short.startswith("__i") or short == "__setitem__"
        divides = plain in _DIVISIONS
        return Known(
            name=name,
            label=_label(name, short),
            action=action,
            row=row,
            returns=_RETURNS.get(row.returns, ""),
            inplace=inplace,
            divides=divides,
            scales=row.product or (plain in (*_DIVISIONS, "true_divide") and not short.startswith("__r")),
            plain=action == "operation" and row.flow == "carries" and not inplace and not divides,
            operator=plain in _OPERATORS or short.startswith("__"),
        )  # fmt: skip

    def called(self, name: str) -> Row | None:
        """The row of a Python function outside the user's code: `torch.distributions.normal.Normal.sample`."""
        parts = name.split(".")
        names = (".".join(parts[:i] + parts[-n:]) for n in (2, 1) for i in range(len(parts) - n, 0, -1))
        return next((row for n in names if (row := self._catalog.row(n)) is not None), None)

    def _row(self, name: str, plain: str) -> Row:
        names = (name, f"torch.Tensor.{plain}", f"torch.{plain}", f"torch.nn.functional.{plain}")
        return next((row for n in names if (row := self._catalog.row(n)) is not None), Row(name))


def name_of(function: Callable[..., Any]) -> str:
    """The qualified name of a function of torch, as the catalog writes it; a setter ends in `=`."""
    name = getattr(function, "__name__", type(function).__name__)
    attribute = getattr(getattr(function, "__self__", None), "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        return f"torch.Tensor.{attribute}{'=' * (name == '__set__')}"
    if hasattr(function, "__objclass__"):
        return f"torch.Tensor.{name}"
    module, qualified = getattr(function, "__module__", None) or "torch", getattr(function, "__qualname__", name)
    if qualified.startswith(("Tensor.", "TensorBase.")):
        return f"torch.Tensor.{name}"
    internal = module.removeprefix("torch._C.")
    if internal in _INTERNAL:
        return f"torch.{_INTERNAL[internal]}.{name.removeprefix(f'{internal[1:]}_')}"
    return f"{module}.{name}"


def _plain(short: str) -> str:
    """`__radd__` and `__iadd__` are `add`; `__getitem__` stays."""
    if not (short.startswith("__") and short.endswith("__")):
        return short
    inner = short[2:-2]
    for prefix in ("r", "i"):
        if inner[1:] in (*_OPERATORS, "truediv") and inner.startswith(prefix):
            inner = inner[1:]
    return {"truediv": "div"}.get(inner, inner if inner in _OPERATORS else short)


def _action(name: str, row: Row) -> Action:
    if row.flow == "constant" and row.returns == "tensor":
        return "create"
    if name.endswith("=") or row.flow == "constant" or row.returns in ("scalar", "none"):
        return "skip"
    if row.returns in ("array", "number", "list"):
        return "leave"
    return "operation"


def _label(name: str, short: str) -> str:
    """How messages write the operation."""
    if short in _OPERATORS or (short.startswith("__") and _plain(short) in _OPERATORS):
        return _OPERATORS[_plain(short)]
    words = {"__getitem__": "[...]", "__setitem__": "[...] =", "__float__": "float()", "__int__": "int()", "__array__": "np.asarray()",
             "data": ".data", "T": ".T", "mT": ".mT", "H": ".H", "real": ".real", "imag": ".imag"}  # fmt: skip
    if short in words:
        return words[short]
    if name.startswith("torch.Tensor."):
        return f".{short}()"
    return f"{name.replace('torch.nn.functional', 'F')}()"
