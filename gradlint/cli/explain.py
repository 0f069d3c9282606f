"""`gradlint explain FILE:LINE`: what gradlint believes of the demand, else of the tensors, at a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.api import Analysis
    from gradlint.engine import Verdict
    from gradlint.engine.graph import Graph
    from gradlint.report import View
    from gradlint.tape import Capture, Demand, Edge, Span, Tape, Value

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(:\d+)?")
_LONGEST_WAY = 40
_MOST_SOURCES = 3
_GRADIENT = {-2: "none", -1: "none", 0: "cut off", 1: "zero", 2: "perhaps (an unknown call is on the way)", 3: "yes"}


@click.command(short_help="Show what gradlint believes at a line.")
@click.argument("place", metavar="FILE:LINE")
@click.argument("paths", nargs=-1, type=click.Path(readable=False, path_type=str))
@common.config_option
@common.color_option
def command(place: str, paths: tuple[str, ...], config_file: Path | None, color: str) -> None:
    """Show what gradlint believes of the demand or the tensors at a line.

    PATHS are further files and folders to analyse, such as the scripts that use FILE.
    """
    from gradlint import api, discovery
    from gradlint.report import View

    match = _PLACE.fullmatch(place)
    if match is None:
        raise click.UsageError(f"expected FILE:LINE, not {place!r}")
    file, line = match["file"], int(match["line"])
    analysis = api.analyse(api.Task((file, *paths), common.settings([file], config_file)))
    errors = [e for e in analysis.errors if e.file == discovery.shown(discovery.absolute(file))]
    if errors:
        raise click.UsageError(f"{errors[0].file}:{errors[0].line}:{errors[0].column}: {errors[0].message}")
    view = View(analysis.texts.lines, color=common.colored(color, terminal=common.on_terminal()))
    blocks = _demands(analysis, view, discovery.shown(discovery.absolute(file)), line)
    if not blocks:
        blocks = _values(analysis, discovery.shown(discovery.absolute(file)), line)
    common.write("\n".join(blocks) or common.plain(_nothing(analysis, discovery.shown(discovery.absolute(file)), line)))


def _nothing(analysis: Analysis, file: str, line: int) -> str:
    """What to say where there is neither a demand nor a tensor."""
    said = f"gradlint knows of no demand and no tensor at {file}:{line}.\n"
    if file in analysis.gated:
        return said + "The file was not analysed: nothing in it asks for a gradient.\n"
    sites = [s for s in analysis.sites if s.span.file == file]
    near = sorted(sites, key=lambda s: abs(s.span.line - line))[:5]
    listed = "".join(f"  {_at(s.span)}  {s.label}: {s.verdict}{_because(s.reason)}\n" for s in near)
    return said + (f"The nearest demands:\n{listed}" if near else "The file holds no demand.\n")


# --- demands ---------------------------------------------------------------------------------------------------------


def _demands(analysis: Analysis, view: View, file: str, line: int) -> list[str]:
    """A block for each demand of the line; runs that tell the same are told once."""
    from gradlint.engine import judge
    from gradlint.engine.graph import Graph

    blocks: list[str] = []
    for tape in analysis.result.tapes:
        if any(_covers(d.span, file, line) for d in tape.demands):
            graph = Graph(tape)
            judged = ((v.demand, v) for v in judge(tape, analysis.catalog))
            blocks += (_demand(tape, graph, d, v, view) for d, v in judged if d and _covers(d.span, file, line))
    return list(dict.fromkeys(blocks)) or _unreached(analysis, file, line)


def _unreached(analysis: Analysis, file: str, line: int) -> list[str]:
    """Demands that stand in the text and on no tape."""
    sites = (s for s in analysis.sites if _covers(s.span, file, line))
    return [common.plain(f"{_at(s.span)}: {s.label}\n  {s.verdict}{_because(s.reason)}\n") for s in sites]


def _demand(tape: Tape, graph: Graph, demand: Demand, verdict: Verdict, view: View) -> str:
    run = "a whole run" if demand.whole else "a run that starts in the middle"
    lines = [
        f"{_at(demand.span)}: {demand.label}",
        f"  asks for a gradient ({demand.kind}) in {run}: {verdict.verdict}{_because(verdict.reason or demand.unknown)}",
        *(f"  called from {_at(span)}" for span in demand.stack),
        *([] if demand.certain else ["  under a condition that gradlint could not decide"]),
    ]
    for root in demand.roots:
        lines += _about(tape, graph, root, "differentiates")
        lines += _ways(graph, root, demand)
    for target in demand.targets:
        lines += _about(tape, graph, target, "asks for the gradient of")
    lines += _modes(graph, demand)
    text = common.plain("\n".join(lines) + "\n")
    return text + (f"\n{common.findings_text(verdict.findings, view)}" if verdict.findings else "")


def _about(tape: Tape, graph: Graph, number: int, role: str) -> Iterator[str]:
    """One value: what it is, whether it has a gradient, where it was put."""
    value = tape.values[number]
    gradient = _GRADIENT[graph.strength[number]]
    yield f"  {role}: {value.label} ({_at(value.span)}), {_nature(value)}; gradient: {gradient}"
    yield from (f"    {_hop(c)}" for c in graph.captures.get(number, ()))


def _ways(graph: Graph, root: int, demand: Demand) -> Iterator[str]:
    """How the gradient goes from the root back to the targets, else to some sources, told in the order of the data."""
    from gradlint.engine.graph import CUTS, is_source

    towards = graph.towards(root)
    starts = [t for t in demand.targets if t in towards]
    strangers = [graph.values[t] for t in demand.targets if t not in towards]
    yield from (f"    not computed from {value.label} ({_at(value.span)})" for value in strangers)
    if not demand.targets:
        live = [n for n in sorted(towards) if towards[n] > CUTS and is_source(graph.values[n])]
        starts = sorted(live, key=lambda n: -towards[n])[:_MOST_SOURCES]
        yield f"    sources that the gradient reaches: {len(live)}"
    for start in starts:
        yield f"    from {graph.values[start].label} ({_at(graph.values[start].span)}):"
        edges = graph.chain(start, root)
        yield from (f"      {_step(edge)}" for edge in edges[:_LONGEST_WAY])
        if len(edges) > _LONGEST_WAY:
            yield f"      ... and {len(edges) - _LONGEST_WAY} more"


def _modes(graph: Graph, demand: Demand) -> Iterator[str]:
    """Where the gradient was switched off on the way."""
    values = {v for root in demand.roots for v in graph.towards(root)}
    off = {edge.span: edge.op for v in sorted(values) for edge in graph.into[v] if edge.cause == "grad-mode"}
    yield from (f"  gradient switched off at {_at(span)}: {op}" for span, op in off.items())


# --- values ----------------------------------------------------------------------------------------------------------


def _values(analysis: Analysis, file: str, line: int) -> list[str]:
    """A block for each tensor that was made or kept at the line."""
    from gradlint.engine.graph import Graph

    blocks: list[str] = []
    for tape in analysis.result.tapes:
        here = [v.id for v in tape.values if _covers(v.span, file, line)]
        here += [c.value for c in tape.captures if _covers(c.span, file, line)]
        if here:
            graph = Graph(tape)
            blocks += (_value(tape, graph, number) for number in dict.fromkeys(here))
    return list(dict.fromkeys(blocks))


def _value(tape: Tape, graph: Graph, number: int) -> str:
    made = [f"    made by {_step(edge)} from {tape.values[edge.src].label}" for edge in graph.into[number]]
    asked = [
        f"    {'differentiated' if number in d.roots else 'asked for'} at {_at(d.span)}: {d.label}"
        for d in tape.demands
        if number in (*d.roots, *d.targets)
    ]
    told = [*_about(tape, graph, number, "tensor"), *made, *asked]
    return common.plain("\n".join(told).removeprefix("  ") + "\n")


# --- words -----------------------------------------------------------------------------------------------------------


def _covers(span: Span, file: str, line: int) -> bool:
    return span.file == file and span.line <= line <= span.end_line


def _at(span: Span) -> str:
    return f"{span.file}:{span.line}:{span.column}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _nature(value: Value) -> str:
    """Kind and origin of a value."""
    words = [value.kind.value]
    if value.leaf:
        words.append(f"leaf, requires grad: {value.requires_grad}")
    if value.frozen_at is not None:
        words.append(f"frozen at {_at(value.frozen_at)}")
    if value.joined:
        words.append("one of several values")
    return ", ".join(words)


def _hop(capture: Capture) -> str:
    return f"{capture.kind} {capture.label} at {_at(capture.span)}"


def _step(edge: Edge) -> str:
    flow = edge.flow.name.lower() if not edge.select else "selects only"
    return f"{edge.op} ({_at(edge.span)}): {flow}{_because(edge.cause)}"
