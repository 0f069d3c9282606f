"""Frames that are gradlint's own: they are nobody's business where a program's own errors and warnings are shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, TracebackType

_OWN = f"{Path(__file__).resolve().parent.parent}{os.sep}"


def own(code: CodeType) -> bool:
    """Whether code is gradlint's."""
    return code.co_filename.startswith(_OWN)


def without_own(error: BaseException) -> TracebackType | None:
    """An exception's traceback as the program without the tracer would have it."""
    frames = [tb for tb in _chain(error.__traceback__) if not own(tb.tb_frame.f_code)]
    for frame, following in zip(frames, [*frames[1:], None], strict=False):
        frame.tb_next = following
    return frames[0] if frames else None


def _chain(tb: TracebackType | None) -> Iterator[TracebackType]:
    while tb is not None:
        yield tb
        tb = tb.tb_next
