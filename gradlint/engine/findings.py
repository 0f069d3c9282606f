"""From a verdict to a finding: its rule, words, severity and confidence.

Knows the catalog's rules by contract and cause; knows no slug but those of contract "other". What a finding says of its
contract stands in the module that judges the contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import msgspec

from gradlint.engine.graph import Graph, Way
from gradlint.engine.paths import text
from gradlint.finding import Contract, Finding, Range, Severity, Step
from gradlint.tape import Demand, Edge, Flow, Span

if TYPE_CHECKING:
    from gradlint.catalog import Rule

#: contracts that touch only a part of a training: never more than a warning
PARTIAL: tuple[Contract, ...] = ("dead-term", "dead-loss", "untrained")


class Rules(Protocol):
    """What the engine asks of the catalog."""

    def rule(self, slug: str) -> Rule | None:
        """The rule of this name."""

    def rule_for(self, contract: str, cause: str = "") -> Rule | None:
        """The rule that claims this cause under this contract."""


class Case:
    """One tape being judged: its graph and the rules."""

    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.graph = graph
        self.rules = rules


class Claim(msgspec.Struct, frozen=True):
    """What is said, and where; the rule follows from contract and cause, or is named."""

    contract: Contract
    cause: str
    place: Span
    message: str
    steps: tuple[Step, ...]
    likely: bool = False
    severity: Severity | None = None
    slug: str = ""
    names: tuple[tuple[str, str], ...] = ()  #: what `{target}`, `{root}`, `{cut}` in a page's help stand for


def finding(case: Case, claim: Claim) -> Finding | None:
    """The finding of a claim; none where no page claims it."""
    rule = case.rules.rule(claim.slug) if claim.slug else case.rules.rule_for(claim.contract, claim.cause)
    if rule is None:
        return None
    severity = claim.severity or ("warning" if claim.contract in PARTIAL else rule.severity)
    return Finding(
        rule=rule.slug,
        contract=claim.contract,
        severity=severity,
        confidence="likely" if claim.likely else "proved",
        message=claim.message,
        file=claim.place.file,
        range=Range.of(claim.place),
        path=claim.steps,
        help=_filled(rule.help, claim.names),
        url=rule.url,
    )


def doubtful(graph: Graph, way: Way, demand: Demand) -> bool:
    """Whether a claim about this way is only likely: a condition, an unknown hop or a join lies on it."""
    values = {way.start, *(e.dst for e in way.edges)}
    return (
        not demand.certain
        or any(e.flow == Flow.UNKNOWN for e in way.edges)
        or any(graph.values[v].joined or graph.values[v].may_own for v in values)
    )


def cuts(edge: Edge) -> str:
    """What the frontier does, as the end of a message."""
    match edge.cause:
        case "grad-mode":
            return f"{text(edge.op)} switches the gradient off"
        case "zero-gradient":
            return f"the gradient of {text(edge.op)} is zero everywhere"
        case "no-create-graph":
            return f"{text(edge.op)} without create_graph=True gives a gradient that has no graph"
        case "custom-function":
            return f"the backward of {text(edge.op)} gives nothing for this input"
        case "non-differentiable":
            return f"{text(edge.op)} has no derivative"
        case "remade" | "rebuild":
            return f"{text(edge.op)} makes a new tensor without the history"
        case _:
            return f"{text(edge.op)} cuts the gradient"


def _filled(advice: str, names: Iterable[tuple[str, str]]) -> str:
    for word, label in names:
        advice = advice.replace(f"{{{word}}}", label)
    return advice
