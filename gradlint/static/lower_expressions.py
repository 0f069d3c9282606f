"""Expressions: from libcst's nodes to the program's, each with its place (own parentheses excluded, as libcst has it)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from gradlint.static import program as p
from gradlint.static.bounds import LowerError
from gradlint.static.literals import read_literal

if TYPE_CHECKING:
    from gradlint.static.lower import Lowering


def expression(low: Lowering, node: cst.BaseExpression) -> p.Expr:
    """One expression, through its parentheses."""
    for _ in node.lpar:
        low.reader.take("(")
    start = low.reader.skip()
    run = EXPRESSIONS.get(type(node))
    if run is None:
        low.skip_node(node.with_changes(lpar=(), rpar=()))
        made: p.Expr = p.UnknownExpr(low.reader.place(start), type(node).__name__)
    else:
        made = run(low, node, start)
    for _ in node.rpar:
        low.reader.take(")")
    return made


def assignable(low: Lowering, node: Any) -> p.Expr:
    """The target of an assignment: its names are bound."""
    made = expression(low, node)
    _bind(low, made)
    return made


def _bind(low: Lowering, target: p.Expr) -> None:
    match target:
        case p.Name():
            low.scopes.bind(target.id)
        case p.TupleExpr() | p.ListExpr():
            for element in target.elements:
                _bind(low, element)
        case p.Starred():
            _bind(low, target.value)


# --- names and literals ----------------------------------------------------------------------------------------------

_SPELLED = 10_000  #: bits of an integer that Python still writes in decimal
_CONSTANTS = {"None": "none", "True": "bool", "False": "bool"}


def _name(low: Lowering, node: cst.Name, start: int) -> p.Expr:
    name = low.reader.take_name(node.value)
    kind = _CONSTANTS.get(name)
    place = low.reader.place(start)
    return p.Const(place, kind, name) if kind else p.Name(place, name)


def _number(kind: str) -> Callable[[Lowering, Any, int], p.Expr]:
    def run(low: Lowering, node: Any, start: int) -> p.Expr:
        low.reader.take(node.value)
        return p.Const(low.reader.place(start), kind, _spelled(_literal(low, node.value, start)))

    return run


def _literal(low: Lowering, text: str, start: int) -> Any:
    """The value of a literal. Raises: LowerError for what libcst takes and Python does not."""
    try:
        return read_literal(text)
    except SyntaxError as error:
        line, column, *_ = low.reader.place(start)
        raise LowerError(line, column, f"this is not valid Python: {error.msg}") from None


def _spelled(number: complex) -> str:
    """A number as it can be read again, also one without end or with more digits than Python writes."""
    if isinstance(number, int) and number.bit_length() > _SPELLED:
        return hex(number)
    return repr(number).replace("inf", "1e999")


def _ellipsis(low: Lowering, node: cst.Ellipsis, start: int) -> p.Expr:
    low.reader.take("...")
    return p.Const(low.reader.place(start), "ellipsis", "...")


def _string(low: Lowering, node: cst.SimpleString, start: int) -> p.Expr:
    low.reader.take(node.value)
    value = _literal(low, node.value, start)
    return p.Const(low.reader.place(start), "bytes" if isinstance(value, bytes) else "str", repr(value))


def _joined(low: Lowering, node: cst.ConcatenatedString, start: int) -> p.Expr:
    """Adjacent strings: one constant, or an f-string with the parts of all."""
    parts = [expression(low, node.left), expression(low, node.right)]
    place = low.reader.place(start)
    if all(isinstance(part, p.Const) for part in parts):
        values = [read_literal(part.text) for part in parts if isinstance(part, p.Const)]
        return p.Const(place, parts[0].kind if isinstance(parts[0], p.Const) else "str", repr(values[0] + values[1]))
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, p.FString) else (part,))]
    return p.FString(place, tuple(flat))


def _formatted(low: Lowering, node: cst.FormattedString | cst.TemplatedString, start: int) -> p.Expr:
    low.reader.take(node.start)
    parts = _format_parts(low, node.parts)
    low.reader.take_here(node.end)
    return p.FString(low.reader.place(start), tuple(parts))


def _format_parts(low: Lowering, nodes: Sequence[Any]) -> list[p.Expr]:
    found: list[p.Expr] = []
    for node in nodes:
        start = low.reader.position
        if isinstance(node, (cst.FormattedStringText, cst.TemplatedStringText)):
            low.reader.take_here(node.value)
            text = node.value.replace("{{", "{").replace("}}", "}")
            found.append(p.Const(low.reader.place(start), "str", repr(_unescaped(text))))
        else:
            found += _format_field(low, node)
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(read_literal(f'"""{text}"""'))
    except (SyntaxError, ValueError):
        return text


def _format_field(low: Lowering, node: Any) -> list[p.Expr]:
    low.reader.take_here("{")
    found = [expression(low, node.expression)]
    if node.equal is not None:
        low.reader.take("=")
    if node.conversion is not None:
        low.reader.take("!")
        low.reader.take(node.conversion)
    if node.format_spec is not None:
        low.reader.take(":")
        found += _format_parts(low, node.format_spec)
        low.reader.take_here("}")
    else:
        low.reader.take("}")
    return found


# --- access and calls ------------------------------------------------------------------------------------------------


def _attribute(low: Lowering, node: cst.Attribute, start: int) -> p.Expr:
    value = expression(low, node.value)
    low.reader.take(".")
    name = low.reader.take_name(node.attr.value)
    return p.Attribute(low.reader.place(start), value, name)


def _call(low: Lowering, node: cst.Call, start: int) -> p.Expr:
    func = expression(low, node.func)
    low.reader.take("(")
    args = tuple(argument(low, given) for given in node.args)
    low.reader.take(")")
    return p.Call(low.reader.place(start), func, args)


def argument(low: Lowering, node: cst.Arg) -> p.Arg:
    """One argument of a call or class, with the comma after it."""
    start = low.reader.skip()
    if node.star:
        low.reader.take(node.star)
    keyword = ""
    if node.keyword is not None:
        keyword = node.keyword.value
        low.reader.take(keyword)
        low.reader.take("=")
    value = expression(low, node.value)
    place = low.reader.place(start)
    low.reader.optional(",")
    return p.Arg(place, value, node.star, keyword)


def _subscript(low: Lowering, node: cst.Subscript, start: int) -> p.Expr:
    value = expression(low, node.value)
    low.reader.take("[")
    first = low.reader.skip()
    parts = [_index(low, element) for element in node.slice]
    last = node.slice[-1]
    several = len(parts) > 1 or isinstance(last.comma, cst.Comma)
    index = p.TupleExpr(low.reader.place(first), tuple(parts)) if several else parts[0]
    low.reader.take("]")
    return p.Subscript(low.reader.place(start), value, index)


def _index(low: Lowering, node: cst.SubscriptElement) -> p.Expr:
    start = low.reader.skip()
    inner = node.slice
    if isinstance(inner, cst.Slice):
        made = _slice(low, inner, start)
    else:
        inner = cst.ensure_type(inner, cst.Index)
        starred = inner.star is not None
        if starred:
            low.reader.take("*")
        value = expression(low, inner.value)
        made = p.Starred(low.reader.place(start), value) if starred else value
    low.reader.optional(",")
    return made


def _slice(low: Lowering, node: cst.Slice, start: int) -> p.Expr:
    lower = expression(low, node.lower) if node.lower is not None else None
    low.reader.take(":")
    upper = expression(low, node.upper) if node.upper is not None else None
    step = None
    if low.reader.optional(":") and node.step is not None:
        step = expression(low, node.step)
    return p.SliceExpr(low.reader.place(start), lower, upper, step)


# --- operators -------------------------------------------------------------------------------------------------------


def _operator(low: Lowering, node: cst.CSTNode) -> str:
    """Go over an operator; `not in` and `is not` are two words."""
    operator = node.value if isinstance(node, cst.NotEqual) else _COMPARISON[type(node)]
    for word in operator.split():
        low.reader.take(word)
    return operator


_BINARY = {
    cst.Add: "+", cst.Subtract: "-", cst.Multiply: "*", cst.Divide: "/", cst.FloorDivide: "//", cst.Modulo: "%", cst.Power: "**",
    cst.MatrixMultiply: "@", cst.LeftShift: "<<", cst.RightShift: ">>", cst.BitAnd: "&", cst.BitOr: "|", cst.BitXor: "^",
}  # fmt: skip
_COMPARISON = {
    cst.Equal: "==", cst.NotEqual: "!=", cst.LessThan: "<", cst.LessThanEqual: "<=", cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=", cst.In: "in", cst.NotIn: "not in", cst.Is: "is", cst.IsNot: "is not",
}  # fmt: skip
_UNARY = {cst.Minus: "-", cst.Plus: "+", cst.BitInvert: "~", cst.Not: "not"}


def _binary(low: Lowering, node: cst.BinaryOperation, start: int) -> p.Expr:
    left = expression(low, node.left)
    operator = _BINARY[type(node.operator)]
    low.reader.take(operator)
    right = expression(low, node.right)
    return p.Binary(low.reader.place(start), operator, left, right)


def _unary(low: Lowering, node: cst.UnaryOperation, start: int) -> p.Expr:
    operator = _UNARY[type(node.operator)]
    low.reader.take(operator)
    operand = expression(low, node.expression)
    return p.Unary(low.reader.place(start), operator, operand)


def _boolean(low: Lowering, node: cst.BooleanOperation, start: int) -> p.Expr:
    left = expression(low, node.left)
    operator = "and" if isinstance(node.operator, cst.And) else "or"
    low.reader.take(operator)
    right = expression(low, node.right)
    return p.BoolOp(low.reader.place(start), operator, left, right)


def _compare(low: Lowering, node: cst.Comparison, start: int) -> p.Expr:
    left = expression(low, node.left)
    operators, values = [], []
    for part in node.comparisons:
        operators.append(_operator(low, part.operator))
        values.append(expression(low, part.comparator))
    return p.Compare(low.reader.place(start), left, tuple(operators), tuple(values))


def _if_expression(low: Lowering, node: cst.IfExp, start: int) -> p.Expr:
    body = expression(low, node.body)
    low.reader.take("if")
    test = expression(low, node.test)
    low.reader.take("else")
    orelse = expression(low, node.orelse)
    return p.IfExp(low.reader.place(start), test, body, orelse)


def _named(low: Lowering, node: cst.NamedExpr, start: int) -> p.Expr:
    target = expression(low, node.target)
    low.reader.take(":=")
    value = expression(low, node.value)
    name = target if isinstance(target, p.Name) else p.Name(target.place, "")
    low.scopes.bind_outside(name.id)
    return p.NamedExpr(low.reader.place(start), name, value)


# --- functions -------------------------------------------------------------------------------------------------------


def parameters(low: Lowering, node: cst.Parameters) -> p.Params:
    """A signature, between its parentheses or before a lambda's colon."""
    posonly = tuple(_parameter(low, param) for param in node.posonly_params)
    if node.posonly_params:
        low.reader.take("/")
        low.reader.optional(",")
    ordinary = tuple(_parameter(low, param) for param in node.params)
    star = None
    if isinstance(node.star_arg, cst.Param):
        low.reader.take("*")
        star = _parameter(low, node.star_arg)
    elif isinstance(node.star_arg, cst.ParamStar):
        low.reader.take("*")
        low.reader.optional(",")
    kwonly = tuple(_parameter(low, param) for param in node.kwonly_params)
    kwargs = None
    if node.star_kwarg is not None:
        low.reader.take("**")
        kwargs = _parameter(low, node.star_kwarg)
    return p.Params(posonly, ordinary, star, kwonly, kwargs)


