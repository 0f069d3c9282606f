"""What IPython adds to Python, taken out again: magics, shell lines and help become Python of the same number of lines.

The rest of the text keeps its lines and columns. Code behind a magic that runs it (`%time loss.backward()`) stays where it
is, behind an `if 1:` of the same width.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

#: cell magics that run the cell as it is
_RUNNING = frozenset(
    ("capture", "time", "timeit", "prun", "memit", "mprun", "lprun", "debug", "ipytest", "scalene", "snakeviz")
)
#: magics whose cell is text or another language and binds no names
_FOREIGN = frozenset((
    "!", "bash", "bigquery", "cmd", "css", "cython", "file", "fs", "html", "javascript", "js", "latex", "markdown", "md",
    "mermaid", "perl", "pypy", "python", "python2", "python3", "r", "ruby", "scala", "script", "sh", "sql", "svg", "sx",
    "system", "writefile",
))  # fmt: skip
#: languages that Databricks names with one sign at the beginning of a cell
_DATABRICKS = frozenset(("fs", "md", "r", "scala", "sh", "sql"))
#: line magics that run the code behind them
_TIMED = re.compile(
    r"(?P<magic>%(?:time|timeit|prun|memit|mprun|lprun)(?:[ \t]+-[a-zA-Z]+(?:[ \t]*\d+)?)*[ \t]+)(?P<code>[^\n]*)"
)
_RUN = re.compile(r"%run[ \t]+(?:-i[ \t]+)?(?:\./)?(?P<module>[^\W\d]\w*)(?:\.py)?[ \t]*$")
_CELL_MAGIC = re.compile(r"\s*%%(?P<name>!|\w*)[^\n]*")
_LINE_MAGIC = re.compile(r"\s*%(?P<name>\w+)")
#: a logical line that is not Python: escapes, and names bound to what an escape gives
_ESCAPED = re.compile(r"(?P<indent>[ \t]*)(?P<line>[%!?,;/](?:[^\n\\]|\\.|\\\n)*)", re.DOTALL)
_BOUND = re.compile(
    r"(?P<names>[ \t]*[\w.\[\]'\", \t*()]+?=[ \t]*)(?P<line>(?:!|%(?=[^\W\d]))(?:[^\n\\]|\\.|\\\n)*)", re.DOTALL
)
_TOKEN = re.compile(
    r'"""(?:[^\\"]|\\.|"(?!""))*(?:"""|\Z)'
    r"|'''(?:[^\\']|\\.|'(?!''))*(?:'''|\Z)"
    r'|"(?:[^\\"\n]|\\.)*"?'
    r"|'(?:[^\\'\n]|\\.)*'?"
    r"|#[^\n]*|\\\n|[()\[\]{}\n?]|[^\"'#\\()\[\]{}\n?]+|\\",
    re.DOTALL,
)
_UNKNOWN = "get_ipython()"


def python(source: str) -> str | None:
    """A cell as Python with the same lines; None if the cell is text or another language."""
    text = _cell_magic(source)
    return None if text is None else "".join(_lines(text))


def hides_python(source: str) -> bool:
    """Whether a cell begins with a magic that may run it as Python in a way that is not known."""
    match = _CELL_MAGIC.match(source)
    return match is not None and match["name"].lower() not in _FOREIGN | _RUNNING


def _cell_magic(source: str) -> str | None:
    """The cell without the line of its cell magic, if the magic runs it."""
    match = _CELL_MAGIC.match(source)
    if match:
        rest = source[match.end() :]
        return "\n" * match.group().count("\n") + rest if match["name"] in _RUNNING else None
    line = _LINE_MAGIC.match(source)
    return None if line and line["name"] in _DATABRICKS else source


def _lines(source: str) -> Iterator[str]:
    """The logical lines, those that are not Python replaced."""
    position = 0
    while position < len(source):
        escaped = _ESCAPED.match(source, position)
        bound = None if escaped else _BOUND.match(source, position)
        if escaped:
            yield escaped["indent"] + _replaced(escaped["line"])
            position = escaped.end()
        elif bound:
            yield bound["names"] + _UNKNOWN + _breaks(bound["line"])
            position = bound.end()
        end, asks = _logical_line(source, position)
        yield _help(source[position:end]) if asks else source[position:end]
        position = end


def _logical_line(source: str, position: int) -> tuple[int, bool]:
    """Where a logical line ends, and whether it holds a question mark that is no text."""
    depth, asks = 0, False
    for token in _TOKEN.finditer(source, position):
        text = token.group()
        if text in "([{":
            depth += 1
        elif text in ")]}":
            depth = max(0, depth - 1)
        elif text == "?":
            asks = True
        elif text == "\n" and not depth:
            return token.end(), asks
    return len(source), asks


def _replaced(line: str) -> str:
    """Python instead of a line that begins with an escape."""
    timed = _TIMED.fullmatch(line)
    if timed and _parses(timed["code"]):
        return f"if 1:{' ' * (len(timed['magic']) - 5)}{timed['code']}"
    run = _RUN.fullmatch(line)
    return f"from {run['module']} import *" if run else f"pass{_breaks(line)}"


def _help(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    return f"{indent}pass{_breaks(line)}"


def _breaks(text: str) -> str:
    """The line breaks of a text, so that what follows keeps its line."""
    return "\n" * text.count("\n")


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(code.strip())
