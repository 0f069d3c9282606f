"""Suppressions: where a comment may stand, and what it silences."""

from __future__ import annotations

import msgspec
import pytest

from gradlint.finding import Finding, Place, Range
from gradlint.suppress import Silenced, Suppression, apply, suppressions, unknown, unused
from tests.made import CAM, CUT, DEMAND, at, detach


def silence(text: str, finding: Finding | None = None) -> Silenced:
    """Apply the comments of cam.py to the finding in it."""
    comments = {"cam.py": suppressions("cam.py", text)}
    return apply([finding or detach(text=text)], lambda file: comments.get(file, []))


def after(words: str, comment: str) -> str:
    """CAM with a comment at the end of the line with these words."""
    return "\n".join(f"{line}  {comment}" if words in line else line for line in CAM.split("\n"))


def above(words: str, *comments: str) -> str:
    """CAM with comments on lines of their own above these words."""
    out: list[str] = []
    for line in CAM.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        out += [*(f"{indent}{comment}" for comment in comments if words in line), line]
    return "\n".join(out)


@pytest.mark.parametrize(
    "text",
    [
        after(CUT, "# gradlint: ignore[detach] only for the plot"),
        after(CUT, "# gradlint:ignore [ detach , python-number ]"),
        after(CUT, "# noqa: E501  # gradlint: ignore[detach]"),
        after(DEMAND, "# gradlint: ignore[detach]"),
        above(CUT, "# gradlint: ignore[detach]"),
        above(CUT, "# gradlint: ignore[detach]", "# the picture needs a copy"),
        above(DEMAND, "# gradlint: ignore[detach]"),
        f"# gradlint: file-ignore[detach]\n{CAM}",
        f"{CAM}# gradlint: file-ignore[detach] all of it\n",
    ],
)
def test_silenced(text: str) -> None:
    result = silence(text)
    assert (result.findings, result.count) == ((), 1)
    assert len(result.used) == 1


@pytest.mark.parametrize(
    "text",
    [
        CAM,
        after(CUT, "# gradlint: ignore[data-attribute]"),
        after(CUT, "# gradlint: ignore[]"),
        after(CUT, "# gradlint: ignore"),
        after(CUT, "# ignore[detach]"),
        after("import torch", "# gradlint: ignore[detach]"),
        after("features = {}", "# gradlint: ignore[detach]"),
        above("features = {}", "# gradlint: ignore[detach]"),
        CAM.replace(CUT, f"{CUT}; s = '# gradlint: ignore[detach]'"),
    ],
)
def test_not_silenced(text: str) -> None:
    result = silence(text)
    assert (len(result.findings), result.count, result.used) == (1, 0, frozenset())


def test_a_cut_with_several_demands_stays_while_one_of_them_is_not_silenced() -> None:
    text = after(DEMAND, "# gradlint: ignore[detach]")
    other = Place("train.py", at(CAM, "import torch"), "loss.backward()")
    finding = msgspec.structs.replace(detach(text=text), also=(other,))
    result = silence(text, finding)
    assert result.count == 0
    (left,) = result.findings
    assert left.also == ()
    assert (left.path[-1].role, left.path[-1].file, left.path[-1].label) == ("demand", "train.py", "loss.backward()")
    assert len(result.used) == 1


def test_a_silenced_further_demand_is_dropped() -> None:
    text = after("features = {}", "# gradlint: ignore[detach]")
    finding = msgspec.structs.replace(detach(text=text), also=(Place("cam.py", at(text, "features = {}"), "x"),))
    result = silence(text, finding)
    assert (result.findings, result.count) == ((detach(text=text),), 0)


def test_a_range_of_several_lines_is_silenced_on_its_last() -> None:
    text = after(CUT, "# gradlint: ignore[detach]")
    place = at(text, CUT)
    long = Range(msgspec.structs.replace(place.start, line=place.start.line - 1), place.end)
    assert silence(text, msgspec.structs.replace(detach(text=text), range=long)).count == 1


def test_comments_before_a_syntax_error_count() -> None:
    assert silence(after(CUT, "# gradlint: ignore[detach]") + "\n'''").count == 1


