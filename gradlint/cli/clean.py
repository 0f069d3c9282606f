"""`gradlint clean`: the cache is removed."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Remove the cache.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=str))
@click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="The cache to remove.")
def command(paths: tuple[str, ...], cache_dir: Path | None) -> None:
    """Remove the cache of the project that PATHS (default: the working directory) lie in."""
    from gradlint import cache
    from gradlint.discovery import absolute, shown

    folder = absolute(cache_dir) if cache_dir else cache.home([absolute(p) for p in paths or (".",)])
    try:
        removed = cache.clean(folder)
    except cache.CacheError as error:
        raise click.UsageError(f"{shown(folder)}: {error}: nothing was removed") from error
    click.echo(f"removed {shown(folder)}" if removed else f"no cache at {shown(folder)}")
