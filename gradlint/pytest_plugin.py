"""`python -m pytest --gradlint`: every test is traced; a failing one is told where its gradient was lost.

Findings of tests that pass are listed at the end; they change no outcome. What a test expects (`pytest.raises`, `xfail`) is no
finding. A trace lasts from the first fixture of a test to the end of its call. Reports carry what was found from the processes of
pytest-xdist to the one that lists it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gradlint.session import Trace


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    group = parser.getgroup("gradlint")
    group.addoption("--gradlint", action="store_true", help="Trace every test and tell where gradients are lost.")


def pytest_configure(config: pytest.Config) -> None:
    """Watch the tests, if that is asked for."""
    if config.getoption("--gradlint"):
        try:
            import gradlint.session  # noqa: F401
        except ImportError as error:
            raise pytest.UsageError(f"--gradlint needs torch: {error}") from error
        config.pluginmanager.register(Watching(), "gradlint-watching")


class Watching:
    """The traces of a session of tests, and what they found."""

    def __init__(self) -> None:
        self.traces: dict[str, Trace] = {}  #: by the test's name: those of this process
        self.found: dict[str, list[str]] = {}  #: by the test's name: what is to be listed

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begin to trace with the first fixture."""
        from gradlint.session import trace

        self.traces[item.nodeid] = watched = trace()
        watched.__enter__()
        try:
            return (yield)
        except BaseException as error:
            watched.__exit__(type(error), error, error.__traceback__)
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """End with the test."""
        watched = self.traces[item.nodeid]
        try:
            result = yield
        except BaseException as error:
            watched.__exit__(type(error), error, error.__traceback__)
            raise
        watched.__exit__(None, None, None)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Leave no trace behind where a test was set up and not called."""
        watched = self.traces.get(item.nodeid)
        if watched is not None and watched.going_on:
            watched.__exit__(None, None, None)

    @pytest.hookimpl
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Tell a failing test what the trace knows; what `unittest` caught itself has not come through it."""
        watched = self.traces.get(item.nodeid)
        if watched is None or watched.going_on or call.when == "teardown":
            return
        if call.excinfo is not None and isinstance(call.excinfo.value, Exception):
            watched.failed(call.excinfo.value)
        if item.get_closest_marker("xfail") is None and watched.findings:
            item.add_report_section(call.when, "gradlint", repr(watched))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down what was found; a report brings it along from another process."""
        watched = self.traces.pop(report.nodeid, None) if report.when == "teardown" else None
        if watched is not None and "xfail" not in report.keywords:
            report.gradlint = [  # type: ignore[attr-defined]
                f"{f.file}:{f.range.start.line}:{f.range.start.column}: {f.severity}[{f.rule}] {f.message}"
                for f in watched.findings
            ]
        if lines := getattr(report, "gradlint", None):
            self.found[report.nodeid] = lines

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the findings of all tests."""
        terminalreporter.section("gradlint")
        for nodeid, lines in self.found.items():
            terminalreporter.line(nodeid)
            for line in lines:
                terminalreporter.line(f"  {line}")
        count = sum(map(len, self.found.values()))
        terminalreporter.line(
            f"{count} finding{'s' * (count != 1)} in {len(self.found)} test{'s' * (len(self.found) != 1)}"
        )
