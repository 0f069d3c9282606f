"""The report, and its output formats: every module of this folder is one, with a function `render(report, view)`.

Knows the shape of the report (a promise to editors and CI) and nothing of how findings come about. A new format is a
new file here. `report.schema.json` is generated from the types by `make update`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from gradlint import __version__
from gradlint.finding import FileError, Finding, Site

if TYPE_CHECKING:
    from gradlint.catalog import Rule


class Tool(msgspec.Struct, frozen=True):
    """Who made the report."""

    name: Literal["gradlint"] = "gradlint"
    version: str = __version__


class Files(msgspec.Struct, frozen=True):
    """How many files there were: `gated` hold nothing that can matter, `context` were read but not reported on."""

    found: int = 0
    analysed: int = 0
    gated: int = 0
    context: int = 0


class Demands(msgspec.Struct, frozen=True):
    """How many demand sites the analysed files hold, and what became of them."""

    found: int = 0
    connected: int = 0
    severed: int = 0
    undecided: int = 0


class Counts(msgspec.Struct, frozen=True):
    """Findings by severity."""

    error: int = 0
    warning: int = 0
    info: int = 0


class Summary(msgspec.Struct, frozen=True):
    """The report in numbers."""

    files: Files = Files()
    demands: Demands = Demands()
    findings: Counts = Counts()
    suppressed: int = 0
    baselined: int = 0


class Report(msgspec.Struct, frozen=True):
    """Everything gradlint says about a set of files."""

    schema_version: Literal[1] = 1
    tool: Tool = Tool()
    findings: tuple[Finding, ...] = ()
    errors: tuple[FileError, ...] = ()
    summary: Summary = Summary()


SCREEN = 160  #: columns of a screen that nobody looks at


class View(msgspec.Struct, frozen=True):
    """What a format may need besides the report: the text of the files, and what the user wants to see."""

    lines: Callable[[str], Sequence[str]]
    sites: tuple[Site, ...] = ()
    rules: Mapping[str, Rule] = {}  #: the pages of the rules, by name
    width: int = SCREEN
    color: bool = False
    show_unknown: bool = False
    statistics: bool = False
    cells: Callable[[str, int], Sequence[str]] | None = None  #: the lines of a cell of a notebook

    def source(self, file: str, cell: int | None = None) -> Sequence[str]:
        """The lines that the places of a report count in: of a file, or of a cell."""
        return self.cells(file, cell) if cell is not None and self.cells else self.lines(file)


class MissingPackageError(Exception):
    """A format needs a package that is not installed; the message tells how to get it."""


class Format(Protocol):
    """A module of this folder."""

    EXTRAS: bool  #: whether it shows what `--statistics` and `--show-unknown` ask for

    def render(self, report: Report, view: View) -> str:
        """The report as text, ending with a newline."""


#: keys that are left out where there is nothing to say; every other key is always there
OPTIONAL = {
    "Runtime": frozenset(("reason", "evidence")),
    **dict.fromkeys(("Step", "Place", "Edit", "FileError"), frozenset(("cell",))),
}


def formats() -> list[str]:
    """The names of the output formats."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load(name: str) -> Format:
    """The format of this name."""
    module: Any = import_module(f"{__name__}.{name}")
    loaded: Format = module
    return loaded


def schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    made = msgspec.json.schema(Report, schema_hook=lambda _: {"description": "any value"})
    for name, definition in made["$defs"].items():
        definition.pop("title", None)
        keys = definition["properties"]
        definition["required"] = [key for key in keys if key not in OPTIONAL.get(name, ())]
        for described in keys.values():
            described.pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gradlint report", **made}
