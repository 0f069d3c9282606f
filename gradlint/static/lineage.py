"""Names of torch's classes, and which derive from which: what `isinstance(layer, nn.Linear)` says of another layer."""

from __future__ import annotations

import re

MODULE = "torch.nn.Module"
_PUBLIC = re.compile(r"torch\.nn\.[A-Z]\w*")
#: the public classes that derive from another public class than `Module` (torch 2.13; a test compares them all)
_PARENT = {
    "GRU": "RNNBase", "LSTM": "RNNBase", "RNN": "RNNBase", "GRUCell": "RNNCellBase", "LSTMCell": "RNNCellBase", "RNNCell": "RNNCellBase",
    "LazyConv1d": "Conv1d", "LazyConv2d": "Conv2d", "LazyConv3d": "Conv3d", "LazyConvTranspose1d": "ConvTranspose1d",
    "LazyConvTranspose2d": "ConvTranspose2d", "LazyConvTranspose3d": "ConvTranspose3d", "LazyLinear": "Linear",
    "NLLLoss2d": "NLLLoss", "ReLU6": "Hardtanh", "UpsamplingBilinear2d": "Upsample", "UpsamplingNearest2d": "Upsample",
    "ZeroPad1d": "ConstantPad1d", "ZeroPad2d": "ConstantPad2d", "ZeroPad3d": "ConstantPad3d",
}  # fmt: skip


_UTILITY = re.compile(r"torch\.nn\.utils\.(clip_grad|convert_parameters|fusion|spectral_norm|weight_norm)\.\w+")
#: what functorch had before torch.func (2.0), and still hands on
_FUNCTORCH = frozenset(("grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "vjp", "vmap", "functionalize"))


def canonical(name: str) -> str:
    """A qualified name as the rows spell it: `torch.nn.modules.conv.Conv2d` -> `torch.nn.Conv2d`."""
    if name.startswith("functorch.") and name[10:] in _FUNCTORCH:
        return f"torch.func.{name[10:]}"
    if name.startswith("torch.nn.modules."):
        return f"torch.nn.{name.rsplit('.', 1)[-1]}"
    if _UTILITY.match(name):
        return f"torch.nn.utils.{name.rsplit('.', 1)[-1]}"
    return f"torch.{name[17:]}" if name.startswith("torch.functional.") else name


def derives(name: str, wanted: str) -> bool | None:
    """Whether a library class derives from another one; None for all but public classes of torch.nn."""
    if name == wanted or name == "builtins.object":
        return name == wanted
    if not _PUBLIC.fullmatch(name) or not (_PUBLIC.fullmatch(wanted) or wanted.startswith("builtins.")):
        return None
    parent = _PARENT.get(name.rpartition(".")[2], "")
    return wanted == MODULE or wanted == f"torch.nn.{parent}"
