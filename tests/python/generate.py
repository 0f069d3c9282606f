"""Seeded random programs of plain Python: functions, classes, containers, loops, branches, closures. They never fail."""

from __future__ import annotations

import random


class _Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names: list[str] = []
        self.lists: list[str] = []
        self.functions: list[tuple[str, int]] = []
        self.count = 0

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def number(self, names: list[str] | None = None) -> str:
        pool = self.names if names is None else names
        kind = self.random.randrange(6)
        if kind < 2 or not pool:
            return str(self.random.randint(-5, 9))
        if kind < 4:
            return self.random.choice(pool)
        left, right = self.random.choice(pool), self.random.randint(1, 5)
        return f"({left} {self.random.choice(['+', '-', '*', '%', '//'])} {right})"

    def condition(self, names: list[str] | None = None) -> str:
        test = f"{self.number(names)} {self.random.choice(['<', '>=', '==', '!='])} {self.number(names)}"
        return f"not ({test})" if self.random.random() < 0.2 else test

    def emit(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)


def _assign(w: _Writer, depth: int, names: list[str]) -> None:
    name = w.random.choice(names) if names and w.random.random() < 0.5 else w.fresh("v")
    value = w.number(names)
    w.emit(
        depth,
        f"{name} = {value} if {w.condition(names)} else {w.number(names)}"
        if w.random.random() < 0.3
        else f"{name} = {value}",
    )
    if name not in names:
        names.append(name)


def _augment(w: _Writer, depth: int, names: list[str]) -> None:
    if names:
        w.emit(depth, f"{w.random.choice(names)} {w.random.choice(['+=', '-=', '*='])} {w.random.randint(1, 3)}")


def _branch(w: _Writer, depth: int, names: list[str]) -> None:
    w.emit(depth, f"if {w.condition(names)}:")
    _body(w, depth + 1, list(names), 2)
    if w.random.random() < 0.6:
        w.emit(depth, "else:")
        _body(w, depth + 1, list(names), 2)


def _loop(w: _Writer, depth: int, names: list[str]) -> None:
    index = w.fresh("i")
    w.emit(depth, f"for {index} in range({w.random.randint(1, 4)}):")
    inner = [*names, index]
    if w.random.random() < 0.3:
        w.emit(depth + 1, f"if {w.condition(inner)}:")
        w.emit(depth + 2, w.random.choice(["break", "continue"]))
    _body(w, depth + 1, inner, 2)


def _container(w: _Writer, depth: int, names: list[str]) -> None:
    name = w.fresh("l")
    w.emit(depth, f"{name} = [{w.number(names)}, {w.number(names)}]")
    w.emit(depth, f"{name}.append({w.number(names)})")
    total = w.fresh("v")
    w.emit(
        depth,
        f"{total} = sum(x * {w.random.randint(1, 3)} for x in {name} if x != {w.random.randint(0, 3)}) + {name}[-1]",
    )
    names.append(total)


def _mapping(w: _Writer, depth: int, names: list[str]) -> None:
    name, total = w.fresh("d"), w.fresh("v")
    w.emit(depth, f"{name} = {{'a': {w.number(names)}, 'b': {w.number(names)}}}")
    w.emit(depth, f"{name}['c'] = {name}.get('{w.random.choice('abz')}', 3)")
    w.emit(depth, f"{total} = max({name}.values()) - len({name})")
    names.append(total)


def _call(w: _Writer, depth: int, names: list[str]) -> None:
    if w.functions:
        function, arity = w.random.choice(w.functions)
        name = w.fresh("v")
        w.emit(depth, f"{name} = {function}({', '.join(w.number(names) for _ in range(arity))})")
        names.append(name)


_STATEMENTS = (_assign, _augment, _branch, _loop, _container, _mapping, _call)


def _body(w: _Writer, depth: int, names: list[str], count: int) -> None:
    before = len(w.lines)
    for _ in range(w.random.randint(1, count)):
        choice = w.random.choice(_STATEMENTS if depth < 3 else (_assign, _augment))
        choice(w, depth, names)
    if len(w.lines) == before:
        w.emit(depth, "pass")


def _function(w: _Writer) -> None:
    name, arity = w.fresh("f"), w.random.randint(1, 3)
    params = [f"p{i}" for i in range(arity)]
    w.emit(0, f"def {name}({', '.join(params)}):")
    names = list(params)
    if w.random.random() < 0.4:
        w.emit(1, f"if {w.condition(names)}:")
        w.emit(2, f"return {w.number(names)}")
    _body(w, 1, names, 3)
    w.emit(1, f"return {w.number(params)}")
    w.functions.append((name, arity))


def _class(w: _Writer) -> None:
    name = w.fresh("C")
    w.emit(0, f"class {name}:")
    w.emit(1, "def __init__(self, a):")
    w.emit(2, "self.a = a")
    w.emit(2, "self.seen = []")
    w.emit(1, "def step(self, x):")
    w.emit(2, f"if {w.condition(['x', 'self.a'])}:")
    w.emit(3, "self.seen.append(x)")
    w.emit(2, f"self.a = {w.number(['x', 'self.a'])}")
    w.emit(2, "return self.a")
    instance = w.fresh("o")
    w.emit(0, f"{instance} = {name}({w.number()})")
    for _ in range(2):
        value = w.fresh("v")
        w.emit(0, f"{value} = {instance}.step({w.number()})")
        w.names.append(value)


def program(seed: int) -> str:
    """A program that runs without error, the same for the same seed."""
    w = _Writer(seed)
    for _ in range(w.random.randint(1, 3)):
        _function(w)
    w.emit(0, "v0 = 1")
    w.names.append("v0")
    for _ in range(w.random.randint(3, 7)):
        if w.random.random() < 0.2:
            _class(w)
        else:
            w.random.choice(_STATEMENTS)(w, 0, w.names)
    text = "\n".join(w.lines) + "\n"
    return text if _runs(text) else program(seed + 10_000)


def _runs(text: str) -> bool:
    """Whether CPython runs it with small numbers (a name bound only in a branch not taken would not)."""
    scope: dict[str, object] = {}
    try:
        exec(compile(text, "generated", "exec"), scope)
    except Exception:
        return False
    return all(not isinstance(v, int) or abs(v) < 10**12 for v in scope.values())
