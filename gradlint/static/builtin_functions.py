"""Python's built-in functions and the few of the standard library that move values about (functools, itertools, copy ...).

A function that only looks at its arguments (`print`, `len`, `isinstance`) asks for no gradient and changes nothing.
To add one: a function `(m, args) -> value` in `FUNCTIONS` under its qualified name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gradlint.static import (
    attributes,
    builtin,
    calls,
    classes,
    containers,
    module_methods,
    modules,
    object_dicts,
    settings,
    tensors,
)
from gradlint.static.arguments import Args
from gradlint.static.budget import UNROLL
from gradlint.static.counters import as_long, numbered
from gradlint.static.counters import length as counted_length
from gradlint.static.joins import join_values
from gradlint.static.lacking import lacks
from gradlint.static.machine import Machine
from gradlint.static.operators import plain
from gradlint.static.store import MISSING
from gradlint.static.values import (
    Alt,
    ClassObj,
    DictObj,
    Generator,
    Instance,
    Lib,
    ListObj,
    ModuleObj,
    Partial,
    Scalar,
    Super,
    Tensor,
    Unknown,
    Val,
    Wrapped,
    content,
    dict_items,
    is_raw,
    options,
)  # fmt: skip


def _nothing(m: Machine, args: Args) -> Val:
    return None


def _some_scalar(m: Machine, args: Args) -> Val:
    return Scalar()


def _len(m: Machine, args: Args) -> Val:
    value = args.get(0)
    if isinstance(value, Instance):
        made = calls.special_method(m, args.frame, value, "__len__", args.span)
        if made is not NotImplemented:
            return made
    if isinstance(value, (tuple, str, bytes, range)):
        return len(value)
    if isinstance(value, ListObj) and not containers.is_open(value):
        return counted_length(value)
    if isinstance(value, DictObj) and not containers.is_open(value):
        return len(list(dict_items(value)))
    if isinstance(value, Instance):
        known = containers.sequence(m, args.frame, value, args.span)
        return len(known[0]) if known[1] else Scalar()
    return Scalar()


def _range(m: Machine, args: Args) -> Val:
    if all(isinstance(a, int) for a in args.positional) and args.positional:
        with suppress(ValueError, TypeError, OverflowError):
            made = range(*args.positional)
            return made[: len(made)]  # one that is longer than Python counts is no known range
    first = 0 if len(args.positional) == 1 else args.get(0)
    return ListObj(numbered(first if len(args.positional) < 3 else None, 2), "list", True)


def _enumerate(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    start = args.get(1, "start", 0)
    if not exact and len(known) == 1:
        again, _ = containers.sequence(m, args.frame, args.get(0), args.span)
        known = [known[0], again[0]]
    if isinstance(start, int) and exact:
        return ListObj([(start + i, v) for i, v in enumerate(known)])
    return ListObj(list(zip(numbered(start, len(known)), known, strict=True)), "list", not exact)


def _zip(m: Machine, args: Args) -> Val:
    columns = [containers.sequence(m, args.frame, a, args.span) for a in args.positional]
    if not columns:
        return ListObj([])
    exact = all(sure for _, sure in columns)
    known = [c for c, sure in columns if sure] or [c for c, _ in columns]
    length = min((len(c) for c in known), default=0)
    if not exact:
        length = min(length, UNROLL)
    rows = [
        tuple(c[i] if i < len(c) else (c[-1] if c else Unknown("element")) for c, _ in columns) for i in range(length)
    ]
    return ListObj(rows, "list", not exact)


def _map(m: Machine, args: Args) -> Val:
    columns = [containers.sequence(m, args.frame, a, args.span) for a in args.positional[1:]]
    length = min((len(c) for c, _ in columns), default=0)
    made = [calls.call(m, args.get(0), Args(args.span, args.frame, [c[i] for c, _ in columns])) for i in range(length)]
    return ListObj(made, "list", not all(sure for _, sure in columns))


def _filter(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(1), args.span)
    kept: list[Val] = []
    for value in known:
        test = value if args.get(0) is None else calls.call(m, args.get(0), Args(args.span, args.frame, [value]))
        answers = {attributes.truth(m, o) for o in options(test)}
        if answers != {False}:
            kept.append(value)
            exact = exact and answers == {True}
    return ListObj(kept, "list", not exact)


def _list(m: Machine, args: Args) -> Val:
    if not args.positional:
        return ListObj([])
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    return as_long(ListObj(known, "list", not exact), args.get(0))


def _tuple(m: Machine, args: Args) -> Val:
    if not args.positional:
        return ()
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    return tuple(known) if exact else ListObj(known, "tuple", True)


def _set(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span) if args.positional else ([], True)
    return containers.make_set(known, exact)


def _sorted(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    if exact and all(plain(v) for v in known) and "key" not in args.keywords:
        try:
            return ListObj(sorted(known, reverse=args.keywords.get("reverse") is True))
        except TypeError:
            return ListObj(known)
    return as_long(ListObj(known, "list", not exact), args.get(0))


def _reversed(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    return ListObj(known[::-1], "list", not exact)


def _dict(m: Machine, args: Args) -> Val:
    made = DictObj()
    if args.positional:
        containers.update(m, made, _materialised(m, args))
    for key, value in args.keywords.items():
        containers.set_key(m, made, key, value, args.span)
    if args.rest:
        m.set(made, "$open", True)
    return made


def _materialised(m: Machine, args: Args) -> Val:
    value = args.get(0)
    if isinstance(value, (Generator, Instance)):
        known, exact = containers.sequence(m, args.frame, value, args.span)
        return ListObj(known, "list", not exact)
    return value


def _defaultdict(m: Machine, args: Args) -> Val:
    made = DictObj(args.get(0))
    if len(args.positional) > 1:
        containers.update(m, made, args.positional[1])
    return made


def _sum(m: Machine, args: Args) -> Val:
    from gradlint.static.expressions import binary

    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    total = args.get(1, "start", 0)
    for value in known if exact else known * 2 if len(known) == 1 else known:
        total = binary(m, args.frame, "+", total, value, args.span)
    return total if exact or not is_raw(total) else Scalar()


def _extreme(name: str) -> Callable[[Machine, Args], Val]:
    def run(m: Machine, args: Args) -> Val:
        if len(args.positional) == 1:
            known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
        else:
            known, exact = list(args.positional), True
        if exact and known and all(plain(v) for v in known) and "key" not in args.keywords:
            try:
                return max(known) if name == "max" else min(known)
            except TypeError:  # Python does not order them either
                return Scalar()
        numbers = [v for v in known if not is_raw(v)]
        return join_values(m, numbers) if numbers else Scalar()

    return run


def _is_instance(m: Machine, args: Args) -> Val:
    return builtin.instance_test(m, args.get(0), args.get(1))


def _issubclass(m: Machine, args: Args) -> Val:
    known = classes.is_subclass(args.get(0), args.get(1)) if isinstance(args.get(0), ClassObj) else None
    return Scalar() if known is None else known


def _getattr(m: Machine, args: Args) -> Val:
    receiver, name = args.get(0), args.get(1)
    if not isinstance(name, str):
        return _any_attribute(m, receiver)
    if len(args.positional) > 2 and _has(m, args, receiver, name) is False:
        return args.get(2)
    return m.alternatives(receiver, lambda r: attributes.read(m, args.frame, r, name, args.span))


def _any_attribute(m: Machine, receiver: Val) -> Val:
    """`getattr(obj, name)` with a name nobody knows: something of the object."""
    return Unknown("attribute", receiver)


def _has(m: Machine, args: Args, receiver: Val, name: str) -> bool | None:
    match receiver:
        case Instance():
            if (
                receiver.cells.get(name, MISSING) is not MISSING
                or classes.find(m, receiver.cls, name)[0] is not MISSING
            ):
                return True
            if modules.is_module(m, receiver) and name in module_methods.METHODS:
                return True
            known = not classes.library_base(m, receiver.cls) and not classes.unknown_base(receiver.cls)
            return False if known or lacks(m, receiver, name) else None
        case Tensor():
            return True if m.catalog.row(f"{tensors.TENSOR}.{name}") or name in ("grad", "requires_grad") else None
        case None:
            return False
    return None


def _hasattr(m: Machine, args: Args) -> Val:
    receiver, name = args.get(0), args.get(1)
    if not isinstance(name, str):
        return Scalar()
    answers = {_has(m, args, o, name) for o in options(receiver)}
    return answers.pop() if len(answers) == 1 and None not in answers else Scalar()


def _setattr(m: Machine, args: Args) -> Val:
    receiver, name, value = args.get(0), args.get(1), args.get(2)
    if isinstance(name, str):
        for option in options(receiver):
            attributes.write(m, args.frame, option, name, value, args.span)
    else:
        for option in options(receiver):
            if isinstance(option, Instance):
                object_dicts.unsettle(m, option)
    return None


def _delattr(m: Machine, args: Args) -> Val:
    if isinstance(args.get(0), Instance) and isinstance(args.get(1), str):
        m.store.delete(args.get(0), args.get(1))
    return None


def _convert(kind: type) -> Callable[[Machine, Args], Val]:
    def run(m: Machine, args: Args) -> Val:
        value = args.get(0, default=0)
        if is_raw(value) and value is not None and len(args.positional) <= 1:
            try:
                return kind(value)
            except (TypeError, ValueError, OverflowError):
                return Scalar()
        return m.alternatives(value, lambda v: tensors.to_number(m, v, kind.__name__, args.span))

    return run


def _bool(m: Machine, args: Args) -> Val:
    answers = {attributes.truth(m, o) for o in options(args.get(0))}
    return answers.pop() if len(answers) == 1 and None not in answers else Scalar()


def _str(m: Machine, args: Args) -> Val:
    value = args.get(0, default="")
    with suppress(ValueError):  # an integer may have more digits than Python writes
        return str(value) if isinstance(value, (str, int, bool)) else Scalar()
    return Scalar()


def _quantifier(wanted: bool) -> Callable[[Machine, Args], Val]:
    def run(m: Machine, args: Args) -> Val:
        known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
        answers = [attributes.truth(m, v) if not isinstance(v, Alt) else None for v in known]
        if wanted in answers:
            return wanted
        return Scalar() if None in answers or not exact else not wanted

    return run


def _abs(m: Machine, args: Args) -> Val:
    value = args.get(0)
    return abs(value) if isinstance(value, (int, float)) else tensors.unary(m, "abs", value, args.span)


def _power(m: Machine, args: Args) -> Val:
    from gradlint.static.expressions import binary

    return binary(m, args.frame, "**", args.get(0), args.get(1), args.span)


def _next(m: Machine, args: Args) -> Val:
    value = args.get(0)
    if isinstance(value, ListObj):
        known = content(value)
        if known and not containers.is_open(value):
            m.set(value, "$items", known[1:])
            return known[0]
        return known[0] if known else (args.get(1) if len(args.positional) > 1 else Unknown("element", value))
    if isinstance(value, Generator):
        done = calls.run_generator(m, value)
        if done:
            m.store.undo.append(partial(done.insert, 0, done[0]))
            return done.pop(0)
        return args.get(1) if len(args.positional) > 1 else Unknown("element")
    made = calls.special_method(m, args.frame, value, "__next__", args.span)
    if made is not NotImplemented:
        return made
    elements, _ = containers.sequence(m, args.frame, value, args.span)
    return elements[0] if elements else Unknown("element", value)


def _iter(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    return ListObj(known, "list", not exact)


def _type(m: Machine, args: Args) -> Val:
    value = args.get(0)
    if isinstance(value, Instance):
        return value.cls
    return Lib(f"builtins.{type(value).__name__}") if is_raw(value) else Unknown("type")


def _super(m: Machine, args: Args) -> Val:
    if len(args.positional) == 2:
        return Super(args.get(0), args.get(1))
    return classes.zero_argument_super(m, args.frame)


def _property(m: Machine, args: Args) -> Val:
    return Wrapped("property", args.get(0), args.get(1, "fset"))


def _partial(m: Machine, args: Args) -> Val:
    return Partial(args.get(0), tuple(args.positional[1:]), args.keywords)


def _reduce(m: Machine, args: Args) -> Val:
    known, _ = containers.sequence(m, args.frame, args.get(1), args.span)
    rest = list(known)
    total = args.get(2) if len(args.positional) > 2 else (rest.pop(0) if rest else Unknown("reduced"))
    for value in rest:
        total = calls.call(m, args.get(0), Args(args.span, args.frame, [total, value]))
    return total


def _chain(m: Machine, args: Args) -> Val:
    parts = [containers.sequence(m, args.frame, a, args.span) for a in args.positional]
    return ListObj([v for known, _ in parts for v in known], "list", not all(sure for _, sure in parts))


def _chain_iterable(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    made = _chain(m, Args(args.span, args.frame, known))
    if not exact:
        m.set(made, "$open", True)
    return made


def _repeat_forever(m: Machine, args: Args) -> Val:
    known, _ = containers.sequence(m, args.frame, args.get(0), args.span)
    return ListObj(known, "list", True)


def _combine(name: str) -> Callable[[Machine, Args], Val]:
    """`itertools.combinations`, `permutations`, `product` of short known sequences; else two rows that stand for any."""

    def run(m: Machine, args: Args) -> Val:
        counts = name != "product"
        parts = [containers.sequence(m, args.frame, a, args.span) for a in args.positional[: 1 if counts else None]]
        size = args.get(1, "r", 2) if counts else args.keywords.get("repeat", 1)
        known = [k[:UNROLL] for k, _ in parts]
        if not isinstance(size, int) or not 0 <= size <= UNROLL or not known or not all(known):
            return ListObj([Unknown("row", args.get(0))], "list", True)
        rows = getattr(itertools, name)(*known, size) if counts else itertools.product(*known, repeat=size)
        short = list(itertools.islice(rows, UNROLL + 1))
        exact = all(sure for _, sure in parts) and len(short) <= UNROLL
        return ListObj(short[:UNROLL] or [tuple(k[0] for k in known)], "list", not exact)

    return run


def _repeat(m: Machine, args: Args) -> Val:
    times = args.get(1, "times")
    return ListObj(
        [args.get(0)] * (times if isinstance(times, int) and times <= UNROLL else 2), "list", not isinstance(times, int)
    )


def _islice(m: Machine, args: Args) -> Val:
    known, exact = containers.sequence(m, args.frame, args.get(0), args.span)
    stop = args.get(1)
    sure = exact and isinstance(stop, int) and len(args.positional) == 2
    return ListObj(known[:stop] if sure else known, "list", not sure)


def _count(m: Machine, args: Args) -> Val:
    return ListObj([Scalar(), Scalar()], "list", True)


def _first(m: Machine, args: Args) -> Val:
    return args.get(0)


def _globals(m: Machine, args: Args) -> Val:
    made = DictObj()
    for key, value in list(args.frame.module.cells.items()):
        if isinstance(key, str) and value is not MISSING:
            made.cells["k", key] = value
    made.cells["$open"] = True
    return made


def _vars(m: Machine, args: Args) -> Val:
    value = args.get(0)
    if isinstance(value, ModuleObj):
        return object_dicts.of_module(value)
    return object_dicts.of_instance(m, value) if isinstance(value, Instance) else _globals(m, args)


def _namedtuple(m: Machine, args: Args) -> Val:
    fields = args.get(1, "field_names")
    names: tuple[Val, ...]
    if isinstance(fields, str):
        names = tuple(fields.replace(",", " ").split())
    else:
        names = content(fields) if isinstance(fields, ListObj) else fields if isinstance(fields, tuple) else ()
    return Wrapped("native", None, lambda machine, given: _record(machine, names, given))


def _record(m: Machine, names: tuple[str, ...], args: Args) -> Val:
    made = Instance(Lib("collections.namedtuple"), args.span)
    for i, name in enumerate(names):
        made.cells[name] = args.get(i, name, Unknown(name))
    made.cells["$tuple"] = names
    return made


FUNCTIONS: dict[str, Callable[[Machine, Args], Val]] = {
    "builtins.print": _nothing, "builtins.len": _len, "builtins.range": _range, "builtins.enumerate": _enumerate,
    "builtins.zip": _zip, "builtins.map": _map, "builtins.filter": _filter, "builtins.list": _list,
    "builtins.tuple": _tuple, "builtins.set": _set, "builtins.frozenset": _set, "builtins.sorted": _sorted,
    "builtins.reversed": _reversed, "builtins.dict": _dict, "collections.OrderedDict": _dict,
    "collections.defaultdict": _defaultdict, "builtins.sum": _sum, "builtins.max": _extreme("max"),
    "builtins.min": _extreme("min"), "builtins.isinstance": _is_instance, "builtins.issubclass": _issubclass,
    "builtins.getattr": _getattr, "builtins.hasattr": _hasattr, "builtins.setattr": _setattr,
    "builtins.delattr": _delattr, "builtins.int": _convert(int), "builtins.float": _convert(float),
    "builtins.bool": _bool, "builtins.str": _str, "builtins.repr": _some_scalar, "builtins.format": _some_scalar,
    "builtins.any": _quantifier(True), "builtins.all": _quantifier(False), "builtins.abs": _abs, "builtins.pow": _power,
    "builtins.next": _next, "builtins.iter": _iter, "builtins.type": _type, "builtins.super": _super,
    "builtins.property": _property, "builtins.id": lambda m, args: builtin.identity(m, args), "builtins.hash": _some_scalar,
    "builtins.input": _some_scalar, "builtins.callable": _some_scalar, "builtins.globals": _globals,
    "builtins.locals": _globals, "builtins.vars": _vars, "builtins.ord": _some_scalar, "builtins.chr": _some_scalar,
    "functools.partial": _partial, "functools.reduce": _reduce, "itertools.chain": _chain,
    "itertools.combinations": _combine("combinations"), "itertools.permutations": _combine("permutations"),
    "itertools.product": _combine("product"), "itertools.islice": _islice, "itertools.count": _count,
    "itertools.repeat": _repeat, "itertools.chain.from_iterable": _chain_iterable, "itertools.cycle": _repeat_forever,
    "collections.namedtuple": _namedtuple, "collections.deque": _list, "copy.copy": _first, "tqdm.tqdm": _first,
    "tqdm.auto.tqdm": _first, "tqdm.notebook.tqdm": _first, "tqdm.trange": _range, "tqdm.auto.trange": _range,
    **dict.fromkeys(settings.NAMESPACES, settings.namespace), **dict.fromkeys(settings.NAMED_DICTS, settings.named_dict),
    **settings.PARSED, "typing.cast": lambda m, args: args.get(1),
    "contextlib.nullcontext": lambda m, args: Instance(Lib("contextlib.nullcontext")),
}  # fmt: skip
