"""Regions without gradients: the block, the decorator or the call that switched them off goes away."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from gradlint.finding import Edit, Position, Range
from gradlint.fixes._keywords import with_keyword
from gradlint.fixes._source import Source

_MODES = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode")
_SWITCHES = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled")
_CHECKPOINT = "torch.utils.checkpoint.checkpoint"
#: methods with an underscore at the end that change no tensor in place
_HARMLESS = ("requires_grad_", "detach_", "retain_grad_")
_Function = ast.FunctionDef | ast.AsyncFunctionDef

Freed = tuple[list[Edit], tuple[ast.AST, ...]]  #: edits, and the expressions whose value lives after them


def enabled(source: Source, node: ast.expr) -> Freed | None:
    """What switches gradients on where this expression switched them off; None where that is not known to be right."""
    if isinstance(node, ast.Call) and source.qualified(node.func) in (_CHECKPOINT, f"{_CHECKPOINT}_sequential"):
        return [with_keyword(source, node, "use_reentrant", "False")], ()
    if not _disables(source, node):
        return None
    parent = source.parents.get(node)
    if isinstance(parent, ast.withitem):
        block = source.parents[parent]
        assert isinstance(block, ast.With | ast.AsyncWith)
        return _block(source, block, parent)
    if isinstance(parent, _Function) and node in parent.decorator_list:
        return _decorator(source, parent, node)
    if isinstance(parent, ast.Expr) and isinstance(node, ast.Call) and source.qualified(node.func) in _SWITCHES:
        edit = source.removed(parent)
        return ([edit], ()) if edit else None
    return None


def _disables(source: Source, node: ast.expr) -> bool:
    """`torch.no_grad()`, without the call as a decorator too; a switch that is certainly off."""
    name = source.qualified(node.func if isinstance(node, ast.Call) else node)
    if not isinstance(node, ast.Call):
        return name in _MODES
    values = [*node.args, *(k.value for k in node.keywords)]
    constants = [v.value for v in values if isinstance(v, ast.Constant)]
    if name in _SWITCHES:
        return constants == [False] and len(values) == 1
    return name in _MODES and (not values or constants == [True])


def _block(source: Source, block: ast.With | ast.AsyncWith, item: ast.withitem) -> Freed | None:
    if _writes_in_place(block.body):
        return None
    live = tuple(_computed(block.body))
    if len(block.items) > 1:
        return [_without_item(source, block, item)], live
    if not source.alone(block) or item.optional_vars is not None or block.body[0].lineno == block.lineno:
        return None
    return _dedented(source, block), live


def _without_item(source: Source, block: ast.With | ast.AsyncWith, item: ast.withitem) -> Edit:
    """One of several items, with the comma that parts it from its neighbour."""
    i = block.items.index(item)
    own = source.place(item.context_expr)
    if i:
        before = block.items[i - 1]
        end = source.place(before.optional_vars or before.context_expr).end
        return Edit(source.file, Range(end, own.end), "")
    return Edit(source.file, Range(own.start, source.place(block.items[1].context_expr).start), "")


def _dedented(source: Source, block: ast.With | ast.AsyncWith) -> list[Edit]:
    """The header's lines taken away, and the indentation of the body made that of the header."""
    first, last = block.body[0].lineno, source.place(block).end.line
    header = source.without_lines(block.lineno, _header_end(source, block))
    deeper = len(source.indent(block.body[0])) - len(source.indent(block))
    fixed = _inside_strings(source)
    own = len(source.indent(block))
    moved = [
        Edit(source.file, Range(Position(line, own + 1), Position(line, own + deeper + 1)), "")
        for line in range(_header_end(source, block) + 1, last + 1)
        if line not in fixed and not source.lines[line - 1][own : own + deeper].strip()
        and len(source.lines[line - 1]) > own + deeper
    ]  # fmt: skip
    return [header, *moved] if first > block.lineno else []


def _header_end(source: Source, block: ast.With | ast.AsyncWith) -> int:
    """The line of the colon; comments below it belong to the body."""
    last = source.place(block.items[-1].optional_vars or block.items[-1].context_expr).end
    line = last.line
    while ":" not in source.lines[line - 1][last.column - 1 if line == last.line else 0 :]:
        line += 1
    return line


def _inside_strings(source: Source) -> set[int]:
    """The lines that begin inside of a string."""
    held: set[int] = set()
    starts: list[int] = []
    names = {"FSTRING_START", "TSTRING_START"}
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        name = tokenize.tok_name[token.type]
        if name in names:
            starts.append(token.start[0])
        elif name in ("FSTRING_END", "TSTRING_END"):
            held |= set(range(starts.pop() + 1, token.end[0] + 1))
        elif token.type == tokenize.STRING:
            held |= set(range(token.start[0] + 1, token.end[0] + 1))
    return held


def _decorator(source: Source, function: _Function, node: ast.expr) -> Freed | None:
    if _writes_in_place(function.body):
        return None
    place = source.place(node)
    return [source.without_lines(place.start.line, place.end.line)], tuple(_computed(function.body))


def _computed(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What is assigned and returned in a block: it may be live afterwards."""
    for statement in body:
        for node in ast.walk(statement):
            value = node.value if isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.AnnAssign) else None
            if value is not None and any(isinstance(n, ast.Call) for n in ast.walk(value)):
                yield value


def _writes_in_place(body: list[ast.stmt]) -> bool:
    """Whether a block changes tensors in place: outside of it that raises on a leaf."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.AugAssign) and (not isinstance(node.target, ast.Name) or _reads_grad(node.value)):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                if name.endswith("_") and not name.endswith("__") and name not in _HARMLESS:
                    return True
    return False


def _reads_grad(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "grad" for n in ast.walk(node))
