"""`gradlint explain FILE:LINE`: what gradlint believes of the demand, else of the tensors, at a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradlint.cli import _common as common
from gradlint.finding import Range
from gradlint.notebook import placed
from gradlint.report._words import at, named

if TYPE_CHECKING:
    from gradlint.api import Analysis
    from gradlint.engine import Verdict
    from gradlint.engine.graph import Graph
    from gradlint.notebook.placed import Notebooks
    from gradlint.report import View
    from gradlint.tape import Capture, Demand, Edge, Span, Tape, Value

_PLACE = re.compile(r"(?P<file>.+?)(?::cell[ :](?P<cell>\d+))?:(?P<line>\d+)(:\d+)?")
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

    In a notebook the line is one of a cell: cam.ipynb:cell:3:2 is line 2 of the third cell. PATHS are further files and
    folders to analyse, such as the scripts that use FILE.
    """
    from gradlint import api
    from gradlint.report import View

    match = _PLACE.fullmatch(place)
    if match is None:
        raise click.UsageError(f"expected FILE:LINE, or FILE:cell:N:LINE in a notebook, not {place!r}")
    given = match["file"]
    analysis = api.analyse(api.Task((given, *paths), common.settings([given], config_file)))
    for problem in analysis.problems:
        common.note(f"error: {problem}")
    spot = _spot(analysis, given, int(match["cell"] or 0), int(match["line"]))
    view = View(
        analysis.texts.lines, color=common.colored(color, terminal=common.on_terminal()), cells=analysis.texts.cells
    )
    blocks = _demands(analysis, view, spot) or _values(analysis, spot)
    common.write("\n".join(blocks) or common.plain(_nothing(analysis, spot)))


class Spot:
    """The place that was asked for, and how places are told: in a notebook by their cell."""

    def __init__(self, notebooks: Notebooks, file: str, cell: int, line: int) -> None:
        self.file = file
        self.told = f"{named(file, cell or None)}:{line}"
        self.notebooks = notebooks
        self._line = notebooks[file].line(cell, line) if cell else line

    def lies_in(self, span: Span) -> bool:
        """Whether something stands on the line."""
        return span.file == self.file and span.line <= self._line <= span.end_line

    def away(self, span: Span) -> int:
        """How far something in the same file is."""
        return abs(span.line - self._line)

    def at(self, span: Span) -> str:
        """A place, as it is told."""
        there = Range.of(span)
        if span.file not in self.notebooks:
            return at(span.file, there)
        cell, there = self.notebooks[span.file].range(there)
        return at(span.file, there, cell)


def _spot(analysis: Analysis, given: str, cell: int, line: int) -> Spot:
    """The place that was named, if there is such a one and its file was read."""
    from gradlint import discovery

    file, notebooks = discovery.shown(discovery.absolute(given)), analysis.texts.notebooks
    for error in (e for e in analysis.errors if e.file == file):
        told = placed.error(error, notebooks)
        where = f"{named(told.file, told.cell)}:{told.line}:{told.column}: {told.message}"
        if told.cell is None:
            raise click.UsageError(where)
        common.note(f"error: {where}")
    if file in notebooks and not cell:
        raise click.UsageError(f"a line of a notebook is one of a cell: {given}:cell:N:{line}")
    if cell and (file not in notebooks or cell not in notebooks[file].cells):
        raise click.UsageError(f"{given}: there is no Python in a cell {cell}")
    return Spot(notebooks, file, cell, line)


def _nothing(analysis: Analysis, spot: Spot) -> str:
    """What to say where there is neither a demand nor a tensor."""
    said = f"gradlint knows of no demand and no tensor at {spot.told}.\n"
    if spot.file in analysis.gated:
        return said + "The file was not analysed: nothing in it asks for a gradient.\n"
    near = sorted((s for s in analysis.sites if s.span.file == spot.file), key=lambda s: spot.away(s.span))[:5]
    listed = "".join(f"  {spot.at(s.span)}  {s.label}: {s.verdict}{_because(s.reason)}\n" for s in near)
    return said + (f"The nearest demands:\n{listed}" if near else "The file holds no demand.\n")


# --- demands ---------------------------------------------------------------------------------------------------------


def _demands(analysis: Analysis, view: View, spot: Spot) -> list[str]:
    """A block for each demand of the line; runs that tell the same are told once."""
    from gradlint.engine import judge
    from gradlint.engine.graph import Graph

    blocks: list[str] = []
    for tape in analysis.result.tapes:
        if any(spot.lies_in(d.span) for d in tape.demands):
            graph = Graph(tape)
            judged = ((v.demand, v) for v in judge(tape, analysis.catalog))
            blocks += (_demand(graph, d, v, view, spot) for d, v in judged if d and spot.lies_in(d.span))
    return list(dict.fromkeys(blocks)) or _unreached(analysis, spot)


def _unreached(analysis: Analysis, spot: Spot) -> list[str]:
    """Demands that stand in the text and on no tape."""
    sites = (s for s in analysis.sites if spot.lies_in(s.span))
    return [common.plain(f"{spot.at(s.span)}: {s.label}\n  {s.verdict}{_because(s.reason)}\n") for s in sites]


