"""`python -m pytest --gradlint`: every test is traced; a failing one is told where its gradient was lost.

Findings of tests that pass are listed at the end; they change no outcome. What a test expects (`pytest.raises`) is no finding.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gradlint.session import Trace

_KEY = pytest.StashKey[list[tuple[str, "Trace"]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    group = parser.getgroup("gradlint")
    group.addoption("--gradlint", action="store_true", help="Trace every test and tell where gradients are lost.")


def pytest_configure(config: pytest.Config) -> None:
    """Where the findings are collected."""
    config.stash[_KEY] = []
    if config.getoption("--gradlint"):
        try:
            import gradlint.session  # noqa: F401
        except ImportError as error:
            raise pytest.UsageError(f"--gradlint needs torch: {error}") from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Trace one test."""
    if not item.config.getoption("--gradlint"):
        return (yield)
    from gradlint.session import trace

    with_findings = item.config.stash[_KEY]
    watched = trace()
    try:
        with watched:
            return (yield)
    finally:
        if watched.findings:
            with_findings.append((item.nodeid, watched))
            item.add_report_section("call", "gradlint", repr(watched))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the findings of all tests."""
    found = terminalreporter.config.stash[_KEY]
    if not terminalreporter.config.getoption("--gradlint"):
        return
    terminalreporter.section("gradlint")
    for nodeid, trace in found:
        terminalreporter.line(nodeid)
        for finding in trace.findings:
            place = f"{finding.file}:{finding.range.start.line}:{finding.range.start.column}"
            terminalreporter.line(f"  {place}: {finding.severity}[{finding.rule}] {finding.message}")
    terminalreporter.line(f"{sum(len(t.findings) for _, t in found)} findings in {len(found)} tests")
