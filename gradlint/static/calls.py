"""Calling things: binding arguments, running bodies, generators, decorators, partials, and what an unknown call may do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gradlint.static import (
    adapters,
    builtin,
    caching,
    classes,
    declared,
    demands,
    exposure,
    gradients,
    hooks,
    library,
    modes,
    modules,
    placeholders,
    statements,
    unknowns,
)
from gradlint.static import program as p
from gradlint.static.arguments import Args
from gradlint.static.machine import NORMAL, Machine, defined
from gradlint.static.store import MISSING
from gradlint.static.values import (
    ITEMS,
    OPEN,
    Alt,
    Array,
    ClassObj,
    DictObj,
    Frame,
    Function,
    Generator,
    Instance,
    Lib,
    ListObj,
    Method,
    Mode,
    Native,
    Partial,
    Raised,
    Scalar,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    is_raw,
)  # fmt: skip
from gradlint.static.words import names_a_loss
from gradlint.tape import Span

STIRRED = "$stirred"  #: the cell of a list or dict that code nobody knows may have put something into
_OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "@": "matmul",
    "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift",
}  # fmt: skip


def call(m: Machine, callee: Val, args: Args) -> Val:
    """`callee(args)`."""
    m.step()
    match callee:
        case Function():
            return invoke(m, callee, args)
        case Method():
            if isinstance(callee.function, Function) and callee.function.name == "forward":
                modules.past_hooks(m, callee.receiver, args.span)
            return call(m, callee.function, args.prepend(callee.receiver))
        case Native():
            return builtin.method(m, callee, args)
        case Lib():
            return library.call(m, callee.name, args)
        case ClassObj():
            return classes.instantiate(m, callee, args)
        case Instance():
            return _call_instance(m, callee, args)
        case Partial():
            return call(m, callee.function, _partial_args(callee, args))
        case Wrapped():
            return _call_wrapped(m, callee, args)
        case Mode():
            return modes.decorate(m, callee, args)
        case Alt():
            return _call_one_of(m, callee, args)
        case Unknown():
            return _call_unknown_value(m, callee, args)
        case None:
            raise Raised("'NoneType' object is not callable", kind="TypeError", place=m.absent)
    return unknown_call(m, callee, args, m.text(args.span))


def _call_one_of(m: Machine, callee: Alt, args: Args) -> Val:
    """One of several things is called; `loss.backward` of what may be one tensor or another asks once, whichever it is."""
    losses = [demands.differentiated(option) for option in callee.options]
    if all(loss is not None for loss in losses):
        demands.backward(m, [Alt(tuple(losses))], args)
        return None
    return m.alternatives(callee, lambda option: call(m, option, args))


def _partial_args(callee: Partial, args: Args) -> Args:
    made = args.prepend(*callee.args)
    made.keywords = {**callee.kwargs, **args.keywords}
    return made


def _call_instance(m: Machine, callee: Instance, args: Args) -> Val:
    if modules.is_module(m, callee):
        return modules.call(m, callee, args)
    found, owner = classes.find(m, callee.cls, "__call__")
    if found is not MISSING:
        return call(m, classes.bind(m, found, callee, owner), args)
    return library.call_instance(m, callee, args)


def _call_wrapped(m: Machine, callee: Wrapped, args: Args) -> Val:
    match callee.kind:
        case "mode":
            with modes.entered(m, callee.more):
                return call(m, callee.function, args)
        case "native":
            return callee.more(m, args)
        case caching.FUNCTION:
            return caching.call(m, callee, args)
    return call(m, callee.function, args)


def _call_unknown_value(m: Machine, callee: Unknown, args: Args) -> Val:
    as_tensor = unknowns.method_of_unknown(m, callee, args)
    if as_tensor is not NotImplemented:
        return as_tensor
    return unknown_call(m, callee, args, m.text(args.span))


def unknown_call(m: Machine, callee: Val, args: Args, label: str) -> Val:
    """A call of something unknown: its result may hold what it was given, and more; it may fill what it was given."""
    receiver = (
        callee.origin
        if isinstance(callee, Unknown)
        else callee.receiver
        if isinstance(callee, (Native, Method))
        else callee
        if isinstance(callee, (Tensor, Array))  # an attribute of something tensor-like that turns out to be a method
        else None
    )
    gradients.want_all(m, args.all())
    given = [*args.all(), receiver] if receiver is not None else args.all()
    sources = [n for v in given for n in m.nodes(v)]
    if isinstance(callee, Unknown):
        sources.append(m.unknown_node(callee))
    made = m.unknown(
        label, dict.fromkeys(sources), args.span, origin=callee if isinstance(callee, Unknown) else receiver
    )
    model = callee.origin if isinstance(callee, Unknown) and callee.name == "forward" else callee
    if isinstance(model, Unknown) and unknowns.is_model(model):
        unknowns.output_of(m, model, made, args)
    for value in args.all():
        disturb(m, value, made, adapters.looks(label))
    adapters.may_free(m, args.all(), label, args.span)
    exposure.expose(m, given)
    m.outside_code = m.outside_code or isinstance(callee, (Function, Method))
    hooks.fire_loose(m, callee, args, made)
    return made


def disturb(m: Machine, value: Val, cause: Unknown, looks: bool = False) -> None:
    """An unknown callee may append to a container it was given, and anything, unless its name says that it only looks."""
    if not isinstance(value, (ListObj, DictObj)) or STIRRED in value.cells:
        return
    m.set(value, OPEN, True)
    if not looks:
        m.set(value, STIRRED, True)
        more = Unknown(cause.label, cause)
        if isinstance(value, ListObj):
            m.set(value, ITEMS, (*content(value), more))
        else:
            m.set(value, ("k", more), more)


# --- functions of the project ----------------------------------------------------------------------------------------


def make_function(m: Machine, frame: Frame, node: p.FunctionDef | p.Lambda) -> Function:
    """The function object of a def or lambda: defaults are evaluated now."""
    from gradlint.static.expressions import evaluate

    made = Function(node, frame.module, frame)
    frame.hold()
    if isinstance(node, p.Lambda):
        made.cls = frame.cls
    elif frame.function is not None:
        m.closures[defined(node, frame.module.program.file)] = made
    for param in (*node.params.posonly, *node.params.ordinary, *node.params.kwonly):
        if param.default is not None:
            made.defaults[param.name] = evaluate(m, frame, param.default)
    return made


def define(m: Machine, frame: Frame, node: p.FunctionDef) -> Val:
    """A def statement: the function through its decorators."""
    from gradlint.static.expressions import evaluate

    value: Val = make_function(m, frame, node)
    for decorator in reversed(node.decorators):
        applied = evaluate(m, frame, decorator)
        value = builtin.decorate(m, frame, applied, value, m.span(frame, decorator))
    return value


def invoke(m: Machine, function: Function, args: Args) -> Val:
    """Run a function of the project."""
    if m.deep() or m.circling(function.node):
        return unknown_call(m, function, args, m.text(args.span))
    frame = Frame(function.module, function.node.scope, function.parent, function)
    frame.start = m.store.mark()
    bind_parameters(m, frame, function, args)
    node = function.node
    if isinstance(node, p.FunctionDef):
        m.mark_called(defined(node, function.module.program.file))
        m.own_calls.add(args.span)
        declared.receives(m, frame, function, args)
        if node.is_generator:
            frame.hold()
            return Generator(function, frame)
    if isinstance(node, p.FunctionDef) and function.cls is not None and not m.whole and placeholders.is_one(node):
        return m.unknown(m.text(args.span), dict.fromkeys(n for v in args.all() for n in m.nodes(v)), args.span)
    with m.running(node, args.span):
        value = _run_body(m, frame, function, args)
    frame.over = not frame.held
    return value


def _run_body(m: Machine, frame: Frame, function: Function, args: Args) -> Val:
    if isinstance(function.node, p.Lambda):
        from gradlint.static.expressions import evaluate

        return evaluate(m, frame, function.node.body)
    begun = m.tape.time
    ends = True
    try:
        if statements.block(m, frame, function.node.body) == NORMAL:
            m.set(frame, "$return", None)
    except Raised:  # if it has returned on some way, this one is none
        if not frame.pending:
            raise
        ends = False
    m.settle(frame.start, frame.pending, ends)
    value = frame.cells.get("$return", MISSING)
    value = None if value is MISSING else value
    if isinstance(value, Tensor):
        m.tape.capture(value.cells["$node"], "return", args.span, f"{function.name}(...)")
    if declared.returns(m, function, value):
        return value
    if isinstance(function.node, p.FunctionDef) and names_a_loss(function.node.qualname) and not _only_tells(function):
        demands.note_loss(m, value, defined(function.node, function.module.program.file), begun)
    return value


def _only_tells(function: Function) -> bool:
    """Whether a method is given nothing: what it returns was computed elsewhere, and is kept to be told."""
    given = function.node.params
    named = (*given.posonly, *given.ordinary, *given.kwonly)
    return function.cls is not None and len(named) == 1 and given.star is None and given.kwargs is None


def bind_parameters(m: Machine, frame: Frame, function: Function, args: Args) -> None:
    """Python's binding; what is missing because the call is not fully known is unknown."""
    params = function.node.params
    names = [q.name for q in (*params.posonly, *params.ordinary)]
    keywords = dict(args.keywords)
    for i, name in enumerate(names):
        value = args.positional[i] if i < len(args.positional) else keywords.pop(name, MISSING)
        m.set(frame, name, _or_default(m, function, name, value, args))
        if value is None:
            m.keep_absent(frame, name)
    if params.star is not None:
        extra = args.positional[len(names) :]
        m.set(frame, params.star.name, ListObj(extra, "tuple", True) if args.rest else tuple(extra))
    for param in params.kwonly:
        m.set(frame, param.name, _or_default(m, function, param.name, keywords.pop(param.name, MISSING), args))
    if params.kwargs is not None:
        rest = DictObj()
        for key, value in keywords.items():
            rest.cells["k", key] = value
        if args.rest:
            rest.cells["$open"] = True
        m.set(frame, params.kwargs.name, rest)
    if names:
        frame.receiver = frame.cells.get(names[0])


