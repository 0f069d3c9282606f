"""A grad mode that a context manager of the project switches: the path shows the `with` that entered it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint.api import check
from gradlint.config import Config

CONTEXTS = {
    "generator": """
@contextlib.contextmanager
def frozen():
    with torch.no_grad():
        yield
""",
    "class": """
class frozen:
    def __enter__(self):
        self.before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)

    def __exit__(self, *error):
        torch.set_grad_enabled(self.before)
""",
    "kept": """
class frozen:
    def __enter__(self):
        self.guard = torch.inference_mode()
        self.guard.__enter__()

    def __exit__(self, *error):
        self.guard.__exit__(*error)
""",
}
PROGRAM = """
layer = torch.nn.Linear(3, 1)
with frozen():
    lost = layer(torch.randn(2, 3))
live = layer(torch.randn(2, 3))
live.sum().backward()
lost.sum().backward()
"""


@pytest.mark.parametrize("kind", CONTEXTS)
def test_the_with_that_entered_the_mode_is_a_cause(kind: str, tmp_path: Path) -> None:
    text = "import contextlib\n\nimport torch\n\n" + CONTEXTS[kind] + PROGRAM
    (tmp_path / "train.py").write_text(text)
    with pytest.raises(RuntimeError, match="does not require grad"):
        exec(compile(text, "train.py", "exec"), {})

    (finding,) = check([tmp_path], Config()).findings

    lines = text.splitlines()
    cause = [lines[s.range.start.line - 1] for s in finding.path if s.role == "cause"]
    assert finding.rule == "grad-disabled"
    assert cause == ["with frozen():"]
