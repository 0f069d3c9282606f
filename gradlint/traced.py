"""What a traced run means: the engine's verdicts on its tape, kept where autograd showed a symptom, and the ways to get there.

Beside `api` the only module that knows the runtime half and the engine. `python -m gradlint.traced REQUEST ANSWER` is the child
process in which a script runs.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from gradlint import api, discovery, engine
from gradlint.api import Analysis, Outcome, Task, Watch
from gradlint.catalog import Catalog
from gradlint.engine.verdict import Verdict
from gradlint.finding import Finding, Range, Runtime, Site, Step
from gradlint.runtime import confirm as confirming
from gradlint.runtime import launch
from gradlint.runtime.frames import without_own
from gradlint.runtime.launch import Request
from gradlint.runtime.run import Flipped, Hook, Observation, Run, worst
from gradlint.tape import Demand, Kind, Span, Tape

_WORST = ("undecided", "connected", "severed")
#: contracts of which the facts on the tape are all the symptom there is: the program runs and says nothing
_SILENT = ("dead-term", "untrained")
_ABOUT_GRADIENTS = ("severed", "zeroed", "no-graph", "off-path", "non-leaf", "mistimed", "freed")


class Judged(msgspec.Struct, frozen=True):
    """A verdict on one execution of a demand, and what was seen of it."""

    demand: Demand
    verdict: Verdict
    observation: Observation


def judge(run: Run, catalog: Catalog) -> list[Judged]:
    """A verdict for every demand that ran."""
    seen = {o.demand: o for o in run.observations}
    verdicts = ((v.demand, v) for v in engine.judge(run.tape, catalog))
    return [Judged(d, v, seen.get(d.id, Observation(d.id))) for d, v in verdicts if d is not None]


def findings(run: Run, catalog: Catalog, judged: Iterable[Judged] | None = None) -> list[Finding]:
    """What the trace found: every claim of the engine that autograd confirmed by a symptom."""
    return [f for f in claims(run, catalog, judged) if f.contract != "other"]


def claims(run: Run, catalog: Catalog, judged: Iterable[Judged] | None = None) -> list[Finding]:
    """The same, with what needs no symptom because it is no error: it confirms, but is not reported."""
    flips = {flip.span: flip for flip in reversed(run.flips)}
    given = judge(run, catalog) if judged is None else judged
    hidden = catalog.rule_for("severed", "remade")
    kept = []
    for one in given:
        found = [f for f in one.verdict.findings if _symptom(f, one, hidden.slug if hidden else "")]
        proved = tuple(_proved(f, one, flips) for f in found)
        kept.append(msgspec.structs.replace(one.verdict, findings=proved))
    return [_shown(f) for f in (*engine.merge(kept)[0], *_dead_hooks(run, catalog))]


def _dead_hooks(run: Run, catalog: Catalog) -> Iterator[Finding]:
    """Hooks of the user's own that never ran, where the program then failed for want of what they catch."""
    rule = catalog.rule_for("dead-hook")
    hooks: dict[Span, list[Hook]] = {}
    words = _words(run.raised_at[0]) if run.raised_at else frozenset()
    for hook in run.hooks:
        hooks.setdefault(hook.span, []).append(hook)
    for span, given in hooks.items():
        fired = any(h.fired or h.library or not (h.backwards or "forward" in h.kind) for h in given)
        if rule is None or not span.file or fired or words.isdisjoint(given[0].names):
            continue
        at = run.raised_at[0]
        steps = (
            Step("capture", span.file, Range.of(span), given[0].label),
            Step("demand", at.file, Range.of(at), _line(at)),
        )
        yield Finding(
            rule=rule.slug, contract="dead-hook", severity=rule.severity, confidence="proved", found_by="trace",
            message=f"{given[0].label} never fires, and the program fails without what it catches",
            file=span.file, range=Range.of(span), path=steps, help=rule.help, url=rule.url,
            runtime=Runtime("confirmed", None, {"demand": {"kind": "hook", "fired": 0}}),
        )  # fmt: skip


def _words(span: Span) -> frozenset[str]:
    """The names and texts on a line."""
    return frozenset(re.findall(r"\w+", _line(span)))


def _line(span: Span) -> str:
    return linecache.getline(span.file, span.line).strip()


def _symptom(finding: Finding, one: Judged, hidden: str) -> bool:
    """Whether autograd showed what the finding claims."""
    seen = one.observation
    if not finding.file:
        return False
    if finding.contract in (*_SILENT, "other") or finding.rule == hidden:
        return not seen.library
    if finding.contract not in _ABOUT_GRADIENTS or not seen.used:
        return False
    if seen.raised:
        return seen.ended_the_run or seen.ended_a_thread
    fed = one.demand.kind == "register-hook" and finding.contract == "severed"  #: a tool waits for it
    return seen.lost and (fed or not seen.library)


