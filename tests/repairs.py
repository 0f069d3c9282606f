"""The voice of autograd on repairs: a program is copied, repaired, linted and run again.

`python -m tests.repairs` prints the figures per rule over all fixtures and all programs of the rules' pages, with the reason of
every finding that was left alone; `--write` puts them into docs/fixes.md.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from gradlint import api, repair
from gradlint.catalog import Catalog, Rule
from gradlint.config import Config, Loaded
from gradlint.finding import Finding
from gradlint.repair import Repaired
from tests.expectations import files_of
from tests.proof import main_file, proof_of, run_text

PAGE = Path(__file__).resolve().parent.parent / "docs" / "fixes.md"
HEAD = "| rule | findings | fixed | gradient confirmed | why the others are left alone |\n|---|--:|--:|--:|---|\n"
_PLACE = re.compile(r" at line \d+")
_PROOF = re.compile(r"^# proof: .*$", re.MULTILINE)


class Mended(msgspec.Struct, frozen=True):
    """One program before and after."""

    name: str
    found: tuple[Finding, ...]
    repaired: Repaired
    again: Repaired  #: the repaired program, repaired once more
    confirmed: bool  #: what the program's proof says is lost does arrive
    seen: str  #: what was seen where it does not


def mend(name: str, program: Path, folder: Path) -> Mended:
    """Repair a copy of a program, a file or a folder, below another folder."""
    copy = folder / program.name
    shutil.copytree(program, copy) if program.is_dir() else shutil.copy(program, copy)
    task = _task(copy)
    before = api.run(task).report.findings
    repaired = repair.repair(task, unsafe=True)
    assert repair.write(repaired) == []
    for file in files_of(copy):
        compile(file.read_text(encoding="utf-8"), str(file), "exec")
    again = repair.repair(task, unsafe=True)
    confirmed, seen = arrives(copy, program) if repaired.fixed else (False, "")
    return Mended(name, before, repaired, again, confirmed, seen)


def findings(program: Path) -> tuple[Finding, ...]:
    """What is found in a program, with the repairs that are offered."""
    return tuple(api.run(_task(program)).report.findings)


def _task(program: Path) -> api.Task:
    return api.Task((str(program),), Loaded(Config(extend_select=("ALL",)), program.parent))


def arrives(program: Path, original: Path) -> tuple[bool, str]:
    """Whether the repaired program runs, and what the original's proof says was lost is there; what was seen where not."""
    file = main_file(program)
    text = file.read_text(encoding="utf-8")
    kind, expression = proof_of(text)
    ran = run_text(_proving(text, "static-only"), str(file.resolve()))
    if not ran.ok or kind in ("raises", "static-only"):
        return ran.ok, ran.detail
    if kind == "value":
        values = [run_text(f.read_text(encoding="utf-8"), str(f)).detail for f in (file, main_file(original))]
        return values[0] != values[1], f"{kind} {expression}: {values[0]}"
    wanted = f"nonzero {expression}" if kind in ("none", "zero", "nonzero") else f"{kind} {expression}"
    result = run_text(_proving(text, wanted), str(file.resolve()))
    return result.ok == wanted.startswith("nonzero"), f"{kind} {expression}: {result.detail}"


def _proving(text: str, proof: str) -> str:
    last = list(_PROOF.finditer(text))[-1]
    return f"{text[: last.start()]}# proof: {proof}{text[last.end() :]}"


def everything() -> Iterator[tuple[str, Path]]:
    """All fixtures, and the bad programs of the pages, written to a folder of their own."""
    from tests.test_fixtures import ROOT, programs
    from tests.test_pages import BLOCKS

    yield from ((path.relative_to(ROOT).as_posix(), path) for path in programs())
    folder = Path(tempfile.mkdtemp())
    for block in BLOCKS:
        if block.section == "Bad":
            file = folder / f"{block.page.replace('-', '_')}_{block.number}.py"
            file.write_text(block.text, encoding="utf-8")
            yield f"{block.page}-{block.number}", file


class Figures(msgspec.Struct):
    """What became of all findings: per rule how many, and the reasons; and what is not right."""

    counts: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    wrong: list[str] = []

    def add(self, mended: Mended, rules: Mapping[str, Rule]) -> None:
        """Count the findings of one more program."""
        if mended.again.texts:
            self.wrong.append(f"{mended.name}: repaired twice, it changes again")
        if mended.repaired.fixed and not mended.confirmed:
            self.wrong.append(f"{mended.name}: not confirmed: {mended.seen[:90]}")
        for rule, outcome, reason in _judged(mended, rules):
            self.counts.setdefault(rule, Counter()).update(("found", *outcome))
            if reason:
                self.reasons.setdefault(rule, Counter())[reason] += 1

    def table(self, rules: Mapping[str, Rule]) -> str:
        """The table of docs/fixes.md."""
        lines = [HEAD]
        for slug, row in sorted(self.counts.items()):
            left = rules[slug].left if row["fixed"] < row["found"] else ""
            lines.append(f"| {slug} | {row['found']} | {row['fixed']} | {row['confirmed']} | {left} |\n")
        total = sum(self.counts.values(), Counter[str]())
        return "".join((*lines, f"| all | {total['found']} | {total['fixed']} | {total['confirmed']} | |\n"))

    def told(self) -> Iterator[str]:
        """A line for every reason, and for what is not right."""
        for slug, reasons in sorted(self.reasons.items()):
            yield from (f"{slug}: {count} left: {reason}\n" for reason, count in reasons.most_common())
        yield from (f"{line}\n" for line in self.wrong)


def figures() -> Figures:
    """Every program, repaired."""
    made = Figures()
    rules = Catalog.load().rules
    for name, path in everything():
        with tempfile.TemporaryDirectory() as folder:
            made.add(mend(name, path, Path(folder)), rules)
    return made


def main() -> int:
    """Print the table and the reasons, or write the table into its page."""
    made = figures()
    table = made.table(Catalog.load().rules)
    if "--write" in sys.argv:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page.replace(shown(page), table), encoding="utf-8")
    sys.stdout.write("\n".join((table, *made.told())))
    return 0


def shown(page: str) -> str:
    """The table that a page holds."""
    begin = page.index(HEAD)
    return page[begin : page.index("\n", page.index("\n| all |", begin) + 1) + 1]


def _judged(mended: Mended, rules: Mapping[str, Rule]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Each finding of a program: its rule, what became of it, and why it was left alone."""
    fixed = Counter(f.rule for f in mended.repaired.fixed)
    left = {told.finding.rule: told.reason for told in mended.repaired.left}
    for finding in mended.found:
        rule = finding.rule
        if fixed[rule]:
            fixed[rule] -= 1
            yield rule, ("fixed", "confirmed") if mended.confirmed else ("fixed",), ""
        else:
            yield rule, (), _PLACE.sub("", left[rule]) if rule in left else rules[rule].left


if __name__ == "__main__":
    sys.exit(main())
