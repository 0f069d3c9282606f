"""Write into the rule pages what the models know of their causes: `python -m tests.models.pages`; a test compares."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from gradlint.catalog import Catalog, Row, data_folder

CAUSES = {"library-cut": "library", "grad-disabled": "grad-mode", "non-differentiable": "non-differentiable"}
_BLOCK = re.compile(r"<!-- models -->\n.*?<!-- end of models -->\n", re.DOTALL)


def text(slug: str) -> str:
    """The page as it should be."""
    page = (data_folder() / f"{slug}.md").read_text(encoding="utf-8")
    known = "\n".join(_paragraphs(CAUSES[slug]))
    block = f"<!-- models -->\n{known}\n<!-- end of models -->\n"
    return _BLOCK.sub(lambda _: block, page)


def _paragraphs(cause: str) -> Iterator[str]:
    """One item for each library, with the names of its rows; what a row also answers to is counted, not told."""
    rows = [row for row in Catalog.load().rows() if row.cause == cause and _loses(row)]
    for library in sorted({row.name.split(".")[0] for row in rows}):
        names = [f"`{row.name}`" for row in rows if row.name.split(".")[0] == library]
        more = sum(len(row.aliases) for row in rows if row.name.split(".")[0] == library)
        told = f"- {library}: {', '.join(names)}{f', and {more} more names of these' if more else ''}"
        yield textwrap.fill(told, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _loses(row: Row) -> bool:
    return row.flow == "cuts" or row.mode == "no-grad" or "cuts" in row.outputs


if __name__ == "__main__":
    for rule in CAUSES:
        (data_folder() / f"{rule}.md").write_text(text(rule), encoding="utf-8")
