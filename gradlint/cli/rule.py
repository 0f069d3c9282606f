"""`gradlint rule`: the pages of the rules."""

from __future__ import annotations

import click

from gradlint.cli import _common as common


@click.command()
@click.argument("slug", required=False)
@click.option("--all", "everything", is_flag=True, help="Print all pages.")
def command(slug: str | None, everything: bool) -> None:
    """Print the page of a rule; without a name, list the rules."""
    from gradlint.catalog import Catalog
    from gradlint.config import nearest

    rules = Catalog.load().rules
    if everything:
        common.write("\n".join(rules[name].text for name in sorted(rules)))
    elif slug is None:
        width = max(map(len, rules))
        for name, rule in sorted(rules.items()):
            off = "" if rule.enabled else " (off by default)"
            click.echo(f"{name:{width}}  {rule.severity:7}  {rule.summary}{off}")
    elif slug in rules:
        common.write(rules[slug].text)
    else:
        raise click.UsageError(f"unknown rule '{slug}'{nearest(slug, rules)}")
