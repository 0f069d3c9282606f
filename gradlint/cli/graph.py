"""`gradlint graph REPORT -o FILE`: a JSON report as a page or as drawings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.report import Report

STDIN = "-"


@click.command(short_help="Draw the ways of a report as a page or a picture.")
@click.argument("report", type=click.Path(path_type=str))
@click.option(
    "-o", "--output", "output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="x.html or x.svg."
)
@click.option(
    "--root",
    default=".",
    show_default=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that the paths of the report are relative to; no source outside of it is shown.",
)
def command(report: str, output: Path, root: Path) -> None:
    """Draw the ways of a report: the source with the path, beside live edges, the cut and what is lost.

    REPORT is what gradlint --output-format json printed; - is standard input.
    """
    from gradlint.catalog import Catalog
    from gradlint.report import MissingPackageError, View, html

    drawings = {".html": html.render, ".htm": html.render, ".svg": html.svg}
    if output.suffix.lower() not in drawings:
        raise click.UsageError(f"-o {output}: expected a name that ends with .html or .svg")
    sources = Sources(root)
    view = View(sources.lines, rules=Catalog.load().rules, cells=sources.cells)
    try:
        text = drawings[output.suffix.lower()](_read(report), view)
    except MissingPackageError as error:
        raise click.UsageError(str(error)) from error
    common.save(output, text, "-o")
    for file in sources.missing:
        common.note(f"note: {file}: no source below {root}: only its path is shown")


class Sources:
    """The lines of the files that a report names, as far as they lie below a folder."""

    def __init__(self, root: Path) -> None:
        from gradlint.texts import Texts

        self.root = root.resolve()
        self.missing: list[str] = []
        self.texts = Texts()
        self._seen: set[str] = set()

    def lines(self, file: str) -> Sequence[str]:
        """The lines of a file; none where it cannot or must not be read."""
        self._look(file)
        return self.texts.lines(file)

    def cells(self, file: str, cell: int) -> Sequence[str]:
        """The lines of a cell of a notebook."""
        self._look(file)
        return self.texts.cells(file, cell)

    def _look(self, file: str) -> None:
        from gradlint.finding import FileError

        if file in self._seen:
            return
        self._seen.add(file)
        path = (self.root / file).resolve()
        text = self.texts.load(path, file) if path.is_relative_to(self.root) and path.is_file() else None
        if text is None or isinstance(text, FileError):
            self.missing.append(file)
        else:
            self.texts.put(file, text)


def _read(name: str) -> Report:
    """A report from a file or standard input; what is wrong with it is told by its key."""
    import msgspec

    from gradlint.report import Report

    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return msgspec.json.decode(data, type=Report)
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{name}: not a JSON report of gradlint: {error}") from error
