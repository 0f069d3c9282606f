"""What is carried over from one backward to the next with its graph: a state that a step makes of the one before, or a value
that was computed once before the loop. Where it is detached, each backward has a graph of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gradlint.finding import Edit, Finding, Step
from gradlint.fixes import Shop
from gradlint.fixes import _bindings as bindings
from gradlint.fixes._source import Source, atom

_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def detached_state(finding: Finding, shop: Shop) -> tuple[Edit, ...]:
    """The state detached where the next one is made of it: `h = cell(x, h)`; nothing where it is not known what it holds."""
    for step in finding.path:
        source = shop.sources[step.file]
        for assigned in _makers(source, step) if step.role in ("cause", "capture") else ():
            edits = _states(source, assigned)
            if edits:
                return edits
    return ()


def _makers(source: Source, step: Step) -> Iterator[ast.Assign]:
    """The assignment that a step stands at, or those in the same loop that set what it reads."""
    assigned, node = _assigned(source, step), source.at(step.range)
    if assigned is not None:
        yield assigned
    read = node.value if isinstance(node, ast.Subscript) else node
    if not isinstance(read, ast.expr):
        return
    loop = next((n for n in source.around(read) if isinstance(n, _LOOPS)), None)
    for other in ast.walk(loop) if loop is not None else ():
        if isinstance(other, ast.Assign) and any(_same(target, read) for target in _targets(other)):
            yield other


def _states(source: Source, assigned: ast.Assign) -> tuple[Edit, ...]:
    """Everything that an assignment makes anew of what it was, detached on the right hand side."""
    read = [(state, uses) for state in _targets(assigned) if (uses := _uses(source, assigned, state))]
    edits = [(use, _detached(source, state, assigned)) for state, uses in read for use in uses]
    return tuple(source.replaced(use, words) for use, words in edits) if all(words for _, words in edits) else ()


def detached_constant(finding: Finding, shop: Shop) -> tuple[Edit, ...]:
    """What was computed before the loop of the demand detached there, if the loop calls all the same anew.

    Then what it was made with has another way to a gradient.
    """
    capture, demand = finding.path[0], finding.path[-1]
    source = shop.sources[capture.file]
    assigned, asking = _assigned(source, capture), source.at(demand.range) if demand.file == capture.file else None
    if assigned is None or asking is None or not isinstance(assigned.targets[0], ast.Name):
        return ()
    loop = next((n for n in source.around(asking) if isinstance(n, _LOOPS)), None)
    if loop is None or loop in source.around(assigned) or not _called(assigned.value) <= _called(loop):
        return ()
    return (
        (source.replaced(assigned.value, f"{atom(source, assigned.value)}.detach()"),)
        if _called(assigned.value)
        else ()
    )


def _assigned(source: Source, step: Step) -> ast.Assign | None:
    """The assignment that a step of a path stands at."""
    node = source.at(step.range)
    statement = source.statement(node) if node is not None else None
    return statement if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None


def _targets(statement: ast.Assign) -> Iterator[ast.expr]:
    """The names and attributes that an assignment sets."""
    for target in statement.targets:
        for one in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(one, ast.Name | ast.Attribute):
                yield one


def _uses(source: Source, statement: ast.Assign, state: ast.expr) -> list[ast.expr]:
    """Where the new value reads the old one as a whole."""
    return [
        node
        for node in ast.walk(statement.value)
        if _same(node, state) and isinstance(node, ast.expr) and not isinstance(source.parents.get(node), ast.Attribute)
    ]


def _detached(source: Source, state: ast.expr, step: ast.Assign) -> str:
    """How what the state begins as is detached: a tensor, or a tuple of tensors; empty where that is not known."""
    words = source.words(state)
    pairs = (pair for statement in source.nodes if statement is not step for pair in bindings.pairs(statement))
    begun = [value for target, value in pairs if _same(target, state)]
    scope = source.function(state) if isinstance(state, ast.Name) else None
    begun = [value for value in begun if scope is None or source.function(value) is scope]
    if begun and all(_makes_tensor(source, value) for value in begun):
        return f"{words}.detach()"
    if begun and all(isinstance(value, ast.Tuple) for value in begun):
        return f"tuple(part.detach() for part in {words})"
    return ""


def _makes_tensor(source: Source, value: ast.expr) -> bool:
    """Whether it is a call of one of torch's own functions, such as `torch.zeros(2, 4)`."""
    return isinstance(value, ast.Call) and source.qualified(value.func).startswith("torch.")


def _same(node: ast.AST, other: ast.expr) -> bool:
    """Whether two nodes are the same name or attribute, read or written."""
    if isinstance(node, ast.Name) and isinstance(other, ast.Name):
        return node.id == other.id
    if isinstance(node, ast.Attribute) and isinstance(other, ast.Attribute):
        return node.attr == other.attr and _same(node.value, other.value)
    return False


def _called(node: ast.AST) -> frozenset[str]:
    """The names of functions and models that are called."""
    return frozenset(n.func.id for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name))
