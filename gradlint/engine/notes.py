"""What the program wrote and what does not do what it says: flags that switch nothing, captures that are overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, finding
from gradlint.engine.verdict import Verdict
from gradlint.finding import Finding, Step
from gradlint.tape import Note

FLAG, LEAF, OVERWRITTEN = "module-requires-grad", "written-leaf", "overwritten-capture"


def judge(case: Case, notes: Iterable[Note], verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts with the notes: a flag that was to unfreeze explains a missing graph, the others stand on their own."""
    told: set[Note] = set()
    judged = [_explained(v, notes, told) for v in verdicts]
    found = [f for note in notes if note not in told and (f := _finding(case, note)) is not None]
    return [*judged, Verdict(None, "connected", "", tuple(found))] if found else judged


def _explained(verdict: Verdict, notes: Iterable[Note], told: set[Note]) -> Verdict:
    """The verdict with the flags that should have given its demand a graph, as causes of its finding."""
    demand = verdict.demand
    if demand is None or not any(f.contract == "no-graph" for f in verdict.findings):
        return verdict
    before = [n for n in notes if _flag(n) and n.cause_label == "on" and n.time < demand.time]
    told.update(before)
    causes = tuple(paths.step("cause", n.span, f"{n.label} sets no parameter") for n in before)
    return msgspec.structs.replace(verdict, findings=tuple(_with(f, causes) for f in verdict.findings))


def _with(found: Finding, causes: tuple[Step, ...]) -> Finding:
    if found.contract != "no-graph":
        return found
    return msgspec.structs.replace(found, path=(*found.path[:-1], *causes, *found.path[-1:]))


def _flag(note: Note) -> bool:
    return note.kind in ("module-flag", "misspelt-flag")


def _finding(case: Case, note: Note) -> Finding | None:
    match note.kind:
        case "module-flag":
            message = f"{note.label} sets a plain attribute of a module: its parameters stay as they are"
            return finding(case, Claim("other", "", note.span, message, (_at(note),), slug=FLAG))
        case "misspelt-flag":
            message = f"{note.label} sets an attribute that nothing reads: the flag is called requires_grad"
            return finding(case, Claim("other", "", note.span, message, (_at(note),), slug=FLAG))
        case "written-leaf":
            message = f"{note.label} changes a leaf that requires grad in place: that raises"
            return finding(case, Claim("other", "", note.span, message, tuple(_steps(note)), slug=LEAF))
        case "exchanged" | "unregistered" | "unstepped" | "newcomer" | "outlived" | "twin":
            return finding(case, Claim("untrained", "", note.span, _untrained(note), tuple(_steps(note))))
        case "written-view":
            message = f"{note.cause_label} changes in place what the full backward hook watches: that raises"
            return finding(
                case, Claim("other", "", note.span, message, tuple(_steps(note)), severity="error", slug=OVERWRITTEN)
            )
    message = f"{note.label} is overwritten by {note.cause_label}: what was captured holds other numbers"
    return finding(case, Claim("other", "", note.span, message, tuple(_steps(note)), slug=OVERWRITTEN))


def _untrained(note: Note) -> str:
    """Why an optimizer does not train what it should."""
    match note.kind:
        case "exchanged":
            return f"{note.label} is replaced after {note.cause_label} took its parameters: the optimizer steps the old ones"
        case "unregistered":
            return f"{note.label} registers nothing (a plain list, dict or tensor): {note.cause_label} never steps what it keeps"
        case "twin":
            return (
                f"{note.label} steps what {note.cause_label} made: the original gets the gradients, and never changes"
            )
        case "outlived":
            return f"{note.label} is not undone when the block of {note.cause_label} ends: the optimizer goes on without these"
        case "unstepped":
            return f"{note.label} is not given {note.cause_label}: that parameter of the loss gets gradients and never changes"
    return f"what {note.cause_label} puts into the model is frozen here, and no optimizer ever steps it"


def _at(note: Note) -> Step:
    return paths.step("cause", note.span, note.label)


def _steps(note: Note) -> Iterator[Step]:
    yield paths.step("capture", note.span, note.label)
    if note.made is not None:
        yield paths.step("cause", note.made, "made to work in place")
    for call in note.stack:
        yield paths.step("cause", call, "called from here")
    if note.cause is not None:
        yield paths.step("cause", note.cause, note.cause_label)
    if note.use is not None:
        yield paths.step("demand", note.use, note.use_label)
