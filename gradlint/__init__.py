"""gradlint finds where PyTorch code loses its gradient. Importing it loads nothing else: neither libcst nor torch.

`check` takes files (linted, never executed) or a model (run once); `trace` and `assert_connected` watch code that runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from gradlint.config import Config
    from gradlint.report import Report
    from gradlint.session import Checked
    from gradlint.session import assert_connected as assert_connected
    from gradlint.session import trace as trace

    Path = str | os.PathLike[str]

__version__ = "0.1.0"
__all__ = ["__version__", "assert_connected", "check", "trace"]


@overload
def check(subject: Path | Sequence[Path], config: Config | None = None) -> Report: ...


@overload
def check(subject: Any, inputs: Any, target_layer: Any, score: Callable[[Any], Any] | None = None) -> Checked: ...


def check(subject: Any, *args: Any, **kwargs: Any) -> Any:
    """Lint files and folders, or see whether the gradient reaches a layer of a model: what comes first decides.

    `check(paths, config=None)` gives a report (see `gradlint.api.check`); `check(model, inputs, target_layer, score=None)` runs the
    model (see `gradlint.session.check`).
    """
    if isinstance(subject, (str, os.PathLike)):
        subject = [subject]
    if isinstance(subject, (list, tuple)):
        from gradlint.api import check as of_paths

        return of_paths(subject, *args, **kwargs)
    from gradlint.session import check as of_model

    return of_model(subject, *args, **kwargs)


def __getattr__(name: str) -> Any:
    if name in ("trace", "assert_connected"):
        from gradlint import session

        return getattr(session, name)
    raise AttributeError(f"module 'gradlint' has no attribute '{name}'")