def _parameter(low: Lowering, node: cst.Param) -> p.Param:
    start = low.reader.take(node.name.value)
    annotation = default = None
    if node.annotation is not None:
        low.reader.take(":")
        annotation = expression(low, node.annotation.annotation)
    if node.default is not None:
        low.reader.take("=")
        default = expression(low, node.default)
    place = low.reader.place(start)
    low.reader.optional(",")
    return p.Param(place, node.name.value, default, annotation)


def _lambda(low: Lowering, node: cst.Lambda, start: int) -> p.Expr:
    low.reader.take("lambda")
    signature = parameters(low, node.params)
    low.reader.take(":")
    low.scopes.push("", signature)
    body = expression(low, node.body)
    made = low.scopes.pop()
    return p.Lambda(low.reader.place(start), signature, body, made.scope())


def _await(low: Lowering, node: cst.Await, start: int) -> p.Expr:
    low.reader.take("await")
    value = expression(low, node.expression)
    return p.Await(low.reader.place(start), value)


def _yield(low: Lowering, node: cst.Yield, start: int) -> p.Expr:
    low.reader.take("yield")
    low.scopes.note_yield()
    delegate = isinstance(node.value, cst.From)
    value = None
    if isinstance(node.value, cst.From):
        low.reader.take("from")
        value = expression(low, node.value.item)
    elif node.value is not None:
        value = expression(low, node.value)
    return p.Yield(low.reader.place(start), value, delegate)


