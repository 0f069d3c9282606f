"""From libcst's tree to the program: one walk through each node's own fields, places found by a cursor on the way.

The only part of gradlint's static half that knows libcst (with `lower_expressions` and `lower_patterns`). Three exhaustive
tables say how each kind of node is lowered; a kind that is in none is UNKNOWN, and a test keeps the tables complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import libcst as cst

from gradlint.static import program as p
from gradlint.static.bodies import Stretch, bodies, parsed, without
from gradlint.static.bounds import DEEP, LowerError, checked
from gradlint.static.data_tables import without_tables
from gradlint.static.lower_expressions import assignable, expression, parameters
from gradlint.static.lower_parse import tree, trees
from gradlint.static.lower_patterns import pattern
from gradlint.static.reader import MisplacedError, Reader
from gradlint.static.scopes import Scopes


class Lowering:
    """What the walk carries along: the cursor, the names bound so far, the tree (to print odd nodes)."""

    tree: cst.Module

    def __init__(self, text: str, line: int = 1, later: Mapping[int, Stretch] | None = None) -> None:
        self.reader = Reader(text, line)
        self.scopes = Scopes()
        self.later = later or {}  #: by their first lines, the bodies that are lowered when they are asked for
        self.lines = text.split("\n") if later else []

    def skip_node(self, node: cst.CSTNode) -> None:
        """Go over a node that is not lowered."""
        self.reader.take_text(self.tree.code_for_node(node))


def lower(source: str, file: str, name: str) -> p.Module:
    """The program of a source text, without the bodies of its longer functions: those are lowered when they are run.

    Args: the text, the file's name as it is printed, the module's dotted name.
    Raises: LowerError with the place, for text that is not Python.
    """
    text = source.removeprefix("\ufeff")
    known = parsed(text)
    later: dict[int, Stretch] = {}
    if known is not None:
        text = without_tables(text, known)
        later = bodies(text, known)
        del known
    for _ in checked(text) if later else ():
        pass
    low = Lowering(text, later=later)
    low.scopes.push()
    body: list[p.Stmt] = []
    with _told():
        for low.tree in trees(without(text, later.values())):
            body += block(low, low.tree.body)
    return p.Module(name, file, tuple(body), low.scopes.pop().scope())


def complete(function: p.FunctionDef) -> None:
    """Lower the body of a function. Raises LowerError."""
    inner = function.inner
    low = Lowering(inner.text, inner.line)
    low.scopes.push(function.qualname, function.params)
    with _told():
        low.tree = tree(f"if 1:\n{inner.text}")
        body = block(low, cst.ensure_type(low.tree.body[0], cst.If).body.body)
    made = low.scopes.pop()
    inner.statements, inner.scope, inner.yields, inner.text = body, made.scope(), made.yields, ""
    inner.line = 0


@contextmanager
def _told() -> Iterator[None]:
    """What may go wrong, as an error with a place."""
    try:
        yield
    except RecursionError:
        raise LowerError(1, 1, f"the code is {DEEP}", "budget") from None
    except MisplacedError as error:
        raise LowerError(1, 1, f"gradlint lost its place in this file ({error})") from None


# --- blocks ----------------------------------------------------------------------------------------------------------


def block(low: Lowering, statements: Sequence[Any]) -> tuple[p.Stmt, ...]:
    """Statements in order; a line may hold several."""
    found: list[p.Stmt] = []
    for node in statements:
        if isinstance(node, cst.SimpleStatementLine):
            found += small_statements(low, node.body)
        else:
            found.append(statement(low, node))
    return tuple(found)


def small_statements(low: Lowering, nodes: Sequence[cst.BaseSmallStatement]) -> list[p.Stmt]:
    """The statements of one line."""
    found: list[p.Stmt] = []
    for node in nodes:
        found.append(statement(low, node))
        low.reader.optional(";")
    return found


def statement(low: Lowering, node: cst.CSTNode) -> p.Stmt:
    """One statement."""
    run = STATEMENTS.get(type(node))
    start = low.reader.skip()
    if run is None:
        low.skip_node(node)
        return p.UnknownStmt(low.reader.place(start), type(node).__name__)
    return run(low, node, start)


def suite(low: Lowering, body: cst.BaseSuite) -> tuple[p.Stmt, ...]:
    """`: body`, on the same line or indented."""
    low.reader.take(":")
    if isinstance(body, cst.SimpleStatementSuite):
        return tuple(small_statements(low, body.body))
    return block(low, body.body)


# --- small statements ------------------------------------------------------------------------------------------------


def _expression(low: Lowering, node: cst.Expr, start: int) -> p.Stmt:
    value = expression(low, node.value)
    return p.ExprStmt(low.reader.place(start), value)


def _assign(low: Lowering, node: cst.Assign, start: int) -> p.Stmt:
    targets = []
    for target in node.targets:
        targets.append(assignable(low, target.target))
        low.reader.take("=")
    value = expression(low, node.value)
    return p.Assign(low.reader.place(start), tuple(targets), value)


def _annotated(low: Lowering, node: cst.AnnAssign, start: int) -> p.Stmt:
    target = assignable(low, node.target)
    low.reader.take(":")
    annotation = expression(low, node.annotation.annotation)
    value = None
    if node.value is not None:
        low.reader.take("=")
        value = expression(low, node.value)
    return p.AnnAssign(low.reader.place(start), target, annotation, value)


def _augmented(low: Lowering, node: cst.AugAssign, start: int) -> p.Stmt:
    target = assignable(low, node.target)
    operator = low.tree.code_for_node(node.operator).strip(" \t\f\r\n\\")
    low.reader.take(operator)
    value = expression(low, node.value)
    return p.AugAssign(low.reader.place(start), operator[:-1], target, value)


def _return(low: Lowering, node: cst.Return, start: int) -> p.Stmt:
    low.reader.take("return")
    value = expression(low, node.value) if node.value is not None else None
    return p.Return(low.reader.place(start), value)


def _raise(low: Lowering, node: cst.Raise, start: int) -> p.Stmt:
    low.reader.take("raise")
    value = expression(low, node.exc) if node.exc is not None else None
    cause = None
    if node.cause is not None:
        low.reader.take("from")
        cause = expression(low, node.cause.item)
    return p.Raise(low.reader.place(start), value, cause)


def _assert(low: Lowering, node: cst.Assert, start: int) -> p.Stmt:
    low.reader.take("assert")
    test = expression(low, node.test)
    message = None
    if node.msg is not None:
        low.reader.take(",")
        message = expression(low, node.msg)
    return p.Assert(low.reader.place(start), test, message)


def _delete(low: Lowering, node: cst.Del, start: int) -> p.Stmt:
    low.reader.take("del")
    target = assignable(low, node.target)
    parts = target.elements if isinstance(target, p.TupleExpr) else (target,)
    return p.Delete(low.reader.place(start), parts)


def _names(word: str, made: type[p.Global | p.Nonlocal]) -> Callable[[Lowering, Any, int], p.Stmt]:
    def run(low: Lowering, node: Any, start: int) -> p.Stmt:
        low.reader.take(word)
        names = tuple(item.name.value for item in node.names)
        for name in names:
            low.reader.take(name)
            low.reader.optional(",")
        low.scopes.declare(word, names)
        return made(low.reader.place(start), names)

    return run


def _import(low: Lowering, node: cst.Import, start: int) -> p.Stmt:
    low.reader.take("import")
    names = tuple(_alias(low, alias) for alias in node.names)
    for alias in names:
        low.scopes.bind(alias.asname or alias.name.split(".", 1)[0])
    return p.Import(low.reader.place(start), names)


def _alias(low: Lowering, node: cst.ImportAlias) -> p.Alias:
    start = low.reader.skip()
    name = _dotted(low, node.name)
    asname = ""
    if node.asname is not None:
        low.reader.take("as")
        asname = str(cst.ensure_type(node.asname.name, cst.Name).value)
        low.reader.take(asname)
    place = low.reader.place(start)
    low.reader.optional(",")
    return p.Alias(place, name, asname)


def _dotted(low: Lowering, node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        left = _dotted(low, node.value)
        low.reader.take(".")
        low.reader.take(node.attr.value)
        return f"{left}.{node.attr.value}"
    name = cst.ensure_type(node, cst.Name).value
    low.reader.take(name)
    return str(name)


def _import_from(low: Lowering, node: cst.ImportFrom, start: int) -> p.Stmt:
    low.reader.take("from")
    for _ in node.relative:
        low.reader.take(".")
    module = _dotted(low, node.module) if node.module is not None else ""
    low.reader.take("import")
    if isinstance(node.names, cst.ImportStar):
        at = low.reader.take("*")
        names: tuple[p.Alias, ...] = (p.Alias(low.reader.place(at), "*"),)
    else:
        low.reader.optional("(")
        names = tuple(_alias(low, alias) for alias in node.names)
        if node.rpar is not None:
            low.reader.take(")")
        for alias in names:
            low.scopes.bind(alias.asname or alias.name)
    return p.ImportFrom(low.reader.place(start), module, len(node.relative), names)


def _word(word: str, made: type[p.Pass | p.Break | p.Continue]) -> Callable[[Lowering, Any, int], p.Stmt]:
    def run(low: Lowering, node: Any, start: int) -> p.Stmt:
        low.reader.take(word)
        return made(low.reader.place(start))

    return run


# --- compound statements ---------------------------------------------------------------------------------------------


def _if(low: Lowering, node: cst.If, start: int, word: str = "if") -> p.Stmt:
    low.reader.take(word)
    test = expression(low, node.test)
    body = suite(low, node.body)
    orelse: tuple[p.Stmt, ...] = ()
    if isinstance(node.orelse, cst.If):
        orelse = (_if(low, node.orelse, low.reader.skip(), "elif"),)
    elif node.orelse is not None:
        orelse = _else(low, node.orelse)
    return p.If(low.reader.place(start), test, body, orelse)


def _else(low: Lowering, node: cst.Else | None) -> tuple[p.Stmt, ...]:
    if node is None:
        return ()
    low.reader.take("else")
    return suite(low, node.body)


def _for(low: Lowering, node: cst.For, start: int) -> p.Stmt:
    if node.asynchronous is not None:
        low.reader.take("async")
    low.reader.take("for")
    target = assignable(low, node.target)
    low.reader.take("in")
    iterable = expression(low, node.iter)
    body = suite(low, node.body)
    orelse = _else(low, node.orelse)
    return p.For(low.reader.place(start), target, iterable, body, orelse, node.asynchronous is not None)


def _while(low: Lowering, node: cst.While, start: int) -> p.Stmt:
    low.reader.take("while")
    test = expression(low, node.test)
    body = suite(low, node.body)
    orelse = _else(low, node.orelse)
    return p.While(low.reader.place(start), test, body, orelse)


def _with(low: Lowering, node: cst.With, start: int) -> p.Stmt:
    if node.asynchronous is not None:
        low.reader.take("async")
    low.reader.take("with")
    wrapped = isinstance(node.lpar, cst.LeftParen)
    if wrapped:
        low.reader.take("(")
    items = tuple(_with_item(low, item) for item in node.items)
    if wrapped:
        low.reader.take(")")
    body = suite(low, node.body)
    return p.With(low.reader.place(start), items, body, node.asynchronous is not None)


def _with_item(low: Lowering, node: cst.WithItem) -> p.WithItem:
    start = low.reader.skip()
    context = expression(low, node.item)
    target = None
    if node.asname is not None:
        low.reader.take("as")
        target = assignable(low, node.asname.name)
    place = low.reader.place(start)
    low.reader.optional(",")
    return p.WithItem(place, context, target)


def _try(low: Lowering, node: cst.Try | cst.TryStar, start: int) -> p.Stmt:
    low.reader.take("try")
    body = suite(low, node.body)
    handlers = tuple(_handler(low, handler) for handler in node.handlers)
    orelse = _else(low, node.orelse)
    final: tuple[p.Stmt, ...] = ()
    if node.finalbody is not None:
        low.reader.take("finally")
        final = suite(low, node.finalbody.body)
    return p.Try(low.reader.place(start), body, handlers, orelse, final)


def _handler(low: Lowering, node: Any) -> p.Handler:
    start = low.reader.take("except")
    low.reader.optional("*")
    kind = expression(low, node.type) if node.type is not None else None
    name = ""
    if node.name is not None:
        low.reader.take("as")
        name = node.name.name.value
        low.reader.take(name)
        low.scopes.bind(name)
    body = suite(low, node.body)
    return p.Handler(low.reader.place(start), kind, name, body)


def _decorators(low: Lowering, nodes: Sequence[cst.Decorator]) -> tuple[p.Expr, ...]:
    found = []
    for node in nodes:
        low.reader.take("@")
        found.append(expression(low, node.decorator))
    return tuple(found)


def _function(low: Lowering, node: cst.FunctionDef, start: int) -> p.Stmt:
    decorators = _decorators(low, node.decorators)
    if node.asynchronous is not None:
        low.reader.take("async")
    low.reader.take("def")
    at = low.reader.take(node.name.value)
    name_place = low.reader.place(at)
    low.scopes.bind(node.name.value)
    if node.type_parameters is not None:
        low.skip_node(node.type_parameters)
    low.reader.take("(")
    signature = parameters(low, node.params)
    low.reader.take(")")
    returns = None
    if node.returns is not None:
        low.reader.take("->")
        returns = expression(low, node.returns.annotation)
    low.scopes.push(node.name.value, signature)
    qualname = low.scopes.qualname()
    inner = _later(low) or p.Body(suite(low, node.body))
    made = low.scopes.pop()
    inner.scope, inner.yields = made.scope(), made.yields
    return p.FunctionDef(
        low.reader.place(start), node.name.value, qualname, signature, inner, decorators, name_place,
        node.asynchronous is not None, returns,
    )  # fmt: skip


def _later(low: Lowering) -> p.Body | None:
    """The body that comes next as a text, if it is one to be lowered later."""
    if not low.later:
        return None
    before = low.reader.position, low.reader.end
    low.reader.take(":")
    stretch = low.later.get(low.reader.line(low.reader.skip()))
    if stretch is None:
        low.reader.position, low.reader.end = before
        return None
    low.reader.go(stretch.last, stretch.end)
    return p.Body(text="\n".join(low.lines[stretch.first - 1 : stretch.last]) + "\n", line=stretch.first)


def _class(low: Lowering, node: cst.ClassDef, start: int) -> p.Stmt:
    from gradlint.static.lower_expressions import argument

    decorators = _decorators(low, node.decorators)
    low.reader.take("class")
    at = low.reader.take(node.name.value)
    name_place = low.reader.place(at)
    low.scopes.bind(node.name.value)
    if node.type_parameters is not None:
        low.skip_node(node.type_parameters)
    bases: tuple[p.Arg, ...] = ()
    if low.reader.optional("("):
        bases = tuple(argument(low, given) for given in (*node.bases, *node.keywords))
        low.reader.take(")")
    low.scopes.push(node.name.value)
    qualname = low.scopes.qualname()
    body = suite(low, node.body)
    made = low.scopes.pop()
    return p.ClassDef(
        low.reader.place(start), node.name.value, qualname, bases, body, decorators, made.scope(), name_place
    )


def _match(low: Lowering, node: cst.Match, start: int) -> p.Stmt:
    low.reader.take("match")
    subject = expression(low, node.subject)
    low.reader.take(":")
    cases = tuple(_case(low, case) for case in node.cases)
    return p.Match(low.reader.place(start), subject, cases)


def _case(low: Lowering, node: cst.MatchCase) -> p.Case:
    start = low.reader.take("case")
    wanted = pattern(low, node.pattern)
    guard = None
    if node.guard is not None:
        low.reader.take("if")
        guard = expression(low, node.guard)
    body = suite(low, node.body)
    return p.Case(low.reader.place(start), wanted, guard, body)


STATEMENTS: dict[type, Callable[[Lowering, Any, int], p.Stmt]] = {
    cst.Expr: _expression,
    cst.Assign: _assign,
    cst.AnnAssign: _annotated,
    cst.AugAssign: _augmented,
    cst.Return: _return,
    cst.Raise: _raise,
    cst.Assert: _assert,
    cst.Del: _delete,
    cst.Global: _names("global", p.Global),
    cst.Nonlocal: _names("nonlocal", p.Nonlocal),
    cst.Import: _import,
    cst.ImportFrom: _import_from,
    cst.Pass: _word("pass", p.Pass),
    cst.Break: _word("break", p.Break),
    cst.Continue: _word("continue", p.Continue),
    cst.If: _if,
    cst.For: _for,
    cst.While: _while,
    cst.With: _with,
    cst.Try: _try,
    cst.TryStar: _try,
    cst.FunctionDef: _function,
    cst.ClassDef: _class,
    cst.Match: _match,
}
