"""The user's own functions, rewritten so that data can be followed where torch does not see it.

Every call, operator, subscript, attribute and loop of a chosen function goes through the helper of `excursion`, which does exactly what
was written and then looks at what came in and out. Types, values, order of evaluation and places in the source stay what they are.
Other functions stay untouched. Statements that somebody asked about get a mark in front of them that says they ran.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import msgspec

from gradlint.tape import Span

HELPER = "__gradlint__"
#: calls that look at their caller's frame
_FRAMED = frozenset(("super", "locals", "globals", "vars", "dir", "eval", "exec", "breakpoint", "__import__"))
_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor",
}  # fmt: skip
_UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "inv"}
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


class Plan(msgspec.Struct, frozen=True):
    """What to do to a file; places come with the number of the question they answer."""

    lines: tuple[int, ...] = ()  #: of functions to rewrite
    watched: tuple[tuple[int, Span], ...] = ()  #: statements of which it is asked whether they run
    returned: tuple[tuple[int, Span], ...] = ()  #: definitions of functions of which it is asked what they return


def rewritten(text: str, file: str, plan: Plan) -> ast.Module:
    """The syntax tree of a file with a plan carried out. Raises `SyntaxError` as Python would."""
    tree = ast.parse(text, file)
    chosen = _chosen(tree, plan.lines)
    _mark_all(tree, plan.watched)
    _Rewriter(chosen, plan.returned).module(tree)
    return ast.fix_missing_locations(tree)


def _chosen(tree: ast.Module, lines: Iterable[int]) -> set[ast.AST]:
    """The innermost functions that hold the lines; the module itself for lines outside all functions."""
    chosen: set[ast.AST] = set()
    for line in lines:
        around = [n for n in ast.walk(tree) if isinstance(n, _Function) and _first(n) <= line <= (n.end_lineno or 0)]
        chosen.add(max(around, key=lambda n: n.lineno) if around else tree)
    return chosen


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The first line of a function's body: decorators and the header belong to what is around it."""
    return min(node.body[0].lineno, node.lineno + 1)


def _call(node: ast.AST, method: str, *args: ast.expr, more: Sequence[ast.keyword] = ()) -> ast.Call:
    """A call of the helper at the place of a node."""
    function = ast.Attribute(ast.Name(HELPER, ast.Load()), method, ast.Load())
    made = ast.Call(function, list(args), list(more))
    for part in (made, function, function.value):
        ast.copy_location(part, node)
    return made


def _mark_all(tree: ast.AST, watched: Sequence[tuple[int, Span]]) -> None:
    """Put marks in front of the statements that somebody asked about."""
    for node in ast.walk(tree) if watched else ():
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                block[:] = [part for i, s in enumerate(block) for part in (*_marks(s, watched, first=i == 0), s)]


def _marks(statement: ast.stmt, watched: Sequence[tuple[int, Span]], *, first: bool) -> list[ast.stmt]:
    """The marks of one statement; `from __future__` and docstrings must stay first."""
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return []
    if first and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return []
    start = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
    body = getattr(statement, "body", None)
    last = max(start, body[0].lineno - 1) if isinstance(body, list) else statement.end_lineno or start
    asked = [number for number, span in watched if start <= span.end_line and span.line <= last]
    marks = [_call(statement, "ran", ast.Constant(number)) for number in asked]
    return [ast.copy_location(ast.Expr(mark), statement) for mark in marks]


class _Rewriter(ast.NodeTransformer):
    """Puts the helper into the chosen functions."""

    def __init__(self, chosen: set[ast.AST], returned: Sequence[tuple[int, Span]]) -> None:
        self.chosen = chosen
        self.returned = returned
        self.active = False
        self.question: int | None = None  #: about what the current function returns

    def module(self, tree: ast.Module) -> None:
        """Rewrite a whole module."""
        self.active = tree in self.chosen
        tree.body = [self.visit(s) for s in tree.body]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outer = self.active, self.question
        self.active, self.question = node in self.chosen, self._asked(node)
        node.body = [self.visit(s) for s in node.body]
        self.active, self.question = outer
        return node

    def _asked(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
        """The question about what a function returns, if there is one."""
        header = range(node.lineno, max(node.lineno, node.body[0].lineno - 1) + 1)
        return next((number for number, span in self.returned if span.line in header), None)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if self.question is not None and node.value is not None:
            node.value = _call(node.value, "look", ast.Constant(self.question), node.value)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self.active = self.active, False
        node.body = [self.visit(s) for s in node.body]
        self.active = outer
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in _FRAMED:
            return node
        function = node.func
        self.generic_visit(node)
        if not self.active:
            return node
        if isinstance(function, ast.Attribute):  # the method as it is: reading it is no step of its own
            node.func = function
        return _call(node, "call", node.func, *node.args, more=node.keywords)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        private = node.attr.startswith("__") and not node.attr.endswith("__")
        if not self.active or private or not isinstance(node.ctx, ast.Load):
            return node
        return _call(node, "attribute", node.value, ast.Constant(node.attr))

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not self.active or not isinstance(node.ctx, ast.Load):
            return node
        return _call(node, "item", node.value, _index(node.slice))

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        name = _BINARY.get(type(node.op))
        return _call(node, "binary", ast.Constant(name), node.left, node.right) if self.active and name else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        name = _UNARY.get(type(node.op))
        return _call(node, "unary", ast.Constant(name), node.operand) if self.active and name else node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        if self.active:
            node.iter = _call(node.iter, "each", node.iter)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        if self.active and not node.is_async:
            node.iter = _call(node.iter, "each", node.iter)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        target = node.targets[0]
        if not self.active or len(node.targets) > 1 or not isinstance(target, ast.Subscript):
            return node
        stored = _call(node, "store", node.value, target.value, _index(target.slice))
        return ast.copy_location(ast.Expr(stored), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        name = _BINARY.get(type(node.op))
        if not self.active or name is None or not isinstance(node.target, ast.Name):
            self.generic_visit(node)
            return node
        value = self.visit(node.value)
        read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        made = _call(node, "inplace", ast.Constant(name), read, value)
        return ast.copy_location(ast.Assign([node.target], made), node)


def _index(node: ast.expr) -> ast.expr:
    """An index as a value: slices are made by hand outside of brackets."""
    if isinstance(node, ast.Tuple):
        return ast.copy_location(ast.Tuple([_index(e) for e in node.elts], ast.Load()), node)
    if not isinstance(node, ast.Slice):
        return node
    parts = [part or ast.Constant(None) for part in (node.lower, node.upper, node.step)]
    return _call(node, "slice", *parts)
