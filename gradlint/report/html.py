"""One page with everything in it: the source of each finding with its numbered path, beside a drawing of the gradient's way.

It needs no network and runs no script. Jinja2 escapes every foreign word; the templates are in `_templates`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlint.finding import Edit, Finding
from gradlint.report import MissingPackageError, Report, View
from gradlint.report._plain import printable
from gradlint.report._source import Source
from gradlint.report._way import RAIL, ROLE, TEXT, drawn, evidence, shortened
from gradlint.report._words import at, link, unheard

if TYPE_CHECKING:
    from jinja2 import Environment

EXTRAS = False
_WAY = 400  #: width of a drawing beside the source
_ALONE = 760  #: width of a drawing that stands alone
_HEAD = 74  #: room for its title
_LEGEND = 40  #: and for what is said once
_BOLD = 8.2  #: width of a character of the title
_PLACE = 6.7  #: and of the place below it


def render(report: Report, view: View) -> str:
    """The report as a page."""
    source = Source(view.source)
    findings = [_shown(finding, source) for finding in report.findings]
    return _rendered("page.html.j2", report=report, findings=findings, words=_words(view))


def svg(report: Report, view: View) -> str:
    """The drawings of all findings, one below the other."""
    pictures = [_picture(finding) for finding in report.findings]
    height = sum(picture["way"].height + _HEAD for picture in pictures) + _LEGEND
    return _rendered("ways.svg.j2", pictures=pictures, wide=_ALONE, head=_HEAD, height=height)


def _picture(finding: Finding) -> dict[str, Any]:
    title = shortened(f"{finding.severity}[{finding.rule}]: {finding.message}", _ALONE, _BOLD)
    place = shortened(at(finding.file, finding.range, finding.cell), _ALONE, _PLACE, keep_end=True)
    return {"way": drawn(finding, _ALONE), "title": title, "place": place}


def _rendered(template: str, **words: Any) -> str:
    return unheard(_environment().get_template(template).render(**words))


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise MissingPackageError(
            "pictures and the html format need jinja2: pip install 'torch-gradlint[html]'"
        ) from error
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "_templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(RAIL=RAIL, TEXT=TEXT, ROLE=ROLE)
    made.filters.update(plain=printable, link=link)
    return made


def _shown(finding: Finding, source: Source) -> dict[str, Any]:
    """What the page tells of a finding."""
    return {
        "finding": finding,
        "place": at(finding.file, finding.range, finding.cell),
        "excerpts": source.excerpts(finding),
        "way": drawn(finding, _WAY),
        "also": [(place.label, at(place.file, place.range, place.cell)) for place in finding.also],
        "evidence": evidence(finding),
        "edits": [_edit(edit, source) for edit in (finding.fix.edits if finding.fix else ())],
    }


def _edit(edit: Edit, source: Source) -> dict[str, str]:
    """What a fix replaces, and by what."""
    before = source.text(edit.file, edit.cell, edit.range)
    return {"place": at(edit.file, edit.range, edit.cell), "before": before, "after": edit.content}


def _words(view: View) -> dict[str, str]:
    """What each rule is about, in a sentence."""
    return {slug: rule.summary for slug, rule in view.rules.items()}
