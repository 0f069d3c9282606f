"""Every rule page is a test: its shape, and its blocks run under real autograd with the proof each one states.

`lint_block` compares what a linter finds in a block with the markers at its lines. A block is one whole program, so it
runs in a process of its own, forked from this one: importing torch dominates, and it happens once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gradlint.catalog import data_folder, read_rule
from gradlint.finding import Finding
from tests.expectations import reported
from tests.proof import run_text

PAGES = sorted(data_folder().glob("*.md"))
STATIC_ONLY = {"cam-weight-gradient", "unused-suppression", "legacy-backward-hook", "module-requires-grad"}
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"# (error|warning|info): \[([a-z, -]+)\]")
PROOF = re.compile(r"\A(?:.*\n)*# proof: ([a-z-]+) ?(.*)\n\Z")


@dataclass(frozen=True)
class Block:
    """One program of a page."""

    page: str
    section: str
    number: int  #: within its section, from 1
    text: str

    @property
    def proof(self) -> tuple[str, str]:
        """Kind and expression of the last comment."""
        match = PROOF.match(self.text)
        assert match, "the last line must be '# proof: ...'"
        return match[1], match[2]

    @property
    def markers(self) -> set[tuple[int, str, str]]:
        """Line, severity and rule of every expected finding."""
        return {
            (line, severity, rule.strip())
            for line, text in enumerate(self.text.splitlines(), 1)
            for severity, rules in MARKER.findall(text)
            for rule in rules.split(",")
        }


def blocks(path: Path) -> list[Block]:
    """The programs of a page, in order."""
    found = []
    for section in re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found += [Block(path.stem, title, n, m[1]) for n, m in enumerate(CODE.finditer(section), 1)]
    return found


BLOCKS = [block for page in PAGES for block in blocks(page)]
every_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b.page}-{b.section}-{b.number}")


def lint_block(block: Block, folder: Path, check: Callable[[Path], Iterable[Finding]]) -> set[tuple[int, str, str]]:
    """What a linter says of a block: line, severity and rule; to be compared with `block.markers`."""
    path = folder / "main.py"
    path.write_text(block.text, encoding="utf-8")
    return {(finding.range.start.line, finding.severity, finding.rule) for finding in check(path)}


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_shape_of_page(path: Path) -> None:
    rule = read_rule(path)
    programs = blocks(path)
    bad = [block for block in programs if block.section == "Bad"]
    good = [block for block in programs if block.section == "Good"]
    assert len(bad) + len(good) == len(programs)
    assert 2 <= len(bad) <= 4
    assert 2 <= len(good) <= 4
    assert {r for block in bad for _, _, r in block.markers} == {rule.slug}
    assert any(severity == rule.severity for block in bad for _, severity, _ in block.markers)
    assert max(map(len, rule.text.splitlines())) <= 120
    for section in re.split(r"^## ", rule.text, flags=re.MULTILINE)[1:]:
        assert len(section.split()) > 3, section


@every_block
def test_form_of_block(block: Block) -> None:
    kind, _ = block.proof
    assert bool(block.markers) == (block.section == "Bad")
    assert (kind == "nonzero") == (block.section == "Good")
    assert kind != "static-only" or block.page in STATIC_ONLY
    assert len(block.text.splitlines()) <= 30


@every_block
def test_block_under_autograd(block: Block) -> None:
    result = run_text(block.text)
    assert result.ok, f"{' '.join(block.proof)}: {result.detail}"


@pytest.mark.parametrize("bad", [b for b in BLOCKS if b.proof[0] == "value"], ids=lambda b: f"{b.page}-{b.number}")
def test_value_differs_between_bad_and_good(bad: Block) -> None:
    good = next(b for b in BLOCKS if (b.page, b.section, b.number) == (bad.page, "Good", bad.number))
    proof = f"# proof: value {bad.proof[1]}\n"
    assert run_text(bad.text).detail != run_text(good.text + proof).detail


@every_block
def test_block_is_linted(block: Block, tmp_path: Path) -> None:
    assert lint_block(block, tmp_path, reported) == block.markers