def _or_default(m: Machine, function: Function, name: str, value: Val, args: Args) -> Val:
    if value is not MISSING:
        if isinstance(value, Tensor):
            m.tape.capture(value.cells["$node"], "argument", args.span, f"{function.name}({name}=...)")
        return value
    default = function.defaults.get(name, MISSING)
    if args.rest:  # a setting whose default is a number or text is no tensor
        return Scalar() if default is not None and is_raw(default) else Unknown(name)
    return Unknown(name) if default is MISSING else default


# --- generators ------------------------------------------------------------------------------------------------------


def run_generator(m: Machine, generator: Generator) -> list[Val]:
    """All values a generator yields, by running it to its end once."""
    if generator.done is None:
        frame = generator.frame
        frame.yields = []
        frame.cells.pop(modes.YIELDED, None)
        frame.start = m.store.mark()
        with m.running(generator.function.node, m.here()):
            statements.block(m, frame, statements.body_of(generator.function))
            m.settle(frame.start, frame.pending, True)
        generator.done = list(frame.yields)
        m.store.undo.append(partial(setattr, generator, "done", None))
    return generator.done


def run_around(m: Machine, generator: Generator, body: Callable[[Val], None]) -> None:
    """Run a context manager's generator, with the block at its yield."""
    frame = generator.frame
    frame.yields = body
    frame.start = m.store.mark()
    statements.block(m, frame, statements.body_of(generator.function))
    m.settle(frame.start, frame.pending, True)


# --- operators of project classes ------------------------------------------------------------------------------------


def operator_method(m: Machine, frame: Frame, op: str, left: Val, right: Val, span: Span) -> Val:
    """`__add__` and its kind on instances of the project."""
    name = _OPERATORS.get(op, "")
    for receiver, other, method in ((left, right, f"__{name}__"), (right, left, f"__r{name}__")):
        if isinstance(receiver, Instance):
            found, owner = classes.find(m, receiver.cls, method)
            if found is not MISSING:
                return call(m, classes.bind(m, found, receiver, owner), Args(span, frame, [other]))
    return NotImplemented


def special_method(m: Machine, frame: Frame, receiver: Val, name: str, span: Span, *given: Val) -> Val:
    """A dunder method of a project instance, NotImplemented if it has none."""
    if isinstance(receiver, Instance):
        found, owner = classes.find(m, receiver.cls, name)
        if found is not MISSING:
            return call(m, classes.bind(m, found, receiver, owner), Args(span, frame, given))
    return NotImplemented