# --- containers ------------------------------------------------------------------------------------------------------


def _elements(low: Lowering, nodes: Sequence[cst.BaseElement]) -> tuple[p.Expr, ...]:
    found = []
    for node in nodes:
        if isinstance(node, cst.StarredElement):
            found.append(expression(low, node))
        else:
            found.append(expression(low, node.value))
        low.reader.optional(",")
    return tuple(found)


def _starred(low: Lowering, node: cst.StarredElement, start: int) -> p.Expr:
    low.reader.take("*")
    value = expression(low, node.value)
    return p.Starred(low.reader.place(start), value)


def _tuple(low: Lowering, node: cst.Tuple, start: int) -> p.Expr:
    values = _elements(low, node.elements)
    if not node.elements:
        low.reader.end = start
    return p.TupleExpr(low.reader.place(start), values)


def _bracketed(
    opening: str, closing: str, made: type[p.ListExpr | p.SetExpr]
) -> Callable[[Lowering, Any, int], p.Expr]:
    def run(low: Lowering, node: Any, start: int) -> p.Expr:
        low.reader.take(opening)
        values = _elements(low, node.elements)
        low.reader.take(closing)
        return made(low.reader.place(start), values)

    return run


def _dict(low: Lowering, node: cst.Dict, start: int) -> p.Expr:
    low.reader.take("{")
    items = tuple(_dict_item(low, element) for element in node.elements)
    low.reader.take("}")
    return p.DictExpr(low.reader.place(start), items)


