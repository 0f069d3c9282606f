"""What replaces a function outside torch computes the same, and autograd sends a gradient through it."""

from __future__ import annotations

import ast
import math
from typing import Any

import numpy as np
import pytest
import torch

from gradlint.edits import applied
from gradlint.fixes._functions import replaced, replacements
from gradlint.fixes._source import Source

FUNCTIONS = replacements().functions
#: the arguments behind the first one, where there must be some
CALLS = {
    "math.atan2": "{f}(t, u)", "math.hypot": "{f}(t, u)", "math.pow": "{f}(t, 2)",
    "numpy.arctan2": "{f}(t, u)", "numpy.clip": "{f}(t, 0.25, a_max=0.75)", "numpy.maximum": "{f}(t, 0.5)",
    "numpy.minimum": "{f}(t, 0.5)", "numpy.matmul": "{f}(t, u)", "numpy.multiply": "{f}(t, u)", "numpy.power": "{f}(t, 3)",
    "numpy.concatenate": "{f}([t, u], axis=1)", "numpy.stack": "{f}([t, u], 1)", "numpy.cumsum": "{f}(t, axis=1)",
    "numpy.expand_dims": "{f}(t, 0)", "numpy.moveaxis": "{f}(t, 0, -1)", "numpy.reshape": "{f}(t, (3, 3))",
    "numpy.roll": "{f}(t, 1, axis=-1)", "numpy.transpose": "{f}(t, (1, 0))", "numpy.fft.fft2": "{f}(t, axes=(-2, -1))",
    "numpy.fft.ifft2": "{f}(t, axes=(-2, -1))", "numpy.fft.rfft2": "{f}(t, axes=(-2, -1))", "numpy.fft.fft": "{f}(t, axis=-1)",
    "numpy.fft.rfft": "{f}(t, None, -1)", "numpy.fft.fftshift": "{f}(t, axes=(0,))",
    "numpy.linalg.norm": "{f}(t, axis=1, keepdims=True)", "numpy.mean": "{f}(t, axis=(0, 1), keepdims=True)",
    "numpy.sum": "{f}(t, 1)", "numpy.std": "{f}(t, axis=1)", "numpy.var": "{f}(t, axis=0, keepdims=True)",
    "numpy.max": "{f}(t, axis=1)", "numpy.min": "{f}(t, 0)",
}  # fmt: skip
CASES = [(name, CALLS.get(name, "{f}(t)").format(f=name.replace("numpy", "np"))) for name in FUNCTIONS]
CASES += [(name, f"np.{name[6:]}(t)") for name in ("numpy.mean", "numpy.sum", "numpy.std", "numpy.var", "numpy.max")]


def rewritten(call: str) -> str | None:
    """The call with torch, as the repair writes it."""
    source = Source("a.py", f"import math\nimport torch\nimport numpy as np\n{call}\n")
    (node,) = [s.value for s in source.tree.body if isinstance(s, ast.Expr)]
    assert isinstance(node, ast.Call)
    edits = replaced(source, node)
    return None if edits is None else applied(source.text, edits).split("\n")[-2]


@pytest.mark.parametrize(("name", "call"), CASES)
def test_values_are_the_same_and_the_gradient_arrives(name: str, call: str) -> None:
    torch.manual_seed(0)
    shape = () if name.startswith("math.") else (3, 3)
    t, u = torch.rand(shape, dtype=torch.float64), torch.rand(shape, dtype=torch.float64)
    written = rewritten(call)
    assert written is not None
    there: dict[str, Any] = {"math": math, "np": np, "torch": torch, "t": t.numpy(), "u": u.numpy()}
    expected = eval(call, there)
    live: dict[str, Any] = {**there, "t": t.requires_grad_(), "u": u}
    value = eval(written, live)
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    (gradient,) = torch.autograd.grad(value.abs().pow(2).sum(), t)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "call",
    [
        "np.mean(t, 1, np.float32)", "np.mean(t, dtype=float)", "np.sum(t, out=buffer)", "np.maximum(t, u)", "np.exp(*t)",
        "np.clip(t, low, 1)", "np.median(t)", "np.transpose(t)", "np.power(2, t)", "np.sum(t, **options)", "math.log(t, 2)",
        "np.exp()", "np.std(t, ddof=1)",
        "math.atan2(t, 0.7)", "np.arctan2(t, 1)",
    ],
)  # fmt: skip
def test_what_means_something_else_in_torch_is_left_alone(call: str) -> None:
    assert rewritten(call) is None


def test_the_distributions_have_a_reparameterised_sample() -> None:
    every = [getattr(torch.distributions, name) for name in torch.distributions.__all__]
    classes = [c for c in every if isinstance(c, type) and issubclass(c, torch.distributions.Distribution)]
    own = {c.__name__ for c in classes if not isinstance(c.has_rsample, property) and c.has_rsample}
    made = {
        "Gumbel": (0.0, 1.0),
        "Pareto": (1.0, 1.0),
        "Weibull": (1.0, 1.0),
    }  # transformed ones know it when they are made
    own |= {name for name, given in made.items() if getattr(torch.distributions, name)(*given).has_rsample}
    assert replacements().distributions.rsample == own
