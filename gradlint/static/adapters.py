"""What outside code may do to a frozen model it is given: inject adapters, free a selection of its parameters again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gradlint.static import functions, modules
from gradlint.static.machine import Machine
from gradlint.static.values import NODE, Instance, Scalar, Val
from gradlint.tape import Span

#: words in the names of calls that only look at a model, measure it, move it or write it down
_LOOKS = re.compile(
    r"(?:^|_|(?<=[a-z])(?=[A-Z]))(?i:summar|watch|count|profil|flop|macs|print|log|show|plot|draw|save|dump|export|visual|scalar|histogram|write|report"
    r"|graph|info|descri|inspect|num_|size|eval|valid|test|device|cuda|compile|parallel|seed|repr)"
)


def looks(label: str) -> bool:
    """Whether the name of a call says that it changes nothing of what it is given."""
    return _LOOKS.search(label.partition("(")[0].rpartition(".")[2]) is not None


def may_free(m: Machine, given: Iterable[Val], label: str, span: Span) -> None:
    """From now on nobody can tell whether the frozen parameters of the modules in an unknown call's arguments require grad."""
    if looks(label):
        return
    for value in given:
        if isinstance(value, Instance) and modules.is_module(m, value):
            for _, parameter in modules.named_parameters(m, value):
                if m.tape.requires[parameter.cells[NODE]] == "no":
                    functions.set_requires_grad(m, parameter, Scalar(), span)
