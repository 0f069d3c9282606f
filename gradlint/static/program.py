"""The program: a compact tree of statements and expressions, each with its exact span.

`lower` makes it from libcst, the bodies of functions when they are first run; the abstract machine runs it. Nothing here knows
libcst or torch.
A place is (line, column, end line, end column): 1-based, columns in code points, the end exclusive; the file is the
module's. Every class has a tag of its own, so a program survives a round trip through msgspec.
"""

from __future__ import annotations

import msgspec

Place = tuple[int, int, int, int]


class Node(msgspec.Struct, tag=True, tag_field="node", frozen=True, gc=False):
    """Anything with a place."""

    place: Place


class Expr(Node, frozen=True):
    """An expression."""


class Stmt(Node, frozen=True):
    """A statement."""


# --- expressions -----------------------------------------------------------------------------------------------------


class Const(Expr, frozen=True):
    """A literal: `kind` is int, float, complex, str, bytes, bool, none or ellipsis; `text` is `repr` of the value."""

    kind: str
    text: str


class Name(Expr, frozen=True):
    id: str


class Attribute(Expr, frozen=True):
    value: Expr
    attr: str


class Subscript(Expr, frozen=True):
    value: Expr
    index: Expr  #: a TupleExpr for `a[i, j]`


class SliceExpr(Expr, frozen=True):
    lower: Expr | None
    upper: Expr | None
    step: Expr | None


class Arg(Node, frozen=True):
    value: Expr
    star: str = ""  #: "", "*" or "**"
    keyword: str = ""


class Call(Expr, frozen=True):
    func: Expr
    args: tuple[Arg, ...]


class Binary(Expr, frozen=True):
    op: str  #: "+", "-", "*", "@", "/", "//", "%", "**", "<<", ">>", "&", "|", "^"
    left: Expr
    right: Expr


class Unary(Expr, frozen=True):
    op: str  #: "-", "+", "~", "not"
    operand: Expr


class BoolOp(Expr, frozen=True):
    op: str  #: "and" or "or"
    left: Expr
    right: Expr


class Compare(Expr, frozen=True):
    """`left ops[0] comparators[0] ops[1] ...`, ops as written: "<", "is not", "not in" ..."""

    left: Expr
    ops: tuple[str, ...]
    comparators: tuple[Expr, ...]


class IfExp(Expr, frozen=True):
    test: Expr
    body: Expr
    orelse: Expr


class Param(Node, frozen=True):
    name: str
    default: Expr | None = None
    annotation: Expr | None = None


class Params(msgspec.Struct, frozen=True):
    """A signature: positional-only, ordinary, *star, keyword-only, **kwargs."""

    posonly: tuple[Param, ...] = ()
    ordinary: tuple[Param, ...] = ()
    star: Param | None = None
    kwonly: tuple[Param, ...] = ()
    kwargs: Param | None = None


class Scope(msgspec.Struct, frozen=True):
    """What a body binds: names local to it, and the names it declares global or nonlocal."""

    locals: frozenset[str] = frozenset()
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()


class Lambda(Expr, frozen=True):
    params: Params
    body: Expr
    scope: Scope


class ListExpr(Expr, frozen=True):
    elements: tuple[Expr, ...]


class TupleExpr(Expr, frozen=True):
    elements: tuple[Expr, ...]


class SetExpr(Expr, frozen=True):
    elements: tuple[Expr, ...]


class DictItem(Node, frozen=True):
    """`key: value`, or `**value` when the key is None."""

    key: Expr | None
    value: Expr


class DictExpr(Expr, frozen=True):
    items: tuple[DictItem, ...]


class Starred(Expr, frozen=True):
    value: Expr


class Clause(Node, frozen=True):
    """One `for target in iter if ...` of a comprehension."""

    target: Expr
    iter: Expr
    conditions: tuple[Expr, ...]
    is_async: bool = False


class Comprehension(Expr, frozen=True):
    """`kind` is list, set, dict or generator; for dict, `element` is the value and `key` the key."""

    kind: str
    element: Expr
    clauses: tuple[Clause, ...]
    scope: Scope
    key: Expr | None = None


class NamedExpr(Expr, frozen=True):
    target: Name
    value: Expr


class FString(Expr, frozen=True):
    """The parts in order: Const strings and expressions (format specs' expressions follow theirs)."""

    parts: tuple[Expr, ...]


class Await(Expr, frozen=True):
    value: Expr


class Yield(Expr, frozen=True):
    value: Expr | None
    delegate: bool = False  #: `yield from`


class UnknownExpr(Expr, frozen=True):
    """A node kind that lowering does not know: an error in tests, UNKNOWN in the field."""

    kind: str


# --- statements ------------------------------------------------------------------------------------------------------


class ExprStmt(Stmt, frozen=True):
    value: Expr


class Assign(Stmt, frozen=True):
    targets: tuple[Expr, ...]
    value: Expr


class AnnAssign(Stmt, frozen=True):
    target: Expr
    annotation: Expr
    value: Expr | None


