"""Sentences, places and links that several formats share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from gradlint.finding import FileError, Finding, Range, Site
from gradlint.report import Report, View

HOME = "https://github.com/gradlint/gradlint"
_MOST_REASONS = 3
_MOST_FILES = 3


def closing(report: Report, sites: Iterable[Site]) -> str:
    """The last line: findings, and what became of the demands."""
    counts, demands, files = report.summary.findings, report.summary.demands, report.summary.files
    found = ", ".join(
        f"{n} {word}{'s' * (n != 1 and word != 'info')}"
        for n, word in ((counts.error, "error"), (counts.warning, "warning"), (counts.info, "info"))
        if n
    )
    hidden = ((report.summary.suppressed, "suppressed"), (report.summary.baselined, "in the baseline"))
    told = ", ".join(f"{n} {word}" for n, word in hidden if n)
    silenced = f" ({told})" if told else ""
    broken = f" {plural(len(report.errors), 'file')} not analysed." if report.errors else ""
    return (
        f"{found or 'no findings'}{silenced}.{broken} {plural(demands.found, 'demand')}: "
        f"{demands.connected} connected, {demands.severed} severed, {demands.undecided} undecided{_why(sites)}. "
        f"{plural(files.found, 'file')}, {files.analysed} analysed."
    )


def named(file: str, cell: int | None = None) -> str:
    """A file, or a cell of a notebook, as text formats print it.

    A name that begins with `::` would be a command to GitHub's runner at the beginning of a line.
    """
    shown = f"./{file}" if file.lstrip().startswith("::") else file
    return f"{shown}:cell {cell}" if cell else shown


def at(file: str, there: Range, cell: int | None = None) -> str:
    """A place as `file:line:column`."""
    return f"{named(file, cell)}:{there.start.line}:{there.start.column}"


def in_cell(cell: int | None, line: int) -> str:
    """Where in a notebook, for formats that know only files and lines."""
    return f"cell {cell}:{line}: " if cell else ""


def unheard(markup: str) -> str:
    """XML or HTML without `##[`, which would be a command in a log of GitHub's runner."""
    return markup.replace("##[", "##&#91;")


def repeats(label: str, there: Range, lines: Sequence[str]) -> bool:
    """Whether a label says nothing but the text that it stands at, on one line."""
    line = there.start.line
    if line != there.end.line or line > len(lines):
        return False
    marked = lines[line - 1][there.start.column - 1 : there.end.column - 1]
    return " ".join(marked.split()) == label


def from_root(file: str, variable: str) -> str:
    """A file as a service names it: below the folder of the repository, which the service tells in a variable."""
    root = os.environ.get(variable)
    if not root:
        return file
    path = os.path.relpath(file, root)
    return file if path.startswith("..") else Path(path).as_posix()


def link(url: str) -> str:
    """Where the page of a rule can be read."""
    return url if not url or url.startswith(("https://", "http://")) else f"{HOME}/blob/main/{url}"


def way(finding: Finding) -> list[str]:
    """The path, a line for each step."""
    return [f"({i}) {s.role}: {s.label} at {at(s.file, s.range, s.cell)}" for i, s in enumerate(finding.path, 1)]


def broken(report: Report) -> list[FileError]:
    """The files that something was wrong with; those that an interrupt left over are told in one line."""
    return [error for error in report.errors if error.kind != "interrupted"]


def interrupted(report: Report) -> list[str]:
    """A line about the files that an interrupt kept from being analysed, if any."""
    left = [error.file for error in report.errors if error.kind == "interrupted"]
    if not left:
        return []
    more = f" and {len(left) - _MOST_FILES} more" if len(left) > _MOST_FILES else ""
    return [f"interrupted: not analysed to the end: {', '.join(map(named, left[:_MOST_FILES]))}{more}"]


def plural(count: int, word: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {word}{'s' * (count != 1)}"


def undecided(sites: Iterable[Site]) -> list[str]:
    """A line for every demand without a verdict."""
    return [
        f"{at(s.file, s.range, s.cell)}: undecided: {s.label}: {s.reason or 'no reason known'}"
        for s in sites
        if s.verdict == "undecided"
    ]


def statistics(report: Report, sites: Iterable[Site]) -> list[str]:
    """How often each rule found something, and why demands are undecided."""
    rules = Counter((f.rule, f.severity) for f in report.findings)
    lines = [f"{n:5} {severity}[{rule}]" for (rule, severity), n in sorted(rules.items(), key=lambda i: (-i[1], i[0]))]
    return [*lines, *(f"{n:5} undecided: {reason}" for reason, n in _reasons(sites))]


def extras(report: Report, view: View) -> list[str]:
    """What `--show-unknown` and `--statistics` ask for."""
    listed = undecided(view.sites) if view.show_unknown else []
    return [*listed, *(statistics(report, view.sites) if view.statistics else ())]


def _reasons(sites: Iterable[Site]) -> list[tuple[str, int]]:
    found = Counter(s.reason or "no reason known" for s in sites if s.verdict == "undecided")
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def _why(sites: Iterable[Site]) -> str:
    """The commonest reasons for not deciding, in brackets."""
    reasons = _reasons(sites)
    if not reasons:
        return ""
    named = [f"{reason}: {n}" for reason, n in reasons[:_MOST_REASONS]]
    rest = sum(n for _, n in reasons[_MOST_REASONS:])
    return f" ({', '.join([*named, *([f'other: {rest}'] if rest else [])])})"
