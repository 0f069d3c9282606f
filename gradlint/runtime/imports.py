"""Loading the user's files rewritten: an import hook for modules, and running a script as `__main__`."""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from gradlint.runtime.excursion import Excursion
from gradlint.runtime.rewrite import HELPER, Plan, rewritten


class Rewritten(SourceFileLoader):
    """A loader that carries out a plan; it neither reads nor writes cached bytecode."""

    def __init__(self, name: str, path: str, plan: Plan, helper: Excursion) -> None:
        super().__init__(name, path)
        self.plan = plan
        self.helper = helper

    def get_code(self, fullname: str) -> CodeType:
        """The code of the module, rewritten."""
        return compiled(self.get_data(self.path), self.path, self.plan, self.helper)


class Finder(MetaPathFinder):
    """Finds the modules that there is a plan for; all others are left to Python."""

    def __init__(self, plans: Mapping[str, Plan], helper: Excursion) -> None:
        self.plans = plans
        self.helper = helper

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec with the rewriting loader, if there is a plan for its file."""
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        plan = self.plans.get(os.path.realpath(spec.origin))
        if plan is not None:
            spec.loader = Rewritten(fullname, spec.origin, plan, self.helper)
        return spec if plan is not None else None


def compiled(data: bytes, path: str, plan: Plan, helper: Excursion) -> CodeType:
    """A file's code with a plan carried out."""
    code: CodeType = compile(rewritten(decode_source(data), path, plan), path, "exec", dont_inherit=True)
    if plan.lines:
        _note(code, helper)
    return code


def _note(code: CodeType, helper: Excursion) -> None:
    """Remember which functions are followed from inside."""
    if HELPER in code.co_names:
        helper.rewritten.add((code.co_filename, code.co_firstlineno))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _note(constant, helper)


@contextlib.contextmanager
def installed(plans: Mapping[str, Plan], helper: Excursion) -> Iterator[None]:
    """The hook in place for a while; the helper stays, because rewritten functions may live on."""
    finder = Finder(plans, helper)
    setattr(builtins, HELPER, helper)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def module(name: str) -> ModuleSpec:
    """The module that `python -m NAME` runs: of a package its `__main__`. Raises `ImportError` where there is none."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or spec.origin is None or not spec.has_location:
        raise ImportError(f"no module to run named {name}", name=name)
    return spec


def run_script(script: str | ModuleSpec, plans: Mapping[str, Plan], helper: Excursion) -> None:
    """Run a file, or a module, as `__main__`, as Python does."""
    path = script if isinstance(script, str) else str(script.origin)
    data = Path(path).read_bytes()
    plan = plans.get(os.path.realpath(path), Plan())
    main = ModuleType("__main__")
    main.__dict__.update({"__file__": path, "__cached__": None, "__builtins__": builtins})
    if not isinstance(script, str):
        main.__dict__.update({"__spec__": script, "__package__": script.parent, "__loader__": script.loader})
        sys.argv[0] = path
    before: Any = sys.modules.get("__main__")
    sys.modules["__main__"] = main
    try:
        exec(compiled(data, path, plan, helper), main.__dict__)
    finally:
        helper.kept = main
        sys.modules["__main__"] = before
