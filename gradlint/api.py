"""From paths to a report: discovery, the gate, the static half, the engine, then names, suppressions and fingerprints.

The only module beside the command line that knows all parts. libcst comes in with `static`, so both are imported late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from gradlint import baseline, discovery, suppress
from gradlint import config as settings
from gradlint.baseline import BaselineError, Compared, Entry
from gradlint.catalog import Catalog, Rule
from gradlint.config import Config, Loaded
from gradlint.discovery import Found
from gradlint.finding import FileError, Finding, Site
from gradlint.fingerprint import prints
from gradlint.notebook import placed
from gradlint.remembered import Answer, Answers
from gradlint.report import Counts, Demands, Files, Report, Summary
from gradlint.sources import gathered, knowledge, wrong_names
from gradlint.suppress import Suppression
from gradlint.texts import Texts
from gradlint.undeclared import unanswered

if TYPE_CHECKING:
    from gradlint.engine import Verdict
    from gradlint.static import Crew, Result, Source

Watch = Callable[[int, int, str], None]  #: told how much is done, of how much, and what comes now

UNUSED = "unused-suppression"


class Task(msgspec.Struct, frozen=True):
    """What to look at, and how."""

    paths: tuple[str, ...]
    loaded: Loaded
    select: tuple[str, ...] = ()  #: instead of what the settings select
    ignore: tuple[str, ...] = ()  #: besides what the settings ignore
    excludes: tuple[discovery.Patterns, ...] = ()  #: besides those of the settings
    force_exclude: bool = False
    baseline: Path | UnsetType | None = UNSET  #: instead of the settings' one; None: none
    cache: Path | None = None  #: where answers are kept; without it every question is asked anew
    jobs: int = 1  #: processes that may be used
    found: Found | None = None  #: the files, where somebody has looked for them already
    buffers: Mapping[Path, str | bytes] = {}  #: absolute path -> a text that counts instead of what is on disk

    @property
    def known(self) -> Path | None:
        """The baseline that counts."""
        return self.loaded.baseline() if self.baseline is UNSET else self.baseline


class Prepared(msgspec.Struct, frozen=True):
    """The files of a task, before any of them is run."""

    task: Task
    catalog: Catalog
    texts: Texts
    found: Found
    sources: tuple[Source, ...]
    gated: frozenset[str]  #: names of files that need not be run
    errors: tuple[FileError, ...]
    problems: tuple[str, ...]


class Analysis(msgspec.Struct, frozen=True):
    """What was found out, before anybody asks which of it to report."""

    task: Task
    catalog: Catalog
    texts: Texts
    found: Found
    gated: frozenset[str]
    errors: tuple[FileError, ...]
    result: Result
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    sites: tuple[Site, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    partial: bool = False  #: whether only what one script did was looked at


class Outcome(msgspec.Struct, frozen=True):
    """A report, with what is said beside it."""

    report: Report
    sites: tuple[Site, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    texts: Texts
    rules: dict[str, Rule]
    asked: frozenset[str] = frozenset()  #: the files that were to be linted
    fail_on: Mapping[str, str] = {}  #: of files whose project has a setting of its own
    compared: Compared = Compared()  #: the baseline beside what was found

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the run before it was done."""
        return any(error.kind == "interrupted" for error in self.report.errors)

    def status(self, fail_on: str | None, default: str = "warning", *, exit_zero: bool = False) -> int:
        """The exit status: 2 wins over 1 wins over 0.

        `fail_on` counts more than the setting of a file's project, that more than `default`.
        """
        if self.report.errors or self.problems:
            return 2
        order = ("info", "warning", "error")
        fails = any(
            order.index(f.severity) >= order.index(fail_on or self.fail_on.get(f.file, default))
            for f in self.report.findings
            if f.runtime.status != "refuted"
        )
        return int(fails and not exit_zero)


def check(paths: Sequence[str | Path], config: Config | None = None) -> Report:
    """Lint files and folders, with the given settings or those that are found over them."""
    given = tuple(str(p) for p in paths)
    loaded = settings.load([discovery.absolute(p) for p in given]) if config is None else Loaded(config, Path.cwd())
    return run(Task(given, loaded)).report


