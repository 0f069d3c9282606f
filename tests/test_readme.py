"""The README shows real output, and its two commands are what `.ci/run` runs."""

from __future__ import annotations

import pytest

from tests.readme_output import README, ROOT, blocks, output


@pytest.mark.parametrize(("command", "shown"), list(blocks()), ids=lambda v: v[:40])
def test_output_is_real(command: str, shown: str) -> None:
    assert output(command) == shown


def test_the_examples_are_the_fixtures() -> None:
    text = README.read_text(encoding="utf-8")
    for name in ("fixtures/gradcam/readme_cam.py", "fixtures/right/readme_cam.py"):
        saved = (ROOT / name).read_text(encoding="utf-8").split("def save")[1].split("\n\n")[0].split("  # error")[0]
        assert f"def save{saved}".strip() in text, name


def test_the_two_commands_are_run_literally() -> None:
    text = README.read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("pip install . && gradlint fixtures/ --exit-zero", "pip install -e '.[dev]' && pytest"):
        assert command in text
        assert command in script