def _dict_item(low: Lowering, node: cst.BaseDictElement) -> p.DictItem:
    start = low.reader.skip()
    key = None
    if isinstance(node, cst.DictElement):
        key = expression(low, node.key)
        low.reader.take(":")
    else:
        low.reader.take("**")
    value = expression(low, node.value)
    place = low.reader.place(start)
    low.reader.optional(",")
    return p.DictItem(place, key, value)


def _comprehension(kind: str, opening: str, closing: str) -> Callable[[Lowering, Any, int], p.Expr]:
    def run(low: Lowering, node: Any, start: int) -> p.Expr:
        if opening:
            low.reader.take(opening)
        low.scopes.push("", comprehension=True)
        key = None
        if kind == "dict":
            key = expression(low, node.key)
            low.reader.take(":")
        element = expression(low, node.value if kind == "dict" else node.elt)
        clauses = tuple(_clauses(low, node.for_in))
        made = low.scopes.pop()
        if closing:
            low.reader.take(closing)
        return p.Comprehension(low.reader.place(start), kind, element, clauses, made.scope(), key)

    return run


def _clauses(low: Lowering, node: cst.CompFor | None) -> list[p.Clause]:
    found: list[p.Clause] = []
    while node is not None:
        start = low.reader.skip()
        if node.asynchronous is not None:
            low.reader.take("async")
        low.reader.take("for")
        target = assignable(low, node.target)
        low.reader.take("in")
        iterable = expression(low, node.iter)
        conditions = []
        for condition in node.ifs:
            low.reader.take("if")
            conditions.append(expression(low, condition.test))
        found.append(
            p.Clause(low.reader.place(start), target, iterable, tuple(conditions), node.asynchronous is not None)
        )
        node = node.inner_for_in
    return found


EXPRESSIONS: dict[type, Callable[[Any, Any, int], p.Expr]] = {
    cst.Name: _name,
    cst.Integer: _number("int"),
    cst.Float: _number("float"),
    cst.Imaginary: _number("complex"),
    cst.Ellipsis: _ellipsis,
    cst.SimpleString: _string,
    cst.ConcatenatedString: _joined,
    cst.FormattedString: _formatted,
    cst.TemplatedString: _formatted,
    cst.Attribute: _attribute,
    cst.Call: _call,
    cst.Subscript: _subscript,
    cst.BinaryOperation: _binary,
    cst.UnaryOperation: _unary,
    cst.BooleanOperation: _boolean,
    cst.Comparison: _compare,
    cst.IfExp: _if_expression,
    cst.NamedExpr: _named,
    cst.Lambda: _lambda,
    cst.Await: _await,
    cst.Yield: _yield,
    cst.StarredElement: _starred,
    cst.Tuple: _tuple,
    cst.List: _bracketed("[", "]", p.ListExpr),
    cst.Set: _bracketed("{", "}", p.SetExpr),
    cst.Dict: _dict,
    cst.ListComp: _comprehension("list", "[", "]"),
    cst.SetComp: _comprehension("set", "{", "}"),
    cst.DictComp: _comprehension("dict", "{", "}"),
    cst.GeneratorExp: _comprehension("generator", "", ""),
}