def run(task: Task, watch: Watch | None = None, crew: Crew | None = None) -> Outcome:
    """Everything that `gradlint check` does before it prints."""
    return reported(analyse(task, watch, recall=True, crew=crew))


def analyse(task: Task, watch: Watch | None = None, *, recall: bool = False, crew: Crew | None = None) -> Analysis:
    """Find the files, run them on abstract values and judge what happened.

    `watch` is told how far the work is. Ctrl-C ends the running of files: those that were not finished are errors of
    the kind `interrupted`, and what was found so far is there. With `recall` the cache may answer: then there are no tapes and no verdicts.
    `crew` runs the units instead of processes of our own.
    """
    ready = prepared(task)
    catalog, texts, sources = ready.catalog, ready.texts, ready.sources
    folder = task.cache if recall and not task.buffers and crew is None else None
    answers = Answers(folder, sources, catalog, texts)
    known = answers.recalled()
    verdicts: list[Verdict] = []
    if known is not None:
        result = known.result
    else:
        with _crew(ready, answers, task.jobs if recall else None, crew) as workers:
            result, verdicts, known = _asked(ready, answers.read, watch, workers)
        answers.keep(known, result)
    return Analysis(
        task=task,
        catalog=catalog,
        texts=texts,
        found=ready.found,
        gated=ready.gated,
        errors=(*ready.errors, *known.errors, *known.broken, *_left(result)),
        result=result,
        verdicts=tuple(verdicts),
        findings=tuple(known.findings),
        sites=_sites(result, known.judged),
        problems=ready.problems,
        notes=tuple(answers.notes),
    )


def prepared(task: Task) -> Prepared:
    """The files that the paths mean, read and sorted by whether they can matter."""
    texts = Texts(task.buffers)
    excludes = [*task.loaded.excludes(), *task.excludes]
    found = task.found or discovery.find(task.paths, excludes, force=task.force_exclude, buffers=task.buffers)
    root = discovery.root(found.files[0].path.parent) if found.files else None
    catalog, problems = knowledge(task.loaded, task.cache, root=root)
    sources, gated, unread = gathered(found, texts, excludes, catalog)
    return Prepared(
        task=task,
        catalog=catalog,
        texts=texts,
        found=found,
        sources=tuple(sources),
        gated=gated,
        errors=(*found.errors, *unread),
        problems=(*problems, *wrong_names(task.select, task.ignore, catalog.rules)),
    )


def _asked(
    ready: Prepared, read: Callable[[Path], str | None], watch: Watch | None, crew: Crew | None
) -> tuple[Result, list[Verdict], Answer]:
    """The files run and judged, and what of that can be kept."""
    from gradlint import engine, static
    from gradlint.judging import verdicts

    result = static.analyse(ready.sources, ready.catalog, read=read, watch=watch or static.ignore, crew=crew)
    judged, broken = verdicts(result.runs, result.measured)
    findings, sites = engine.merge(judged)
    kept = (result.errors, result.analysed, result.context, result.sites, result.budget)
    return result, judged, Answer(*kept, findings=findings, judged=sites, broken=broken)


@contextmanager
def _crew(ready: Prepared, answers: Answers, jobs: int | None, given: Crew | None) -> Iterator[Crew | None]:
    """Who runs the units; without a number of processes the tapes are kept as well."""
    sources, catalog, read = ready.sources, ready.catalog, answers.read
    if given is not None or not sources:
        yield given
        return
    from gradlint.crew import crew
    from gradlint.judging import Judges

    if jobs is None:
        yield Judges(sources, catalog, read, tapes=True)
    else:
        made = answers.remembering(
            sources,
            lambda facts: crew(sources, catalog, read, jobs=jobs, facts=facts),
            lambda facts: Judges(sources, catalog, read, facts=facts),
        )
        with closing(made):
            yield made


