"""What a function's text mentions: whether it asks for a gradient itself, and by which names it may come to one that does."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

import msgspec

from gradlint.static import nodes
from gradlint.static.words import misspelt, names_a_loss

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: attributes whose very use is a demand
_ASKING = frozenset((
    "backward", "manual_backward", "grad", "retain_grad", "optim", "register_hook",
    "register_backward_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
    "register_multi_grad_hook", "register_post_accumulate_grad_hook",
    "grad_and_value", "functional_call", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "vhp", "vjp",
))  # fmt: skip
#: what asks for a gradient by whatever name it is imported, or is given what one is asked of
_SOURCES = (
    "torch.autograd.backward",
    "torch.autograd.grad",
    "torch.autograd.functional.",
    "torch.func.",
    "functorch.",
    "torch.optim",
)


class Known(msgspec.Struct, frozen=True):
    """What the rest of a file, the rows and the settings say of names."""

    asking: Collection[str] = ()  #: names that ask wherever they are used
    called: Collection[str] = ()  #: names of methods that a library calls for their gradient
    arrays: Collection[str] = ()  #: what NumPy is called


class Mentions(msgspec.Struct, frozen=True):
    """Of one function. `keeps`: an attribute, whether of the object itself, the name of what is put there, whether that is
    called first.

    A name that the function binds itself says nothing of what is kept, a parameter nothing of what is used, and neither
    does a type: the machine gives no argument a value for its type.
    """

    asks: bool  #: for a gradient
    minds: bool  #: asks nobody, but something is wrong with certain arguments: NumPy on what requires grad, a hook too late
    uses: tuple[str, ...]  #: names, and what is read from a name that the function does not bind: it may be a module
    reads: tuple[str, ...] = ()  #: attributes, of whatever but the object itself
    own: tuple[str, ...] = ()  #: attributes of the object itself, `super()` included
    keeps: tuple[tuple[str, bool, str, bool], ...] = ()


def imported(imports: Iterable[ast.Import | ast.ImportFrom]) -> Iterator[tuple[str, str]]:
    """The names that the imports of a file bind, with the dotted name of what they stand for; those of libraries count."""
    for node in imports:
        if isinstance(node, ast.Import):
            names = ((alias.asname or alias.name.partition(".")[0], alias) for alias in node.names)
            yield from ((name, alias.name if alias.asname else name) for name, alias in names)
        elif not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def asking(bound: Collection[tuple[str, str]]) -> set[str]:
    """Those of the imported names that ask for a gradient wherever they are used."""
    return {name for name, full in bound if full.startswith(_SOURCES) and "lr_scheduler" not in full}


def mentions(function: Function, qualname: str, known: Known) -> Mentions:
    """What a function mentions, its inner functions and decorators included."""
    uses: set[str] = set()
    reads: set[str] = set()
    own: set[str] = set()
    bound: set[str] = set()
    rooted: list[tuple[str, str]] = []
    kept: list[tuple[str, bool, str, bool]] = []
    method = "." in qualname
    asks = function.name in known.called
    minds = names_a_loss(qualname)
    for node in nodes.run(function):
        if isinstance(node, ast.Attribute):
            (own if method and _is_own(node.value) else reads).add(node.attr)
            rooted += ((root, node.attr) for root in _root(node))
            asks = asks or node.attr in _ASKING
            minds = minds or _minds(node)
        elif isinstance(node, ast.Name):
            (uses if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Call):
            minds = minds or _converts(node, known.arrays)
        elif isinstance(node, ast.Assign):
            kept += _kept(node)
    asks = asks or not (uses | reads | own).isdisjoint(known.asking)
    outside = {node.id for part in _around(function) for node in nodes.run(part) if isinstance(node, ast.Name)}
    uses -= {parameter.arg for parameter in _parameters(function.args)} - outside
    bound -= outside  # `def f(step=step)`
    uses |= {name for root, name in rooted if root not in bound}
    keeps = dict.fromkeys(keep for keep in kept if keep[2] not in bound)
    return Mentions(asks, minds, tuple(sorted(uses)), tuple(sorted(reads)), tuple(sorted(own)), tuple(keeps))


def _is_own(base: ast.expr) -> bool:
    """Whether something is the object itself, or what its bases make of it: `self`, `cls`, `super()`."""
    if isinstance(base, ast.Call):
        base = base.func
        return isinstance(base, ast.Name) and base.id == "super"
    return isinstance(base, ast.Name) and base.id in ("self", "cls")


def _around(function: Function) -> Iterator[ast.expr]:
    """What is evaluated where the function is defined, and knows nothing of its parameters."""
    yield from function.args.defaults
    yield from filter(None, function.args.kw_defaults)
    yield from function.decorator_list


def _parameters(given: ast.arguments) -> Iterator[ast.arg]:
    yield from (*given.posonlyargs, *given.args, *given.kwonlyargs)
    yield from filter(None, (given.vararg, given.kwarg))


def _root(node: ast.Attribute) -> Iterator[str]:
    """The name that a chain of attributes begins with."""
    base: ast.expr = node
    while isinstance(base, ast.Attribute):
        base = base.value
    if isinstance(base, ast.Name):
        yield base.id


def _minds(node: ast.Attribute) -> bool:
    if node.attr == "numpy" or (node.attr.startswith("register_") and "hook" in node.attr):
        return True
    return isinstance(node.ctx, ast.Store) and (node.attr == "requires_grad" or misspelt(node.attr))


def _converts(call: ast.Call, arrays: Collection[str]) -> bool:
    """Whether NumPy is called on something: a tensor that requires grad makes that raise."""
    base = call.func
    while isinstance(base, ast.Attribute):
        base = base.value
    return (
        isinstance(base, ast.Name)
        and base.id in arrays
        and any(not isinstance(given, ast.Constant) for given in (*call.args, *(k.value for k in call.keywords)))
    )


def _kept(node: ast.Assign) -> Iterator[tuple[str, bool, str, bool]]:
    """`self.attribute = name`, `self.attribute = Class(...)`."""
    value = node.value
    called = isinstance(value, ast.Call)
    named = value.func if isinstance(value, ast.Call) else value
    name = named.id if isinstance(named, ast.Name) else f".{named.attr}" if isinstance(named, ast.Attribute) else ""
    if name:
        targets = (target for target in node.targets if isinstance(target, ast.Attribute))
        yield from ((target.attr, _is_own(target.value), name, called) for target in targets)
