"""Declared demands (`demands` in the settings) that no function of the project answers: most likely a slip of the pen.

Only the text is looked at, and only where the whole project was: a definition anywhere under the names is enough, since a
method may be inherited and a package renamed when it is installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from gradlint import discovery
from gradlint.config import Loaded, nearest

_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
_RETURN = "return"


def unanswered(loaded: Loaded, paths: Iterable[str], files: Iterable[str], text: Callable[[str], str]) -> Iterator[str]:
    """A note for each entry that means nothing in the texts of the files, if a path holds the folder of the settings."""
    given = [(setting, entry) for setting in loaded.of("demands") for entry in setting.value]
    if not given or not any(discovery.absolute(path) in (loaded.base, *loaded.base.parents) for path in paths):
        return
    texts = {file: text(file) for file in files}
    defined = {file: frozenset(_DEFINED.findall(text)) for file, text in texts.items()}
    for setting, entry in given:
        told = _wrong(entry, texts, defined)
        if told:
            yield f"{setting.where}: '{entry}' means nothing here: {told}"


def _wrong(entry: str, texts: Mapping[str, str], defined: Mapping[str, frozenset[str]]) -> str:
    """What of an entry is not there."""
    dotted, _, what = entry.partition(":")
    *around, name = dotted.split(".")
    files = [file for file, names in defined.items() if name in names]
    if not files:
        return f"no function is called '{name}'{nearest(name, frozenset().union(*defined.values()))}"
    for word in around:
        if not any(
            word in Path(file).with_suffix("").parts or re.search(rf"\b{word}\b", texts[file]) for file in texts
        ):
            return f"no module or class is called '{word}'"
    parameters = [frozenset(found) for file in files for found in _parameters(texts[file], name)]
    if what == _RETURN or not parameters or any(what in names for names in parameters):
        return ""
    return f"{name}() has no parameter '{what}'{nearest(what, frozenset().union(*parameters))}"


def _parameters(text: str, name: str) -> Iterator[list[str]]:
    """The parameters of every function of a name; nothing where this Python cannot read the text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            given = node.args
            every = (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg)
            yield [argument.arg for argument in every if argument is not None]
