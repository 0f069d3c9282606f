"""Write the outputs that the pages show anew: `python -m tests.readme_output`. The test compares, this replaces."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_BLOCK = re.compile(r"<!-- output: (?P<command>[^\n]+) -->\n```text\n(?P<text>.*?)```\n", re.DOTALL)


def pages() -> list[Path]:
    """The README and the pages of the documentation."""
    return [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks() -> Iterator[tuple[str, str]]:
    """The commands whose output the pages show, with that output."""
    for page in pages():
        for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
            yield match["command"], match["text"]


def output(command: str) -> str:
    """What a `gradlint ...` command prints on standard output, in the repository's root."""
    words = command.split()
    assert words[0] == "gradlint", command
    ran = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout


def main() -> None:
    """Replace every shown output by the real one."""

    def renew(match: re.Match[str]) -> str:
        return f"<!-- output: {match['command']} -->\n```text\n{output(match['command'])}```\n"

    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(_BLOCK.sub(renew, text), encoding="utf-8")


if __name__ == "__main__":
    main()
