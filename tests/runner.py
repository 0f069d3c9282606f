"""How GitHub's runner reads workflow commands out of a log, after `ActionCommand.cs` of actions/runner."""

from __future__ import annotations

from collections.abc import Iterator

KNOWN = {
    "error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher", "remove-matcher", "echo",
    "set-output", "set-env", "add-path", "save-state", "stop-commands",
}  # fmt: skip
Command = tuple[str, dict[str, str], str]


def commands(log: str) -> Iterator[Command]:
    """The commands that the runner obeys, both of the new and of the old form."""
    stopped = ""
    for line in log.split("\n"):
        name, properties, data = _new(line) or _old(line) or ("", {}, "")
        if stopped:
            stopped = "" if line.strip() == f"::{stopped}::" else stopped
        elif name == "stop-commands":
            stopped = data
        elif name:
            yield name, properties, data


def _new(line: str) -> Command | None:
    """`::name key=value,key=value::data`, at the beginning of a line after any space."""
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, given = line[2:end].partition(" ")
    if name not in KNOWN:
        return None
    pairs = (pair.partition("=") for pair in given.strip().split(",") if pair)
    return name, {key: _decoded(value, ":,") for key, _, value in pairs}, _decoded(line[end + 2 :], "")


def _old(line: str) -> Command | None:
    """`##[name key=value;key=value]data`, anywhere in a line."""
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, given = line[start + 3 : end].partition(" ")
    if name not in KNOWN:
        return None
    pairs = (pair.partition("=") for pair in given.split(";") if pair)
    return name, {key: _decoded(value, ";]") for key, _, value in pairs}, _decoded(line[end + 1 :], ";]")


def _decoded(text: str, more: str) -> str:
    for character in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(character):02X}", character)
    return text
