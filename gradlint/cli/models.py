"""`gradlint models`: what gradlint believes of library callables, and whether it is true on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradlint.cli import _common as common

if TYPE_CHECKING:
    from gradlint.catalog import Catalog, Row


@click.group(short_help="Show or prove what is known of library calls.")
def command() -> None:
    """Show or prove the rows that say what library callables do to the gradient."""


@command.command()
@click.argument("qualname")
@common.config_option
@click.pass_context
def show(ctx: click.Context, qualname: str, config_file: Path | None) -> None:
    """Print what gradlint believes of a callable, such as torch.topk or torch.Tensor.round, and why."""
    from gradlint import discovery, sources

    folder = discovery.absolute(".")
    catalog, problems = sources.knowledge(common.settings(["."], config_file), root=discovery.root(folder))
    for told in problems:
        common.note(f"error: {told}")
    row = catalog.row(qualname)
    if row is None:
        known = [name for each in catalog.rows() for name in (each.name, *each.aliases)]
        common.write(f"{qualname}: no row{_nearest(qualname, known)}\n{_without_row(qualname)}\n")
    else:
        common.write("\n".join(_told(qualname, catalog)) + "\n")
    ctx.exit(2 if problems else 0)


@command.command("list")
def table() -> None:
    """Count the rows of every library by what they say; `unproved` ones make gradlint silent only."""
    from gradlint.catalog import data_folder, read_models

    columns = ("carries", "cuts", "zeroes", "constant", "unknown", "asks", "unproved")
    common.write(f"{'library':28}{'names':>7}{''.join(f'{word:>10}' for word in columns)}\n")
    for file in sorted((data_folder() / "models").glob("*.toml")):
        kinds = [_kind(row) for row in read_models([file]).values()]
        counts = "".join(f"{kinds.count(word):>10}" for word in columns)
        common.write(f"{file.stem:28}{len(kinds):>7}{counts}\n")


def _kind(row: Row) -> str:
    """The column of a row: what it is known for first."""
    if row.unproved or row.demand:
        return "unproved" if row.unproved else "asks"
    return "cuts" if row.mode == "no-grad" or "cuts" in row.outputs else row.flow


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Run the rows of a model file under PyTorch and compare. Executes the rows' examples."""
    from gradlint.catalog import Catalog, CatalogError, contradictions, read_models

    try:
        rows = {row.name: row for row in read_models([file]).values()}
        wrong = list(contradictions(file, rows.values(), Catalog.load()))
    except CatalogError as error:
        raise click.UsageError(str(error)) from error
    try:
        from gradlint.runtime.prove import prove

        proofs = list(prove(rows.values()))
    except ImportError as error:
        raise click.UsageError(f"gradlint models check runs the rows under PyTorch: {error}") from error
    for proof in proofs:
        told = f": {proof.reason}" if proof.reason else ""
        common.write(f"{file}: row '{proof.row}': {proof.outcome}{told}\n")
    counts = {word: sum(p.outcome == word for p in proofs) for word in ("proved", "contradicted", "not run")}
    common.write(", ".join(f"{number} {word}" for word, number in counts.items()) + ".\n")
    for told in wrong:
        common.note(f"error: {told}")
    raise SystemExit(2 if wrong else int(counts["contradicted"] > 0))


def _told(qualname: str, catalog: Catalog) -> Iterator[str]:
    """What is believed; of several releases also what each does, and which are possible."""
    row, written = catalog.row(qualname), catalog.written(qualname)
    assert row is not None
    assert written is not None
    yield from _lines(qualname, row, catalog.extra)
    if not (written.since or written.until):
        return
    library = written.name.split(".")[0]
    pins = [pin for pin in catalog.pins if pin.library == library]
    known = ", ".join(f"{pin.text} ({pin.file}{f':{pin.line}' if pin.line else ''})" for pin in pins)
    yield f"  {library}: {known or 'any release: neither the settings nor a requirement tells which'}"
    for each in (*written.former, written):
        span = " ".join(
            f"{word} {release}" for word, release in (("since", each.since), ("until", each.until)) if release
        )
        flags = "".join(f", {flag}={value}" for flag, value in each.defaults.items())
        yield f"  {span}: {_belief(each)}{flags}{f' ({each.source})' if each.source else ''}"


def _lines(qualname: str, row: Row, extra: Sequence[Path]) -> Iterator[str]:
    """The belief in words, the row as it stands, where it stands."""
    named = "" if row.name == qualname else f" (row '{row.name}')"
    yield f"{qualname}{named}: {_belief(row)}"
    for key in row.__struct_fields__:
        value = getattr(row, key)
        if value not in ("", (), False, {}) and key not in ("name", "aliases", "former"):
            yield f"  {key}: {_value(value)}"
    yield f"  from: {_origin(row, extra)}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={held}" for key, held in value.items())
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _belief(row: Row) -> str:
    if row.unproved:
        return "nobody could run it here, so what it does is unknown"
    if row.mode == "no-grad":
        return "runs without gradients: nothing goes back through it"
    if row.outputs:
        return f"its outputs: {', '.join(row.outputs)}"
    told = {"carries": "the gradient goes through", "cuts": "the gradient ends here",
            "zeroes": "the gradient is always zero", "constant": "holds no data of its tensors"}  # fmt: skip
    return told.get(row.flow, "what it does is unknown")


def _origin(row: Row, extra: Sequence[Path]) -> str:
    """The file of a row: the user's, else gradlint's."""
    from gradlint.catalog import data_folder, read_models

    for file in (*extra, *sorted((data_folder() / "models").glob("*.toml"))):
        if row.name in read_models([file]):
            return str(file if file in extra else f"rules/models/{file.name}")
    return "nowhere"


def _nearest(name: str, known: list[str]) -> str:
    from gradlint.config import nearest

    return nearest(name, known)


def _without_row(qualname: str) -> str:
    if qualname.startswith("torch."):
        return "What torch has and no row describes carries the gradient."
    return "What no row describes is unknown: it counts as carrying, and no finding rests on it."
