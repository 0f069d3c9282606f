"""`gradlint server`: the language server for editors."""

from __future__ import annotations

import click


@click.command(short_help="Start the language server; editors do this.")
@click.option("--stdio", is_flag=True, help="Talk over standard input and output: the only way there is.")
def command(stdio: bool) -> None:
    """Start the language server; editors do this (over standard input and output)."""
    try:
        from gradlint.server.serving import server
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol", "attrs", "cattrs"):
            raise
        raise click.UsageError("the language server needs pygls: pip install 'torch-gradlint[lsp]'") from error
    server().start_io()
