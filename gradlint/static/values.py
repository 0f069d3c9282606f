"""The values of the abstract machine: plain Python constants where known, objects of these kinds otherwise.

None, bool, int, float, complex, str, bytes, Ellipsis, range and tuples (of values) stand for themselves. There are two
unknowns: `Unknown` may be a tensor with a graph, `Scalar` is some number, flag or text. No torch name appears here:
`Lib` refers to a library thing by its qualified name, and what it means is told by the model rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradlint.static.program import ClassDef, FunctionDef, Lambda, Module, Stmt
from gradlint.static.store import MISSING, Obj
from gradlint.tape import Span

Val = Any  #: any value of the program: a raw constant or one of the classes below
Cell = tuple[Obj, Any]  #: a place that holds a value: an object and a key
NODE = "$node"  #: the cell that holds the tape node of a tensor, array or unknown
COPIED = "$copied"  #: where an object was copied, the last time
IDENTITY = "$id"  #: what `id()` gave for an object; a copy has its own
ITEMS = "$items"  #: the cell that holds the content of a list or set, a tuple of values
WHOLE = "$whole"  #: the cell of an unknown value whose parts hang on what it hangs on, and on nothing else
HELD = "$held"  #: the cell of a library object that holds the arguments it was made of
VIEW = "$view"  #: the cell of a dict that shows what an object holds: what is written into it is written there
OPEN = "$open"  #: the cell that is True when a list or dict may hold more than is known


class Unknown(Obj):
    """Anything at all, perhaps a tensor with a graph. `origin` is what it was read from, `name` the attribute that was read."""

    __slots__ = ("label", "name", "origin")

    def __init__(self, label: str, origin: Val = None, name: str = "") -> None:
        super().__init__()
        self.label = label
        self.origin = origin
        self.name = name


class Scalar:
    """Some number, flag or text that is not known; `node` if it was made from a tensor; `about` what it tests; a whole number
    may be known to be `least` or more.
    """

    __slots__ = ("about", "least", "node")

    def __init__(self, node: int | None = None, about: tuple[str, Val] | None = None, least: int | None = None) -> None:
        self.node = node
        self.about = about
        self.least = least


class Tensor(Obj):
    """A torch tensor: an object whose present node is a cell. `base` is what it is a view of."""

    __slots__ = ("base",)

    def __init__(self, node: int, base: Tensor | None = None) -> None:
        super().__init__()
        self.cells[NODE] = node
        self.base = base


class Array(Obj):
    """An array or image outside torch; its node cell is empty when no tensor's data is in it."""

    __slots__ = ()

    def __init__(self, node: int | None = None) -> None:
        super().__init__()
        if node is not None:
            self.cells[NODE] = node


class Image(Array):
    """An image: an array whose methods have other meanings, as `resize` has."""

    __slots__ = ()


class Alt:
    """One of a few known values."""

    __slots__ = ("options",)

    def __init__(self, options: tuple[Val, ...]) -> None:
        self.options = options


