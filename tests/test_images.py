"""Images hold what went into them, whatever is done to them; their methods are not those of arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api
from gradlint.config import Config, Loaded

PROGRAM = """\
import numpy as np
import torch
from PIL import Image

pixels = torch.rand(8, 8, requires_grad=True)
image = Image.fromarray((pixels.detach().numpy() * 255).astype(np.uint8))
{change}
back = torch.from_numpy(np.asarray(image).copy()).float()
back.mean().backward()
"""


@pytest.mark.parametrize(
    "change",
    [
        "image = image.resize((4, 4))",
        "image = image.convert('L').crop((0, 0, 4, 4)).rotate(90)",
        "image = image.resize((4, 4)) if len(pixels) > 4 else image",
        "image.save('a.png')",
    ],
)
def test_the_cut_is_where_the_tensor_became_an_array(change: str, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(change=change))
    found = api.run(api.Task((str(file),), Loaded(Config(), tmp_path))).report.findings
    assert [(f.rule, f.range.start.line, f.range.start.column) for f in found] == [("numpy-round-trip", 6, 26)]