class AugAssign(Stmt, frozen=True):
    op: str  #: without the "="
    target: Expr
    value: Expr


class Delete(Stmt, frozen=True):
    targets: tuple[Expr, ...]


class If(Stmt, frozen=True):
    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class For(Stmt, frozen=True):
    target: Expr
    iter: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]
    is_async: bool = False


class While(Stmt, frozen=True):
    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...]


class WithItem(Node, frozen=True):
    context: Expr
    target: Expr | None


class With(Stmt, frozen=True):
    items: tuple[WithItem, ...]
    body: tuple[Stmt, ...]
    is_async: bool = False


class Handler(Node, frozen=True):
    type: Expr | None
    name: str
    body: tuple[Stmt, ...]


class Try(Stmt, frozen=True):
    body: tuple[Stmt, ...]
    handlers: tuple[Handler, ...]
    orelse: tuple[Stmt, ...]
    final: tuple[Stmt, ...]


class Body(msgspec.Struct):
    """What a def does when it is called: lowered when it is first asked for, until then a text and its first line."""

    statements: tuple[Stmt, ...] = ()
    scope: Scope = Scope()
    yields: bool = False
    text: str = ""
    line: int = 0


class FunctionDef(Stmt, frozen=True):
    """`place` covers the whole statement, decorators included; `name_place` the name."""

    name: str
    qualname: str  #: dotted inside the module, without `<locals>`: "GradCam._save"
    params: Params
    inner: Body
    decorators: tuple[Expr, ...]
    name_place: Place
    is_async: bool = False
    returns: Expr | None = None

    @property
    def body(self) -> tuple[Stmt, ...]:
        """The statements."""
        return self._lowered().statements

    @property
    def scope(self) -> Scope:
        """What the body binds, the parameters included."""
        return self._lowered().scope

    @property
    def is_generator(self) -> bool:
        """Whether there is a `yield` in the body."""
        return self._lowered().yields

    def _lowered(self) -> Body:
        if self.inner.text:
            from gradlint.static.lower import complete

            complete(self)
        return self.inner


class ClassDef(Stmt, frozen=True):
    name: str
    qualname: str
    bases: tuple[Arg, ...]  #: keywords (metaclass=...) included
    body: tuple[Stmt, ...]
    decorators: tuple[Expr, ...]
    scope: Scope
    name_place: Place


class Return(Stmt, frozen=True):
    value: Expr | None


class Raise(Stmt, frozen=True):
    value: Expr | None
    cause: Expr | None


class Assert(Stmt, frozen=True):
    test: Expr
    message: Expr | None


class Global(Stmt, frozen=True):
    names: tuple[str, ...]


class Nonlocal(Stmt, frozen=True):
    names: tuple[str, ...]


class Alias(Node, frozen=True):
    name: str  #: dotted for `import a.b`
    asname: str = ""


class Import(Stmt, frozen=True):
    names: tuple[Alias, ...]


class ImportFrom(Stmt, frozen=True):
    """`from ...module import names`; `level` counts the dots; a star import has one Alias named "*"."""

    module: str
    level: int
    names: tuple[Alias, ...]


class Pass(Stmt, frozen=True):
    pass


class Break(Stmt, frozen=True):
    pass


class Continue(Stmt, frozen=True):
    pass


class Case(Node, frozen=True):
    """A match case; a pattern gradlint does not model is an UnknownPattern and may or may not match."""

    pattern: Pattern
    guard: Expr | None
    body: tuple[Stmt, ...]


class Match(Stmt, frozen=True):
    subject: Expr
    cases: tuple[Case, ...]


class UnknownStmt(Stmt, frozen=True):
    kind: str


# --- patterns --------------------------------------------------------------------------------------------------------


class Pattern(Node, frozen=True):
    """What a `case` compares with."""


class ValuePattern(Pattern, frozen=True):
    """Equality with a value (literal, dotted name) or identity with None, True, False."""

    value: Expr


class CapturePattern(Pattern, frozen=True):
    """Binds a name ("" for `_`), optionally only where an inner pattern matches."""

    name: str
    pattern: Pattern | None = None


class SequencePattern(Pattern, frozen=True):
    elements: tuple[Pattern, ...]


class StarPattern(Pattern, frozen=True):
    name: str


class OrPattern(Pattern, frozen=True):
    alternatives: tuple[Pattern, ...]


class ClassPattern(Pattern, frozen=True):
    cls: Expr
    patterns: tuple[Pattern, ...]
    keywords: tuple[str, ...]
    keyword_patterns: tuple[Pattern, ...]


class MappingPattern(Pattern, frozen=True):
    keys: tuple[Expr, ...]
    patterns: tuple[Pattern, ...]
    rest: str = ""


class UnknownPattern(Pattern, frozen=True):
    kind: str


class Module(msgspec.Struct, frozen=True, weakref=True):
    """One lowered file."""

    name: str
    file: str
    body: tuple[Stmt, ...]
    scope: Scope