def reported(analysis: Analysis) -> Outcome:
    """The report: which findings are wanted, what they are called, what was silenced."""
    texts = analysis.texts
    config = analysis.task.loaded.config
    defaults = {slug: rule.enabled for slug, rule in analysis.catalog.rules.items()}
    active = settings.enabled(config, defaults, analysis.task.select, analysis.task.ignore)
    wanted = _wanted(analysis.findings, analysis, active)
    silenced = suppress.apply(wanted, texts.suppressions)
    idle = suppress.apply(_unused(analysis, silenced.used, active), texts.suppressions)
    everything = sorted((*silenced.findings, *idle.findings), key=order)
    findings, compared, wrong = _new(analysis, everything, active)
    if findings:
        from gradlint import fixes

        findings = fixes.offer(findings, texts.text, analysis.catalog)
    notebooks = texts.notebooks
    report = Report(
        findings=tuple(placed.finding(f, notebooks) for f in findings),
        errors=tuple(sorted((placed.error(e, notebooks) for e in analysis.errors), key=error_order)),
        summary=_summary(analysis, findings, silenced.count + idle.count, len(compared.known)),
    )
    sites = tuple(placed.site(site, notebooks) for site in analysis.sites)
    return Outcome(
        report=report,
        sites=sites,
        problems=(*analysis.problems, *wrong),
        notes=_notes(analysis),
        texts=texts,
        rules=analysis.catalog.rules,
        asked=frozenset(file.file for file in analysis.found.files),
        compared=compared,
    )


def _left(result: Result) -> Iterable[FileError]:
    """The files that an interrupt kept from being analysed to the end."""
    told = "interrupted before this file was analysed to the end"
    return (FileError(file, 1, 1, "interrupted", told) for file in sorted(result.left))


# --- verdicts --------------------------------------------------------------------------------------------------------


def _sites(result: Result, judged: Iterable[Site]) -> tuple[Site, ...]:
    """The verdict on every demand site of the analysed files; one that no run reached is undecided."""
    sites = {site.span: site for site in judged if site.span.file in result.analysed}
    stopped = {span.file for span in result.budget}
    for span, label in result.sites:
        if span not in sites:
            reason = "the budget was used up" if span.file in stopped else "no run reached it"
            sites[span] = Site(span, label, "undecided", reason)
    return tuple(sites[span] for span in sorted(sites))


def _summary(analysis: Analysis, findings: Sequence[Finding], suppressed: int, baselined: int) -> Summary:
    verdicts = Counter(site.verdict for site in analysis.sites)
    severities = Counter(finding.severity for finding in findings)
    files = {f.file for f in analysis.found.files}
    return Summary(
        files=Files(
            len(files), len(analysis.result.analysed), len(analysis.gated), len(analysis.result.context - files)
        ),
        demands=Demands(len(analysis.sites), verdicts["connected"], verdicts["severed"], verdicts["undecided"]),
        findings=Counts(severities["error"], severities["warning"], severities["info"]),
        suppressed=suppressed,
        baselined=baselined,
    )


# --- findings --------------------------------------------------------------------------------------------------------


def _new(
    analysis: Analysis, findings: Iterable[Finding], active: frozenset[str]
) -> tuple[list[Finding], Compared, list[str]]:
    """The findings with their fingerprints that are not in the baseline, what became of that, and what is wrong with it."""
    given = list(findings)
    found = [
        (msgspec.structs.replace(finding, fingerprint=own.digest), own)
        for finding, own in zip(given, prints(given, analysis.texts.lines), strict=True)
    ]
    path = analysis.task.known
    try:
        written = baseline.read(path) if path else ()
    except BaselineError as error:
        setting = next(analysis.task.loaded.of("baseline"), None)
        where = f"{setting.where}: " if setting and path == analysis.task.loaded.baseline() else ""
        return [finding for finding, _ in found], Compared(), [f"{where}{error}"]
    folder = path.parent if path else Path.cwd()
    named = [discovery.absolute(p) for p in analysis.task.paths]
    folders = [
        p if discovery.kind(p) == "folder" else p.parent
        for p in (*named, *(file.path for file in analysis.found.files))
    ]
    roots = set(map(discovery.root, folders))
    entries = [e for e in written if not roots.isdisjoint(discovery.root(file.parent) for file in e.files(folder))]
    looked = {file.path for file in analysis.found.files}
    broken = {span.file for span in analysis.result.budget} | {error.file for error in analysis.errors}
    whole = set() if analysis.partial else looked - {discovery.absolute(file) for file in broken}

    def asked(entry: Entry) -> bool:
        """Whether its finding would have been found again: its files were looked at, or are gone, and its rule was on."""
        files = entry.files(folder)
        on = entry.rule in active - _off(analysis, str(folder / entry.file))
        return on and all(file in whole or not (analysis.partial or discovery.kind(file)) for file in files)

    return *baseline.compare(entries, folder, found, asked), []


