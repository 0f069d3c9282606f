"""The pages of the site that lie elsewhere: the README, the changes and the rules. MkDocs calls this when it builds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from gradlint.catalog import Catalog, Rule

ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; one that lies in this folder is taken as it is."""
    rules = Catalog.load().rules
    pages = {
        "index.md": (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .replace("](docs/", "](")
        .replace("](rules/)", "](rules/index.md)"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "rules/index.md": _overview(rules.values()),
        **{f"rules/{slug}.md": rule.page for slug, rule in rules.items()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def _overview(rules: Iterable[Rule]) -> str:
    """The page that lists the rules."""
    rows = (f"| [{r.slug}]({r.slug}.md) | {r.severity}{'' if r.enabled else ', off'} | {r.summary} |" for r in rules)
    return "\n".join(("# Rules\n", "| rule | severity | what it finds |", "|---|---|---|", *rows, ""))
