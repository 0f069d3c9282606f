"""The command line: every module of this folder whose name has no underscore is a subcommand, `command` in it.

Modules of commands import only click at the top: `gradlint --version` and `--help` load neither libcst nor the catalog.
What is no subcommand is a path: `gradlint src` is `gradlint check src`.
"""

from __future__ import annotations

import os
import pkgutil
import traceback
from importlib import import_module
from typing import Any

import click

from gradlint import __version__

INTERRUPTED = 130  #: the exit status after Ctrl-C, as shells have it


class Commands(click.Group):
    """Subcommands found by listing the folder, `check` where none is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the subcommands."""
        return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A subcommand, loaded when it is needed."""
        if cmd_name not in self.list_commands(ctx):
            return None
        loaded: click.Command = import_module(f"{__name__}.{cmd_name}").command
        return loaded

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in `check` where the first word is no subcommand."""
        if args and args[0] not in ("-h", "--help", "--version", *self.list_commands(ctx)):
            self._tell_slip(args[0])
            args = ["check", *args]
        return super().parse_args(ctx, args)

    def _tell_slip(self, word: str) -> None:
        """Say which subcommand was probably meant by a word that is taken for a path and is none."""
        if not word.isalpha() or os.path.lexists(word):
            return
        from difflib import get_close_matches

        for name in get_close_matches(word, self.list_commands(click.Context(self)), n=1, cutoff=0.7):
            click.echo(
                f"gradlint: note: there is no command and no path '{word}'; did you mean 'gradlint {name}'?", err=True
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a defect of gradlint is no finding, so it must not end with exit status 1."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("gradlint: interrupted before there was anything to report", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            click.echo(traceback.format_exc(), err=True, nl=False)
            click.echo(f"gradlint: internal error: {error}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="gradlint", message="%(prog)s %(version)s")
def main() -> None:
    """Find where PyTorch code loses its gradient.

    gradlint PATH... is short for gradlint check PATH...
    """