def _proved(finding: Finding, one: Judged, flips: dict[Span, Flipped]) -> Finding:
    runtime = Runtime("confirmed", None, evidence(finding, one, flips))
    return msgspec.structs.replace(finding, found_by="trace", confidence="proved", runtime=runtime)


def evidence(finding: Finding, one: Judged, flips: dict[Span, Flipped]) -> dict[str, object]:
    """What was seen at the cut and at the demand."""
    places = [(finding.file, finding.range), *((s.file, s.range) for s in finding.path if s.role == "step")]
    cut = next((flip for place in places for span, flip in flips.items() if _holds(place, span)), None)
    seen = one.observation
    demand: dict[str, object] = {"kind": one.demand.kind}
    if seen.raised:
        demand["raised"] = seen.raised.splitlines()[0]
    else:
        demand["gradient"] = worst(seen.gradients)
    told: dict[str, object] = {"demand": demand}
    if cut is not None:
        told["input"] = {"shape": list(cut.shape), "requires_grad": True, "grad_fn": cut.grad_fn}
        told["output"] = {"requires_grad": False, "grad_fn": None}
    return told


def _holds(place: tuple[str, Range], span: Span) -> bool:
    """Whether a span lies in a place: `.detach()` in the chain that ends in `.numpy()`."""
    inner = Range.of(span)
    return span.file == place[0] and place[1].start <= inner.start and inner.end <= place[1].end


def _shown(finding: Finding) -> Finding:
    """The finding with its files named as the report names them."""
    steps = tuple(msgspec.structs.replace(s, file=shown(s.file)) for s in finding.path if s.file)
    also = tuple(msgspec.structs.replace(p, file=shown(p.file)) for p in finding.also)
    return msgspec.structs.replace(finding, file=shown(finding.file), path=steps, also=also)


def shown(file: str) -> str:
    """A file's name in the report; cells and made-up names stay as they are."""
    return file if not file or file.startswith("<") else discovery.shown(discovery.absolute(file))


# --- commands --------------------------------------------------------------------------------------------------------


class Traced(msgspec.Struct, frozen=True):
    """A report with the run behind it."""

    outcome: Outcome
    run: Run


def trace(task: Task, request: Request, *, timeout: float | None = None, quiet: bool = False) -> Traced:
    """Run a script and report what the trace saw. Raises `LaunchError` where no run came back."""
    analysis = api.analyse(task)
    run, found = _run(analysis, request, timeout, quiet=quiet)
    names = {f.file for f in found} | {shown(d.span.file) for d in run.tape.demands if d.span.file}
    result = msgspec.structs.replace(analysis.result, analysed=names, context=set())
    return Traced(
        api.reported(
            msgspec.structs.replace(
                analysis,
                findings=tuple(found),
                sites=_sites(run),
                result=result,
                errors=(),
                partial=True,
                problems=(*analysis.problems, *_problems(run, request, found, timeout)),
            )
        ),
        run,
    )


def confirm(
    task: Task, request: Request, watch: Watch | None = None, *, timeout: float | None = None, quiet: bool = False
) -> Traced:
    """Lint, then run a script and say of every finding what the run showed; what the static half missed is added."""
    analysis = api.analyse(task, watch)
    run, found = _run(analysis, request, timeout, quiet=quiet)
    judged = confirming.confirm(analysis.findings, run, claims(run, analysis.catalog))
    new = confirming.missed(judged, found)
    result = analysis.result
    result = msgspec.structs.replace(result, analysed=result.analysed | {f.file for f in new})
    return Traced(
        api.reported(
            msgspec.structs.replace(
                analysis,
                findings=(*judged, *new),
                result=result,
                problems=(*analysis.problems, *_problems(run, request, found, timeout)),
            )
        ),
        run,
    )


def _run(analysis: Analysis, request: Request, timeout: float | None, *, quiet: bool) -> tuple[Run, list[Finding]]:
    run = launch.spawn(asked(request, analysis), timeout=timeout, quiet=quiet)
    return run, findings(run, analysis.catalog)


def asked(request: Request, analysis: Analysis) -> Request:
    """The request with what the static half wants to know: which data to follow, which statements and returns to watch."""
    places = [place for f in analysis.findings for place in _places(f)]
    losses = [
        _span(s.file, s.range)
        for f in analysis.findings
        if f.contract == "dead-loss"
        for s in f.path
        if s.role == "demand"
    ]
    return msgspec.structs.replace(
        request,
        models=tuple(map(str, analysis.catalog.extra)),
        excursions=_excursions(analysis.result.tapes),
        watched=tuple(dict.fromkeys(places)),
        returned=tuple(dict.fromkeys(losses)),
    )