def test_unused_and_unknown_names() -> None:
    text = "x = 1  # gradlint: ignore[detach, python-number, nonsense]\n"
    (comment,) = suppressions("a.py", text)
    active = {"detach", "python-number"}
    assert unused([comment], {(comment, "detach")}, active) == [(comment, ["python-number"])]
    assert unused([comment], {(comment, "detach"), (comment, "python-number")}, active) == []
    assert unknown([comment], active) == [(comment, "nonsense")]


def test_the_place_of_a_comment_is_its_words() -> None:
    text = "é = 1  # noqa  # gradlint: ignore[detach] because\n"
    (comment,) = suppressions("a.py", text)
    assert comment == Suppression("line", ("detach",), "a.py", at(text, "# gradlint: ignore[detach]"), 1, 1)


# --- statements of several lines -------------------------------------------------------------------------------------

LONG = """\
import torch
x = torch.ones(2, requires_grad=True)
loss = torch.add(
    x.sum(),
    x.detach()
    .sum(),
)
loss.backward()
"""
BRACKETS = """\
import torch
x = torch.ones(2, requires_grad=True)
loss = (
    x.sum()
    + x.detach().sum()
)
loss.backward()
"""
DECORATED = """\
import torch


@wraps
@torch.no_grad()
@wraps
def made(
    x,
):
    y = x.detach()
    return y
"""
HEAD = """\
import torch


if torch.rand(
    1
).detach() > 0:
    y = torch.ones(1).detach()
"""


def spoken(text: str, words: str, comment: str = "# gradlint: ignore[detach]") -> tuple[int, int]:
    """The lines that a comment behind some words (in the text, before it) speaks of."""
    marked = text.replace(words, f"{words}  {comment}" if not words.endswith("\n") else f"{words}{comment}\n", 1)
    (found,) = suppressions("a.py", marked)
    return found.first, found.last


@pytest.mark.parametrize(
    ("text", "words", "lines"),
    [
        (LONG, "loss = torch.add(", (3, 7)),
        (LONG, "\n)", (3, 7)),
        (LONG, "    x.sum(),", (4, 4)),
        (LONG, "    .sum(),", (6, 6)),
        (LONG, "requires_grad=True)\n", (4, 8)),
        (LONG, "    x.sum(),\n", (6, 6)),
        (LONG, "loss.backward()", (8, 8)),
        (BRACKETS, "+ x.detach().sum()", (3, 6)),
        (BRACKETS, "    x.sum()", (4, 4)),
        (DECORATED, "import torch\n\n\n", (5, 10)),
        (DECORATED, "@wraps", (4, 4)),
        (DECORATED, "@torch.no_grad()", (5, 5)),
        (DECORATED, "):", (7, 9)),
        (DECORATED, "@torch.no_grad()\n", (7, 10)),
        (HEAD, "import torch\n\n\n", (5, 7)),
        (HEAD, "torch.rand(", (4, 6)),
        (HEAD, "detach() > 0:", (4, 6)),
    ],
)
def test_the_lines_that_a_comment_speaks_of(text: str, words: str, lines: tuple[int, int]) -> None:
    assert spoken(text, words) == lines


@pytest.mark.parametrize(
    "comment",
    [
        "# gradlint: ignore",
        "# gradlint: ignore detach",
        "# gradlint: ignore(detach)",
        "# gradlint: ignore[]",
        "# gradlint: file-ignore",
        "# gradlint: noqa",
        "# gradlint: disable=detach",
    ],
)
def test_what_names_no_rule_is_kept_to_be_told(comment: str) -> None:
    (found,) = suppressions("a.py", f"x = 1  {comment}\n")
    assert found.rules == ()
    assert found.range == at(f"x = 1  {comment}\n", comment)


@pytest.mark.parametrize(
    "comment", ["# gradlint finds this", "# see gradlint: a linter", "# gradlint: the cut is wanted"]
)
def test_prose_is_no_suppression(comment: str) -> None:
    assert suppressions("a.py", f"x = 1  {comment}\n") == []