class ListObj(Obj):
    """A list, or a set (`kind`), or another mutable sequence."""

    __slots__ = ("kind",)

    def __init__(self, content: Sequence[Val] = (), kind: str = "list", is_open: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.cells[ITEMS] = tuple(content)
        if is_open:
            self.cells[OPEN] = True


class DictObj(Obj):
    """A dict: one cell per key, `("k", key)`; a `factory` for defaultdict; `named` where keys are read as attributes too."""

    __slots__ = ("factory", "named")

    def __init__(self, factory: Val = None, named: bool = False) -> None:
        super().__init__()
        self.factory = factory
        self.named = named


class ModuleObj(Obj):
    """An imported or executed module of the project: its cells are its globals."""

    __slots__ = ("program",)

    def __init__(self, program: Module) -> None:
        super().__init__()
        self.program = program


class Frame(Obj):
    """The local names of one call (or of a class body or comprehension); `parent` is the enclosing scope."""

    __slots__ = (
        "cls", "function", "held", "loops", "module", "over", "parent", "pending", "receiver", "scope", "start", "yields",
    )  # fmt: skip

    def __init__(
        self, module: ModuleObj, scope: Any, parent: Frame | None = None, function: Function | None = None
    ) -> None:
        super().__init__()
        self.module = module
        self.scope = scope
        self.parent = parent
        self.function = function
        self.cls: ClassObj | None = function.cls if function else (parent.cls if parent else None)
        self.receiver: Val = None
        self.start = 0
        self.pending: list[Any] = []
        self.loops: list[Any] = []
        self.yields: list[Val] | Any = None
        self.held = False  #: whether a function or a generator will read the names later
        self.over = False

    def hold(self) -> None:
        """The names are read later, and so are those around them."""
        frame: Frame | None = self
        while frame is not None and not frame.held:
            frame.held = True
            frame = frame.parent


class Function(Obj):
    """A def or lambda with its enclosing scope."""

    __slots__ = ("cls", "defaults", "kwdefaults", "module", "node", "parent")

    def __init__(self, node: FunctionDef | Lambda, module: ModuleObj, parent: Frame | None) -> None:
        super().__init__()
        self.node = node
        self.module = module
        self.parent = parent
        self.cls: ClassObj | None = None
        self.defaults: dict[str, Val] = {}
        self.kwdefaults: dict[str, Val] = {}

    @property
    def name(self) -> str:
        """The name of a def, `<lambda>` otherwise."""
        return self.node.name if isinstance(self.node, FunctionDef) else "<lambda>"


class ClassObj(Obj):
    """A class of the project; its cells are its attributes."""

    __slots__ = ("bases", "frame", "module", "node")

    def __init__(self, node: ClassDef, module: ModuleObj, bases: tuple[Val, ...]) -> None:
        super().__init__()
        self.node = node
        self.module = module
        self.bases = bases
        self.frame: Frame | None = None


class Lib:
    """A library thing by qualified name: `torch.nn.functional.relu`. Two of the same name are the same."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lib) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


NUMBER = "$number"  #: cell of a dict: what tells it from others, the moment something was first put there
MADE = "$made"  #: cell of a module: the calls that led to it
TAKEN = "$taken"  #: cell of an object: where it last got a name that it was not made under


class Instance(Obj):
    """An object of a project class (`ClassObj`) or of a library class (`Lib`); cells are attributes."""

    __slots__ = ("args", "cls", "kwargs", "opaque", "span")

    def __init__(self, cls: Val, span: Span | None = None) -> None:
        super().__init__()
        self.cls = cls
        self.span = span
        self.args: tuple[Val, ...] = ()
        self.kwargs: dict[str, Val] = {}
        self.opaque = False  #: a library model whose inside is not known


class Method:
    """`function` bound to `receiver`."""

    __slots__ = ("function", "receiver")

    def __init__(self, receiver: Val, function: Val) -> None:
        self.receiver = receiver
        self.function = function


class Native:
    """A method of a built-in kind bound to its receiver: `list.append`, `torch.Tensor.detach`, `str.join`."""

    __slots__ = ("name", "receiver")

    def __init__(self, receiver: Val, name: str) -> None:
        self.receiver = receiver
        self.name = name


class Partial:
    """`functools.partial(function, *args, **kwargs)`."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Val, args: tuple[Val, ...], kwargs: dict[str, Val]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Generator:
    """A generator that has not run: a function with its bound frame; `done` once its values were taken."""

    __slots__ = ("done", "frame", "function")

    def __init__(self, function: Function, frame: Frame) -> None:
        self.function = function
        self.frame = frame
        self.done: list[Val] | None = None


class Wrapped:
    """A function in a wrapper that changes how it is bound or run: property, staticmethod, classmethod, contextmanager, mode."""

    __slots__ = ("function", "kind", "more")

    def __init__(self, kind: str, function: Val, more: Any = None) -> None:
        self.kind = kind
        self.function = function
        self.more = more


class Super:
    """`super()`: attribute lookup goes on after `cls` in the order of the receiver's classes."""

    __slots__ = ("cls", "receiver")

    def __init__(self, cls: Val, receiver: Val) -> None:
        self.cls = cls
        self.receiver = receiver


HOOK_RUN = "backward hook"  #: backwards run hooks with gradients off, unless they create a graph


class Mode:
    """A grad-mode object: `torch.no_grad()` before or after it is entered. `span` is where it was made."""

    __slots__ = ("cause", "enabled", "entry", "inference", "label", "span")

    def __init__(
        self, enabled: bool | None, span: Span, label: str, inference: bool = False, cause: str = "grad-mode"
    ) -> None:
        self.enabled = enabled
        self.cause = cause  #: who switched it: the program, or a library
        self.entry: Span | None = None  #: the item of the `with` that entered it by a context of the project
        self.span = span
        self.label = label
        self.inference = inference

    def place(self, operation: Span) -> Span:
        """Where the gradient of an operation is lost: at the switch, or, where nothing in the text switches, at itself."""
        return operation if self.label == HOOK_RUN else self.span


class Raised(Exception):  # noqa: N818 - it is the program's exception, not ours
    """The program certainly raises here; `value` is the exception object, `reason` a text for people.

    `place` is the cell whose emptiness makes it raise, where that is known: a key, a position, an attribute that is None.
    """

    def __init__(self, reason: str, value: Val = None, kind: str = "", place: Cell | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value
        self.kind = kind
        self.place = place


def options(value: Val) -> tuple[Val, ...]:
    """The alternatives of a value, itself if it has none."""
    return value.options if isinstance(value, Alt) else (value,)


def is_raw(value: Val) -> bool:
    """Whether a value stands for itself."""
    return value is None or value is Ellipsis or isinstance(value, (bool, int, float, complex, str, bytes, range))


def is_number(value: Val) -> bool:
    """A Python number, known or not."""
    return isinstance(value, (bool, int, float, complex, Scalar))


def content(value: ListObj) -> tuple[Val, ...]:
    """The items of a list or set."""
    found: tuple[Val, ...] = value.cells[ITEMS]
    return found


def dict_items(value: DictObj) -> Iterator[tuple[Val, Val]]:
    """The known items of a dict."""
    for key, held in list(value.cells.items()):
        if isinstance(key, tuple) and key[0] == "k" and held is not MISSING:
            yield key[1], held


def suite_of(function: Function) -> tuple[Stmt, ...]:
    """The statements of a def (a lambda has none)."""
    return function.node.body if isinstance(function.node, FunctionDef) else ()