def _places(finding: Finding) -> Iterator[Span]:
    """The places of a finding of which it matters whether they ran."""
    yield _span(finding.file, finding.range)
    yield from (_span(s.file, s.range) for s in finding.path if s.role in ("demand", "cut", "cause"))


def _span(file: str, given: Range) -> Span:
    return Span(file, given.start.line, given.start.column, given.end.line, given.end.column)


def _excursions(tapes: Iterable[Tape]) -> dict[str, list[int]]:
    """The lines, by file, on which data leaves torch, comes back, or is changed outside."""
    found: dict[str, set[int]] = {}
    for tape in tapes:
        outside = {v.id for v in tape.values if v.kind in (Kind.ARRAY, Kind.NUMBER)}
        for edge in tape.edges:
            if edge.src in outside or edge.dst in outside:
                found.setdefault((edge.at or edge.span).file, set()).add((edge.at or edge.span).line)
    return {file: sorted(lines) for file, lines in found.items() if file}


def _sites(run: Run) -> tuple[Site, ...]:
    """What became of the demands of the user's own code: severed if any execution lost its gradient."""
    seen = {o.demand: o for o in run.observations}
    sites: dict[Span, Site] = {}
    for demand in run.tape.demands:
        if not demand.span.file or demand.kind in ("optimizer", "export"):
            continue
        span = msgspec.structs.replace(demand.span, file=shown(demand.span.file))
        observation = seen.get(demand.id, Observation(demand.id))
        verdict: Literal["severed", "connected", "undecided"] = (
            "severed" if observation.lost and observation.used else "connected" if observation.arrived else "undecided"
        )
        site = Site(
            span, demand.label, verdict, "no gradient was asked of it while the program ran" * (verdict == "undecided")
        )
        if span not in sites or _WORST.index(verdict) > _WORST.index(sites[span].verdict):
            sites[span] = site
    return tuple(sites[span] for span in sorted(sites))


def _problems(run: Run, request: Request, found: Sequence[Finding], timeout: float | None) -> Iterator[str]:
    """Why a run does not tell everything."""
    script = request.script
    explained = any(o.ended_the_run for o in run.observations) and found
    match run.ended_by:
        case "timeout":
            yield f"{script} was stopped after {timeout:g} seconds (--timeout); what it did until then is reported"
        case "interrupt":
            yield f"{script} was interrupted; what it did until then is reported"
        case "exit" if run.status:
            yield f"{script} ended with exit status {run.status}"
        case "exception" if not explained and not _about(run, found):
            yield f"{script} ended with {run.raised.splitlines()[0]}; what comes after did not run"
    if run.ended_by == "end" and not run.backwards and not any(o.raised for o in run.observations):
        yield f"{script} asked for no gradient (no backward, no autograd.grad): there is nothing to prove"
    if run.truncated:
        yield "the run was too long to remember all of it: paths may begin in the middle"


def _about(run: Run, found: Sequence[Finding]) -> bool:
    """Whether the exception that ended the run came through a demand that a finding speaks of."""
    lines = {(shown(span.file), span.line) for span in run.raised_at}
    return any((s.file, s.range.start.line) in lines for f in found for s in f.path if s.role == "demand")


# --- the child -------------------------------------------------------------------------------------------------------


def note(found: Sequence[Finding]) -> str:
    """A word for an exception: where the gradient was lost."""
    return "\n".join(
        f"gradlint: {f.file}:{f.range.start.line}:{f.range.start.column}: {f.rule}: {f.message}" for f in found
    )


def explain(run: Run, error: BaseException, catalog: Catalog) -> None:
    """Attach to an exception what ended the run, if the trace knows it."""
    ending = {o.demand for o in run.observations if o.ended_the_run}
    found = findings(run, catalog, [j for j in judge(run, catalog) if j.demand.id in ending])
    if found and sys.version_info >= (3, 11):
        error.add_note(note(found))


def main(request: Path, answer: Path) -> int:
    """The child: run the script, write the run, end as the script did."""
    given = msgspec.json.decode(request.read_bytes(), type=launch.Request)
    catalog = Catalog.load([Path(m) for m in given.models])
    try:
        run, error = launch.execute(given, catalog, lambda run, error: explain(run, error, catalog))
    except launch.LaunchError as failed:
        launch.answer(answer, launch.Failed(str(failed)))
        return 1
    launch.answer(answer, run)
    if isinstance(error, SystemExit):
        return error.code  # type: ignore[return-value] # a message is shown by Python itself
    if error is None or isinstance(error, KeyboardInterrupt):
        return run.status
    traceback.print_exception(type(error), error, without_own(error))
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
