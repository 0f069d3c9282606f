"""gradlint finds where PyTorch code loses its gradient. Importing it loads nothing else: neither libcst nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradlint.api import check as check

__version__ = "0.1.0"
__all__ = ["__version__", "check"]


def __getattr__(name: str) -> Any:
    if name == "check":
        from gradlint.api import check

        return check
    raise AttributeError(f"module 'gradlint' has no attribute '{name}'")
