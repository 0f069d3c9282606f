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