def _off(analysis: Analysis, file: str) -> frozenset[str]:
    """The rules that are off in a file."""
    return analysis.task.loaded.off(discovery.absolute(file), analysis.catalog.rules)


def _wanted(found: Iterable[Finding], analysis: Analysis, active: frozenset[str]) -> list[Finding]:
    """Those whose rule is on where they stand, and that lie, or a demand of theirs, in a file that was asked for."""
    named = {*(file.file for file in analysis.found.files), *analysis.result.analysed}
    wanted = []
    for one in found:
        places = {one.file, *(s.file for s in one.path if s.role == "demand"), *(a.file for a in one.also)}
        if one.rule in active - _off(analysis, one.file) and not places.isdisjoint(named):
            wanted.append(_named(one, analysis))
    return wanted


def _named(finding: Finding, analysis: Analysis) -> Finding:
    """The finding with the function it stands in, and the severity that the user gave its rule."""
    line = finding.range.start.line
    functions = analysis.texts.functions(finding.file)
    around = [f for f in functions if f[0] <= line <= f[1]]
    symbol = max(around, key=lambda f: (f[0], -f[1]))[2] if around else finding.symbol
    severity = analysis.task.loaded.config.severity.get(finding.rule, finding.severity)
    return msgspec.structs.replace(finding, symbol=symbol, severity=severity)


def order(finding: Finding) -> tuple[object, ...]:
    """The order of the report, by whole paths: it must not depend on the working directory."""
    demand = next((s for s in reversed(finding.path) if s.role == "demand"), finding)
    return (
        discovery.absolute(finding.file).as_posix(), finding.range.start, finding.rule,
        discovery.absolute(demand.file).as_posix(), demand.range,
    )  # fmt: skip


def error_order(error: FileError) -> tuple[object, ...]:
    """The order of the errors."""
    return (discovery.absolute(error.file), error.cell or 0, error.line, error.column, error.message)


def _unused(analysis: Analysis, used: frozenset[tuple[Suppression, str]], active: frozenset[str]) -> list[Finding]:
    """A finding for every comment that silences nothing: it cannot, or need not in a file that was analysed to the end."""
    rule = analysis.catalog.rule(UNUSED)
    if rule is None or UNUSED not in active:
        return []
    of = analysis.texts.suppressions
    stopped = {span.file for span in analysis.result.budget} | {error.file for error in analysis.errors}
    told = [
        *(pair for file in sorted(analysis.result.analysed) for pair in _miswritten(of(file), analysis.catalog.rules)),
        *(
            (comment, f"nothing to silence here: {', '.join(rules)}")
            for file in sorted(analysis.result.analysed - stopped)
            for comment, rules in suppress.unused(of(file), used, active - _off(analysis, file))
        ),
    ]
    found = [
        Finding(
            rule=UNUSED,
            contract="other",
            severity=rule.severity,
            confidence="proved",
            message=message,
            file=comment.file,
            range=comment.range,
            path=(),
            help=rule.help,
            url=rule.url,
        )
        for comment, message in told
    ]
    return _wanted(found, analysis, active)


def _miswritten(comments: Sequence[Suppression], rules: Collection[str]) -> Iterable[tuple[Suppression, str]]:
    """Comments that can silence nothing as they are written, and why."""
    for comment in comments:
        if not comment.rules:
            yield comment, "names no rule, so it silences nothing: write # gradlint: ignore[rule] and the reason"
    for comment, name in suppress.unknown(comments, rules):
        yield comment, f"there is no rule '{name}'{settings.nearest(name, rules)}"


def _notes(analysis: Analysis) -> tuple[str, ...]:
    """What the user should know although it is no finding: folders without files, notebooks in other languages."""
    other = (
        f"{f.file}: not analysed: a notebook in {analysis.texts.foreign[f.file]}"
        for f in analysis.found.files
        if f.named and f.file in analysis.texts.foreign
    )
    files = [file.file for file in analysis.found.files]
    slips = unanswered(analysis.task.loaded, analysis.task.paths, files, analysis.texts.text)
    return (*analysis.notes, *analysis.found.notes, *other, *slips)