def _demand(graph: Graph, demand: Demand, verdict: Verdict, view: View, spot: Spot) -> str:
    run = "a whole run" if demand.whole else "a run that starts in the middle"
    lines = [
        f"{spot.at(demand.span)}: {demand.label}",
        f"  asks for a gradient ({demand.kind}) in {run}: {verdict.verdict}{_because(verdict.reason or demand.unknown)}",
        *(f"  called from {spot.at(span)}" for span in demand.stack),
        *([] if demand.certain else ["  under a condition that gradlint could not decide"]),
    ]
    for root in demand.roots:
        lines += _about(spot, graph, root, "differentiates")
        lines += _ways(spot, graph, root, demand)
    for target in demand.targets:
        lines += _about(spot, graph, target, "asks for the gradient of")
    lines += _modes(spot, graph, demand)
    text = common.plain("\n".join(lines) + "\n")
    return text + (
        f"\n{common.findings_text((placed.finding(f, spot.notebooks) for f in verdict.findings), view)}"
        if verdict.findings
        else ""
    )


def _about(spot: Spot, graph: Graph, number: int, role: str) -> Iterator[str]:
    """One value: what it is, whether it has a gradient, where it was put."""
    value = graph.values[number]
    gradient = _GRADIENT[graph.strength[number]]
    yield f"  {role}: {value.label} ({spot.at(value.span)}), {_nature(spot, value)}; gradient: {gradient}"
    yield from (f"    {_hop(spot, c)}" for c in graph.captures.get(number, ()))


def _ways(spot: Spot, graph: Graph, root: int, demand: Demand) -> Iterator[str]:
    """How the gradient goes from the root back to the targets, else to some sources, told in the order of the data."""
    from gradlint.engine.graph import CUTS, is_source

    towards = graph.towards(root)
    starts = [t for t in demand.targets if t in towards]
    strangers = [graph.values[t] for t in demand.targets if t not in towards]
    yield from (f"    not computed from {value.label} ({spot.at(value.span)})" for value in strangers)
    if not demand.targets:
        live = [n for n in sorted(towards) if towards[n] > CUTS and is_source(graph.values[n])]
        starts = sorted(live, key=lambda n: -towards[n])[:_MOST_SOURCES]
        yield f"    sources that the gradient reaches: {len(live)}"
    for start in starts:
        yield f"    from {graph.values[start].label} ({spot.at(graph.values[start].span)}):"
        edges = graph.chain(start, root)
        yield from (f"      {_step(spot, edge)}" for edge in edges[:_LONGEST_WAY])
        if len(edges) > _LONGEST_WAY:
            yield f"      ... and {len(edges) - _LONGEST_WAY} more"


def _modes(spot: Spot, graph: Graph, demand: Demand) -> Iterator[str]:
    """Where the gradient was switched off on the way."""
    values = {v for root in demand.roots for v in graph.towards(root)}
    off = {edge.span: edge.op for v in sorted(values) for edge in graph.into[v] if edge.cause == "grad-mode"}
    yield from (f"  gradient switched off at {spot.at(span)}: {op}" for span, op in off.items())


# --- values ----------------------------------------------------------------------------------------------------------


def _values(analysis: Analysis, spot: Spot) -> list[str]:
    """A block for each tensor that was made or kept at the line."""
    from gradlint.engine.graph import Graph

    blocks: list[str] = []
    for tape in analysis.result.tapes:
        here = [v.id for v in tape.values if spot.lies_in(v.span)]
        here += [c.value for c in tape.captures if spot.lies_in(c.span)]
        if here:
            graph = Graph(tape)
            blocks += (_value(tape, graph, number, spot) for number in dict.fromkeys(here))
    return list(dict.fromkeys(blocks))


def _value(tape: Tape, graph: Graph, number: int, spot: Spot) -> str:
    made = [f"    made by {_step(spot, edge)} from {tape.values[edge.src].label}" for edge in graph.into[number]]
    asked = [
        f"    {'differentiated' if number in d.roots else 'asked for'} at {spot.at(d.span)}: {d.label}"
        for d in tape.demands
        if number in (*d.roots, *d.targets)
    ]
    told = [*_about(spot, graph, number, "tensor"), *made, *asked]
    return common.plain("\n".join(told).removeprefix("  ") + "\n")


# --- words -----------------------------------------------------------------------------------------------------------


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _nature(spot: Spot, value: Value) -> str:
    """Kind and origin of a value."""
    words = [value.kind.value]
    if value.leaf:
        words.append(f"leaf, requires grad: {value.requires_grad}")
    if value.frozen_at is not None:
        words.append(f"frozen at {spot.at(value.frozen_at)}")
    if value.joined:
        words.append("one of several values")
    return ", ".join(words)


def _hop(spot: Spot, capture: Capture) -> str:
    return f"{capture.kind} {capture.label} at {spot.at(capture.span)}"


def _step(spot: Spot, edge: Edge) -> str:
    flow = edge.flow.name.lower() if not edge.select else "selects only"
    return f"{edge.op} ({spot.at(edge.span)}): {flow}{_because(edge.cause)}"
