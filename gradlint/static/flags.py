"""Flags that switch nothing: `module.requires_grad = x` sets a plain attribute, and so does a misspelt name on a tensor."""

from __future__ import annotations

from gradlint.static import classes, modules
from gradlint.static.machine import Machine
from gradlint.static.program import Attribute, ClassDef, FunctionDef, Name
from gradlint.static.sites import below
from gradlint.static.values import ClassObj, Frame, Instance, Unknown, Val
from gradlint.static.words import misspelt
from gradlint.tape import Note, Span

FLAG = "requires_grad"
_LISTINGS = ("parameters", "named_parameters", "buffers", "named_buffers")


def set_on_tensor(m: Machine, name: str, value: Val, span: Span) -> None:
    """`tensor.name = value` where the name is no attribute of tensors."""
    if misspelt(name):
        _note(m, None, "misspelt-flag", value, span)


def set_on_unknown(m: Machine, receiver: Unknown, name: str, value: Val, span: Span) -> None:
    """The same on what some `parameters()` gave."""
    seen: Val = receiver
    for _ in range(4):
        if misspelt(name) and isinstance(seen, Unknown) and seen.name in _LISTINGS:
            _note(m, None, "misspelt-flag", value, span)
            return
        seen = seen.origin if isinstance(seen, Unknown) else None


def set_on_module(m: Machine, frame: Frame, receiver: Instance, name: str, value: Val, span: Span) -> None:
    """`module.requires_grad = value`, unless the module has such a flag of its own: it sets it up or reads it."""
    if not (name == FLAG or misspelt(name)) or not modules.is_module(m, receiver):
        return
    own = frame.receiver is receiver and frame.function is not None and frame.function.name == "__init__"
    if not own and not any(_reads(c.node, name) for c in classes.order(receiver.cls) if isinstance(c, ClassObj)):
        _note(m, receiver, "module-flag" if name == FLAG else "misspelt-flag", value, span)


def read(m: Machine, receiver: Instance, name: str) -> None:
    """Somebody reads the attribute: then it is there for a purpose."""
    if name == FLAG:
        m.flags_read[id(receiver)] = receiver


def notes(m: Machine) -> list[Note]:
    """The flags that nobody read, at the end of the run."""
    return [note for owner, note in m.flags if id(owner) not in m.flags_read]


def _reads(node: ClassDef, name: str) -> bool:
    """Whether a class uses the attribute in its own methods, or declares it."""
    written = [t for f in below(node.body, FunctionDef) for t in _assigned(f)]
    mentions = [
        a for a in below(node.body, Attribute) if a.attr == name and isinstance(a.value, Name) and a.value.id == "self"
    ]
    return len(mentions) > sum(1 for a in mentions if any(a is w for w in written))


def _assigned(function: FunctionDef) -> list[object]:
    from gradlint.static.elsewhere import walk

    return [t for s in walk(function.body) for t in getattr(s, "targets", ())]


def _note(m: Machine, owner: Instance | None, kind: str, value: Val, span: Span) -> None:
    if m.rehearsing:
        return
    switched = "on" if value is True else "off" if value is False else ""
    m.flags.append((owner, Note(kind, span, m.text(span), m.tape.tick(), cause_label=switched)))  # type: ignore[arg-type]
