"""The words that decide what is worth looking at: a substring gate for files and for functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

_MISSPELT = re.compile(r"requires?d?_?grads?(ient)?s?_?|requires?_?gradients?")
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t][^\n]*(?:\([^)]*\))?", re.MULTILINE)
_WORD = re.compile(r"\w+")
#: text without which a file holds no demand, no hook and no declared loss
GATE = (".backward", "autograd", ".grad", "retain_grad", "register_hook", "register_forward", "register_full_backward",
        "register_backward", "loss", "Loss", "torch.func", "checkpoint", "requires_grad", "require_grad",
        "no_grad", "inference_mode")  # fmt: skip
_DEMANDS = (".backward", "autograd.grad", ".grad", "retain_grad", "register_hook", "register_forward", "register_full_backward",
            "register_backward", "require_grad", ".requires_grad =", "torch.func", "jacobian", "hessian", ".numpy()", "np.")  # fmt: skip
#: the libraries whose calls or hooks are demands by themselves: every one with a row that has a `demand`
DECLARING = (
    "accelerate",
    "captum",
    "lightning",
    "pytorch_grad_cam",
    "torchattacks",
    "torchcam",
    "transformers",
    "zennit",
)


def words_of(demands: Iterable[str]) -> tuple[str, ...]:
    """The words without which a file cannot hold what the user declares (`pkg.Trainer.step:return`)."""
    return tuple(sorted({declared.partition(":")[0].rpartition(".")[2] for declared in demands}))


def relevant(text: str, words: Sequence[str] = ()) -> bool:
    """Whether a file can matter at all; `words` make it matter as well."""
    return any(word in text for word in (*GATE, *DECLARING, *words)) or (
        "torch" in text and ("numpy" in text or "np." in text)
    )


def hot(texts: Mapping[Path, str], words: Sequence[str] = ()) -> set[Path]:
    """The files that can matter: those with a word of the gate, and whoever imports such a file, to any depth.

    A script that only calls `train()` holds no word itself, but it is where the whole run begins.
    """
    found = {path for path, text in texts.items() if relevant(text, words)}
    imports = {path: _imported(text) for path, text in texts.items() if path not in found}
    grown = True
    while grown:
        names = {part for path in found for part in (path.stem, path.parent.name)}
        more = {path for path, imported in imports.items() if path not in found and imported & names}
        found |= more
        grown = bool(more)
    return found


def _imported(text: str) -> set[str]:
    """Every word of a file's import statements: module and package names among them."""
    return {word for match in _IMPORT.finditer(text) for word in _WORD.findall(match.group())}


def may_demand(lines: Sequence[str], first: int, last: int, words: Sequence[str] = ()) -> bool:
    """Whether a function or class on these lines of a file may ask for a gradient: by a word, or calling itself a loss."""
    text = "\n".join(lines[first - 1 : last])
    return any(word in text for word in (*_DEMANDS, *words)) or "loss" in text.lower()


def misspelt(name: str) -> bool:
    """Whether a name is meant to be `requires_grad` and is not."""
    return name not in ("requires_grad", "requires_grad_") and _MISSPELT.fullmatch(name) is not None


@lru_cache(1 << 12)
def names_a_loss(qualname: str) -> bool:
    """Whether a function's qualified name says that it computes a loss to be differentiated."""
    *owners, name = qualname.split(".")
    lowered = name.lower()
    if any(
        word in lowered
        for word in ("val", "eval", "test", "metric", "log", "plot", "print", "load", "get_loss_fn", "build", "make")
    ):
        return False
    if lowered.rstrip("s").endswith(("grad", "gradient")):  # a part of its derivative
        return False
    if name in ("forward", "__call__"):
        return bool(owners) and "loss" in owners[-1].lower()
    return "loss" in lowered
