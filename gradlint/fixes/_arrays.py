"""A way through NumPy, written with torch: the export goes away, and so does the import at its end; between them every
NumPy function becomes the torch function that computes the same.

All or nothing: one use of the array that torch has no word for, and the way is left as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from gradlint.catalog import Catalog
from gradlint.finding import Edit, Range
from gradlint.fixes._bindings import Bindings
from gradlint.fixes._cuts import core, is_postfix, postfix, receiver
from gradlint.fixes._display import Flow
from gradlint.fixes._functions import replaced, replacements
from gradlint.fixes._source import Source

_EXPORTS = ("numpy", "cpu", "detach", "data", "contiguous")
_ARRAYS = ("numpy.array", "numpy.asarray", "numpy.asanyarray", "numpy.ascontiguousarray")
_IMPORTS = ("torch.from_numpy", "torch.tensor")
_READERS = ("len", "print", "isinstance", "type", "str", "repr", "id")
#: methods that arrays and tensors share, by what they are called on a tensor
_METHODS = {
    "sum": "sum", "mean": "mean", "reshape": "reshape", "squeeze": "squeeze", "flatten": "flatten", "ravel": "ravel",
    "clip": "clip", "cumsum": "cumsum", "copy": "clone", "max": "amax", "min": "amin", "transpose": "permute", "dot": "matmul",
}  # fmt: skip
_ATTRIBUTES = ("shape", "ndim", "T", "real", "imag", "dtype")
_TYPES = {"float32": "float", "float64": "double", "float": "double"}


class Rewritten:
    """The edits after which a way through arrays is one of tensors."""

    def __init__(self, edits: list[Edit], imported: list[tuple[Source, ast.AST]]) -> None:
        self.edits = edits
        self.imported = imported  #: what is a tensor again, and live now


def torched(catalog: Catalog, sources: Sequence[Source], source: Source, export: ast.expr) -> Rewritten | None:
    """The way from an export to where it comes back into torch, written with torch; None where that cannot be."""
    kept = _exported(source, export)
    if kept is None:
        return None
    flow = _Arrays(catalog, sources, export)
    flow.put(source, export)
    while flow.spread():
        pass
    made = Rewritten(_dropped(source, export, kept), [])
    known = Bindings(sources)
    for where in sources:
        for node in where.nodes:
            own = list(_use(where, node, flow, known))
            if None in own:
                return None
            made.edits += [edit for edit in own if edit is not None and edit not in made.edits]
            if isinstance(node, ast.Call) and where.qualified(node.func) in _IMPORTS and flow.reads(where, node):
                made.imported.append((where, node))
    return made


class _Arrays(Flow):
    """What is an array on the way, by its spelling."""

    def __init__(self, catalog: Catalog, sources: Sequence[Source], export: ast.expr) -> None:
        super().__init__(catalog, sources)
        self.export = export

    def called(self, source: Source, node: ast.Call) -> bool:
        """An import ends the way; what has a torch function goes on."""
        if node is self.export:
            return True
        name = source.qualified(node.func)
        if name in (*_IMPORTS, "torch.as_tensor"):
            return False
        if name in replacements().functions or name in _ARRAYS:
            return any(self.is_live(source, argument) for argument in node.args)
        return super().called(source, node)

    def is_live(self, source: Source, node: ast.AST) -> bool:
        """The export itself, and what comes of it."""
        return node is self.export or super().is_live(source, node)

    def reads(self, source: Source, node: ast.Call) -> bool:
        """Whether a call gets something of the way."""
        values = (*node.args, *(k.value for k in node.keywords))
        return any(self.is_live(source, value) for value in values)


def _exported(source: Source, export: ast.expr) -> ast.expr | None:
    """The tensor that an export is made of."""
    if is_postfix(export, ("numpy",)):
        return core(export, _EXPORTS)
    if isinstance(export, ast.Call) and source.qualified(export.func) in _ARRAYS and len(export.args) == 1:
        return None if export.keywords else core(export.args[0], _EXPORTS)
    return None


def _dropped(source: Source, whole: ast.expr, kept: ast.expr) -> list[Edit]:
    """Only a part of an expression stays; its brackets too, where it is no name or call."""
    place, own = source.place(whole), source.place(kept)
    free = source.loose(whole) and place.start.line == place.end.line
    if free or isinstance(kept, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
        front = [Edit(source.file, Range(place.start, own.start), "")] if place.start < own.start else []
        return [*front, Edit(source.file, Range(own.end, place.end), "")]
    if isinstance(whole, ast.Call) and whole.args:
        return [source.replaced(whole.func, "")]
    return [source.instead(whole, kept)]


def _use(source: Source, node: ast.AST, flow: _Arrays, known: Bindings) -> Iterator[Edit | None]:
    """What a use of the way becomes; None where torch has no word for it."""
    if node is flow.export:
        return
    if isinstance(node, ast.Call) and flow.reads(source, node):
        yield from _call(source, node, flow)
    elif isinstance(node, ast.Attribute) and flow.is_live(source, node.value):
        yield from _attribute(source, node)
    elif isinstance(node, ast.BinOp) and flow.is_live(source, node):
        sides = [side for side in (node.left, node.right) if not flow.is_live(source, side)]
        if any(maker.startswith("numpy.") for side in sides for maker in _makers(source, side, known)):
            yield None


def _makers(source: Source, node: ast.expr, known: Bindings) -> list[str]:
    """The calls that an operand is made with, its parts included."""
    inner = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute | ast.Call)]
    return [maker for part in inner if isinstance(part, ast.expr) for maker in known.makers(source, part)]


def _call(source: Source, node: ast.Call, flow: _Arrays) -> Iterator[Edit | None]:
    name = source.qualified(node.func)
    if name in (*_IMPORTS, *_ARRAYS):
        plain = len(node.args) == 1 and not node.keywords
        yield from _dropped(source, node, node.args[0]) if plain else (None,)
    elif name.startswith(("numpy.", "math.")):
        yield from replaced(source, node) or (None,)
    elif not (
        name.startswith("torch.") or name in _READERS or _is_project(source, node, flow) or _on_way(source, node, flow)
    ):
        yield None


def _is_project(source: Source, node: ast.Call, flow: _Arrays) -> bool:
    return len(flow.functions.get(postfix(node) or source.qualified(node.func).rpartition(".")[2], ())) == 1


def _on_way(source: Source, node: ast.Call, flow: _Arrays) -> bool:
    """A method of an array on the way: its name is looked at, not its arguments."""
    return isinstance(node.func, ast.Attribute) and flow.is_live(source, receiver(node))


def _attribute(source: Source, node: ast.Attribute) -> Iterator[Edit | None]:
    call = source.parents.get(node)
    end = source.place(node).end
    if not (isinstance(call, ast.Call) and call.func is node):
        if node.attr not in _ATTRIBUTES:
            yield None
        return
    start = source.position(source.offset(end) - len(node.attr))
    if node.attr == "astype":
        wanted = _TYPES.get(source.words(call.args[0]).strip("'\"").rpartition(".")[2]) if len(call.args) == 1 else None
        yield Edit(source.file, Range(start, source.place(call).end), f"{wanted}()") if wanted else None
        return
    there = _METHODS.get(node.attr)
    if there is None or (there == "permute" and not call.args):
        yield None
    elif there in ("amax", "amin") and not (call.args or call.keywords):
        return
    elif there != node.attr:
        yield Edit(source.file, Range(start, end), there)
