"""Which lines are run because an option says so, told from the text alone."""

from __future__ import annotations

import ast

import pytest

from gradlint import options


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("if args.fix:\n    a\nelse:\n    b", [(2, 2), (4, 4)]),
        ("if not FIX:\n    a\n    b", [(2, 3)]),
        ("if args.mode == 'head':\n    a", [(2, 2)]),
        ("z = (\n    a\n    if STOP else\n    b\n)", [(2, 2), (4, 4)]),
        ("def f(self):\n    if self.tune:\n        return a\n    b\n    c", [(3, 3), (4, 5)]),
        ("with torch.set_grad_enabled(args.tune):\n    a", [(1, 1)]),
        ("set_grad_enabled(mode=tune)", [(1, 1)]),
    ],
)
def test_an_option_says_so(source: str, lines: list[tuple[int, int]]) -> None:
    assert sorted(options.arms(ast.parse(source))) == lines


@pytest.mark.parametrize(
    "source",
    [
        "if __name__ == '__main__':\n    a",
        "if self.training:\n    a",
        "if self.cached is None:\n    a",
        "if i % 2 == 0:\n    a",
        "if loss.item() > 1:\n    a",
        "if len(batch):\n    a",
        "def f():\n    if ready():\n        return a\n    b",
        "with torch.set_grad_enabled(False):\n    a",
    ],
)
def test_nobody_has_the_choice(source: str) -> None:
    assert list(options.arms(ast.parse(source))) == []
