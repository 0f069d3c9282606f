"""Loops over what nobody knows, inside each other: each is run twice, and not twice for every turn of those around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api
from gradlint.config import Config, Loaded

HEAD = "import torch\ndef run(data, more):\n    w = torch.zeros(3, requires_grad=True)\n    kept = []\n"
END = "    sum(kept).sum().backward()\n"


def nested(head: str, depth: int, body: str) -> str:
    """Loops around a statement."""
    loops = "".join("    " * (i + 1) + head.format(i=i) for i in range(depth))
    return HEAD + loops + "".join("    " * (depth + 1) + line + "\n" for line in body.splitlines()) + END


def analysed(tmp_path: Path, text: str) -> tuple[list[str], dict[str, int]]:
    """The rules that are broken, and the bounds that were hit."""
    file = tmp_path / "program.py"
    file.write_text(text, encoding="utf-8")
    analysis = api.analyse(api.Task((str(file),), Loaded(Config(), tmp_path)))
    return [f.rule for f in api.reported(analysis).report.findings], dict(analysis.result.bounds)


@pytest.mark.parametrize("head", ["for x{i} in data[{i}]:\n", "while data.go({i}):\n", "for x{i} in range(1000):\n"])
def test_deep_loops_stay_within_the_budget(tmp_path: Path, head: str) -> None:
    rules, bounds = analysed(tmp_path, nested(head, 16, "kept.append((w * 2).detach())"))
    assert rules == ["detach"]
    assert not bounds


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_a_turn_hands_to_the_next_is_seen_at_any_depth(tmp_path: Path, depth: int) -> None:
    body = "if kept:\n    kept[-1].sum().backward()\nkept.append(w.detach())"
    rules, _ = analysed(tmp_path, nested("for x{i} in data[{i}]:\n", depth, body).replace(END, ""))
    assert rules == ["detach"]


@pytest.mark.parametrize("inner", ["for b in a:", "while more(a):"])
def test_a_list_filled_in_one_turn_may_be_longer(tmp_path: Path, inner: str) -> None:
    text = f"""{HEAD}    live = w * 2
    for a in data:
        found = []
        {inner}
            found.append(a)
        live = live.detach() if len(found) == 1 else live
    live.sum().backward()
"""
    assert analysed(tmp_path, text)[0] == []


def test_a_loop_that_only_a_later_turn_comes_to_is_run_in_full(tmp_path: Path) -> None:
    text = f"""{HEAD}    ready = False
    for a in data:
        if ready:
            for b in a:
                if kept:
                    kept[-1].sum().backward()
                kept.append(w.detach())
        ready = True
"""
    assert analysed(tmp_path, text)[0] == ["detach"]
