# ruff: noqa
# mypy: ignore-errors
"""fallback judge (to be replaced)"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from gradlint.engine import paths
from gradlint.engine.findings import Case, Claim, Rules, cuts, doubtful, finding
from gradlint.engine.graph import CUTS, NOTHING, UNKNOWN, ZEROES, Graph
from gradlint.finding import Finding, Place, Site, sort_key
from gradlint.tape import Demand, Flow, Tape


class Verdict(msgspec.Struct, frozen=True):
    demand: Demand
    verdict: Literal["connected", "severed", "undecided"]
    reason: str = ""
    findings: tuple[Finding, ...] = ()


def judge(tape: Tape, catalog: Rules) -> list[Verdict]:
    graph = Graph(tape)
    case = Case(graph, catalog)
    return [_one(case, d) for d in tape.demands]


def _one(case, d):
    g = case.graph
    fs = []
    if d.kind in ("backward", "training-step", "loss-return", "autograd.grad", "grad-read"):
        targets = [t for t in d.targets if not g.values[t].parameter]
        for i, t in enumerate(targets):
            f = _target(case, d, t, d.target_labels[i] if i < len(d.target_labels) else g.values[t].label)
            if f:
                fs.append(f)
        if not fs and d.roots and d.kind != "grad-read":
            for r in d.roots:
                f = _root(case, d, r)
                if f:
                    fs.append(f)
                else:
                    fs += _terms(case, d, r)
    elif d.kind in ("register-hook", "retain-grad"):
        for t in d.targets:
            if g.strength[t] <= CUTS and not _possible(g, t):
                f = _dead(case, d, t, f"{g.values[t].label} has no graph")
                if f:
                    fs.append(f)
    elif d.kind == "export":
        t = d.targets[0]
        fs.append(
            finding(
                case,
                Claim(
                    "severed",
                    "numpy",
                    d.span,
                    f"{d.label} raises: {g.values[t].label} requires grad",
                    (
                        paths.taken(g, t, d.time),
                        paths.step("cut", d.span, d.label),
                        paths.step("demand", d.span, d.label),
                    ),
                ),
            )
        )
    fs = [f for f in fs if f]
    sev = any(f.contract not in ("dead-term",) for f in fs)
    return Verdict(d, "severed" if sev else "connected", "", tuple(fs))


def _possible(g, v):
    # may something after the cut own a source
    return g.strength[v] >= UNKNOWN


def _dead(case, d, end, msg, contract="severed"):
    g = case.graph
    if g.strength[end] < CUTS:
        return None
    fr = g.frontier(g.live(), end)
    if not fr:
        return None
    way = g.way(fr, end)
    e = way.frontier
    return finding(
        case, Claim(contract, e.cause, e.span, f"{msg}: {cuts(e)}", paths.along(g, way, d), doubtful(g, way, d))
    )


def _root(case, d, r):
    g = case.graph
    s = g.strength[r]
    if s == CUTS:
        return _dead(case, d, r, f"{g.values[r].label} cannot reach anything that requires grad")
    if s == ZEROES:
        fr = g.frontier(g.live(ZEROES), r, ZEROES)
        if fr:
            way = g.way(fr, r)
            e = way.frontier
            return finding(
                case,
                Claim(
                    "zeroed",
                    e.cause,
                    e.span,
                    f"the gradient of {g.values[r].label} is zero: {cuts(e)}",
                    paths.along(g, way, d),
                ),
            )
    if s == NOTHING and not g.unknown[r]:
        fz = [g.values[a] for a in g.towards(r) if g.values[a].frozen_at]
        place = max((v.frozen_at for v in fz), default=d.span)
        steps = [paths.step("cause", v.frozen_at, "frozen here") for v in fz][:3]
        return finding(
            case,
            Claim(
                "no-graph", "", place, f"nothing {g.values[r].label} depends on requires grad", paths.ended([*steps], d)
            ),
        )
    return None


def _target(case, d, t, label):
    g = case.graph
    if g.strength[t] <= CUTS:
        return _dead(case, d, t, f"{label} has no graph")
    best = max((g.towards(r).get(t, NOTHING) for r in d.roots), default=NOTHING)
    if best >= UNKNOWN:
        if not d.retained and d.certain:
            return finding(
                case,
                Claim(
                    "non-leaf", "", g.values[t].span, f"{label} is no leaf", paths.ended([paths.taken(g, t, d.time)], d)
                ),
            )
        return None
    for r in d.roots:
        if g.towards(r).get(t, NOTHING) == CUTS:
            live = frozenset(g.reach([t], CUTS))
            fr = g.frontier(live, r)
            if fr:
                way = g.way(fr, r, t)
                e = way.frontier
                return finding(
                    case,
                    Claim(
                        "severed",
                        e.cause,
                        e.span,
                        f"{g.values[r].label} cannot reach {label}: {cuts(e)}",
                        paths.along(g, way, d),
                        doubtful(g, way, d),
                    ),
                )
        if g.towards(r).get(t, NOTHING) == ZEROES:
            live = frozenset(g.reach([t], ZEROES))
            fr = g.frontier(live, r, ZEROES)
            if fr:
                way = g.way(fr, r, t)
                e = way.frontier
                return finding(
                    case,
                    Claim("zeroed", e.cause, e.span, f"gradient of {label} is zero: {cuts(e)}", paths.along(g, way, d)),
                )
        # side branch
        anc = {a for a, s in g.towards(r).items() if s > CUTS}
        side = {a for a, s in g.towards(t).items() if a in anc and s == CUTS}
        if side:
            live = frozenset(a for a in g.towards(t) if g.strength[a] > CUTS)
            fr = [e for e in g.frontier(frozenset(anc), t) if e.flow == Flow.CUTS]
            if fr:
                way = g.way(fr, t)
                e = way.frontier
                return finding(
                    case,
                    Claim(
                        "severed",
                        e.cause,
                        e.span,
                        f"{g.values[r].label} cannot reach {label}: {cuts(e)}",
                        paths.along(g, way, d),
                        doubtful(g, way, d),
                    ),
                )
    return None


def _terms(case, d, r, seen=None):
    g = case.graph
    out = []
    terms = []

    def split(v):
        es = [e for e in g.into[v] if e.term]
        if not es or g.values[v].joined:
            terms.append(v)
            return
        for e in es:
            split(e.src)

    split(r)
    terms = list(dict.fromkeys(terms))
    if len(terms) < 2:
        return []
    alive = [t for t in terms if g.strength[t] > ZEROES]
    for t in terms:
        if g.strength[t] in (CUTS, ZEROES) and not any(a in g.towards(t) for a in alive):
            lvl = CUTS if g.strength[t] == CUTS else ZEROES
            fr = g.frontier(g.live(lvl), t, lvl)
            if fr:
                way = g.way(fr, r, over=t)
                e = way.frontier
                f = finding(
                    case,
                    Claim(
                        "dead-term",
                        e.cause,
                        e.span,
                        f"{g.values[t].label} is a constant in {g.values[r].label}: {cuts(e)}",
                        paths.along(g, way, d),
                    ),
                )
                if f:
                    out.append(f)
    return out


def merge(verdicts: Iterable[Verdict]):
    order = {"connected": 0, "undecided": 1, "severed": 2}
    sites = {}
    found = {}
    for v in verdicts:
        s = Site(v.demand.span, v.demand.label, v.verdict, v.reason)
        old = sites.get(s.span)
        if old is None or order[v.verdict] > order[old.verdict]:
            sites[s.span] = s
        for f in v.findings:
            k = (f.rule, f.file, f.range, f.contract)
            if k in found:
                p = found[k]
                dm = f.path[-1]
                pl = Place(dm.file, dm.range, dm.label)
                if (p.path[-1].file, p.path[-1].range) != (pl.file, pl.range) and pl not in p.also:
                    found[k] = msgspec.structs.replace(p, also=(*p.also, pl))
            else:
                found[k] = f
    return sorted(found.values(), key=sort_key), [sites[k] for k in sorted(sites)]
