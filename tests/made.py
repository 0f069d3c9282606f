"""Hand-made findings and reports over a small program, for the tests of what comes after the engine."""

from __future__ import annotations

from collections.abc import Sequence

from gradlint.finding import FileError, Finding, Position, Range, Role, Site, Step
from gradlint.report import Counts, Demands, Files, Report, Summary
from gradlint.tape import Span

CAM = """import torch

features = {}


def save(module, inputs, output):
    features["conv"] = output.detach()


def cam(model, image):
    model[0].register_forward_hook(save)
    score = model(image)[0].max()
    return torch.autograd.grad(score, features["conv"])[0]
"""

CUT = "output.detach()"
DEMAND = 'torch.autograd.grad(score, features["conv"])'


def at(text: str, words: str) -> Range:
    """Where words first stand in a text of one line."""
    offset = text.index(words)
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Range(Position(line, column), Position(line, column + len(words)))


def span(file: str, text: str, words: str) -> Span:
    """The same as a tape says it."""
    place = at(text, words)
    return Span(file, place.start.line, place.start.column, place.end.line, place.end.column)


def step(role: Role, file: str, text: str, words: str, label: str = "") -> Step:
    """A step at the first place of some words."""
    return Step(role, file, at(text, words), label or words)


def detach(file: str = "cam.py", text: str = CAM) -> Finding:
    """The finding in CAM."""
    return Finding(
        rule="detach",
        contract="severed",
        severity="error",
        confidence="proved",
        message="score cannot reach features['conv']: .detach() cuts the gradient",
        file=file,
        range=at(text, CUT),
        path=(
            step("capture", file, text, "output", "output of model[0], hooked"),
            step("cut", file, text, CUT, ".detach()"),
            step("step", file, text, 'features["conv"]', "features['conv']"),
            step("demand", file, text, DEMAND),
        ),
        help="store `output`; detach a copy where the map is plotted",
    )


def site(file: str = "cam.py", text: str = CAM, words: str = DEMAND) -> Site:
    """The verdict on the demand in CAM."""
    return Site(span(file, text, words), words, "severed")


def report(findings: Sequence[Finding] = (), errors: Sequence[FileError] = ()) -> Report:
    """A report with matching numbers, as far as they matter here."""
    return Report(
        findings=tuple(findings),
        errors=tuple(errors),
        summary=Summary(
            files=Files(found=12, analysed=3, gated=9, context=2),
            demands=Demands(found=5, connected=3, severed=1, undecided=1),
            findings=Counts(error=sum(f.severity == "error" for f in findings)),
        ),
    )
