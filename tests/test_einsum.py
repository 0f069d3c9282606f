"""What `einsum` of two tensors keeps for its backward, as autograd tells it and as the linter does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check
from tests.proof import run

PROGRAM = """import torch

sizes = dict(zip("abcdsijkl", range(2, 11)))
kept = torch.randn([sizes[c] for c in "{kept}"])
other = torch.randn([sizes[c] for c in "{other}"], requires_grad=True)
made = torch.einsum("{equation}", {operands})
kept += 1
(made.sum() + other.sum()).backward()
# proof: {proof}
"""


@pytest.mark.parametrize(
    ("equation", "first", "second"),
    [
        ("bd,bsd->bs", True, True),
        ("bs,bsd->bd", True, True),
        ("ij,jk->ik", True, True),
        ("ij, kl -> ik", False, False),
        ("ij,kl->ijkl", True, True),
        ("ij,k->ik", False, True),
        ("ij,i->i", False, True),
        ("ijk,k->i", False, True),
        ("ij,ij->", True, True),
        ("ij,->ij", True, True),
    ],
)
def test_operands(tmp_path: Path, equation: str, first: bool, second: bool) -> None:
    left, right = equation.replace(" ", "").partition("->")[0].split(",")
    for kept, other, operands, needed in ((left, right, "kept, other", first), (right, left, "other, kept", second)):
        file = tmp_path / "program.py"
        proof = "raises" if needed else "nonzero other.grad"
        text = PROGRAM.format(kept=kept, other=other, equation=equation, operands=operands, proof=proof)
        file.write_text(text)
        result = run(file)
        assert result.ok, (equation, result.detail)
        assert [f.rule for f in check([file]).findings] == (["overwritten-saved"] if needed else []), (equation, kept)
