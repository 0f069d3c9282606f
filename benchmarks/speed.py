"""What gradlint costs beside its peers, on released packages: `python benchmarks/speed.py [--work FOLDER] [--only WORDS]`.

Everything is pinned and lives in the work folder: the packages as they were released, gradlint and every peer in an
environment of its own. A peer and gradlint run one after the other on one core, several times; what counts is the CPU time of
the whole process and the median of the ratios. A run that takes longer than the limit is cut off and told as such; a slow
peer (over a minute) runs once. Last, what the fixtures say of gradlint's reach: speed bought with silence is none.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
HOME = Path.home() / ".cache" / "gradlint-benchmarks"
SLOW = 60.0  #: seconds after which a peer is not run again

#: the folder to lint -> the release it comes from
CORPORA = {
    "grad-cam": "grad-cam==1.5.7",
    "captum": "captum==0.9.0",
    "timm": "timm==1.0.31",
    "torchrl": "torchrl==0.14.1",
    "diffusers": "diffusers==0.42.1",
    "transformers": "transformers==5.23.0",
    "torch": "torch==2.13.0",
}
TAINT = """rules:
- id: detached
  mode: taint
  languages: [python]
  severity: ERROR
  message: a detached value is differentiated
  pattern-sources: [{pattern: $X.detach()}]
  pattern-sinks: [{pattern: torch.autograd.grad(...)}, {pattern: $Y.backward(...)}]
"""


class Peer(msgspec.Struct, frozen=True):
    """Another tool: what is installed, and how it is run over a folder."""

    requirement: str
    command: tuple[str, ...]  #: `{rule}` and `{cache}` stand for files of the work folder
    targets: dict[str, float | None]  #: corpus -> the ratio that is wanted (None: only told)
    fresh: bool = True  #: each run starts without a cache


PEERS = {
    "torchfix": Peer("torchfix==0.7.0", ("torchfix", "."), {"grad-cam": None, "captum": 0.06, "timm": 0.06}),
    "fixit": Peer("fixit==2.2.1", ("fixit", "--quiet", "lint", "."), {"grad-cam": None, "captum": 0.06, "timm": 0.06}),
    "pylint -E": Peer("pylint==4.1.4", ("pylint", "-E", "--recursive=y", "."), {"grad-cam": None, "captum": 0.10}),
    "semgrep, one taint rule": Peer(
        "semgrep==1.185.0",
        ("semgrep", "scan", "--oss-only", "--metrics=off", "--disable-version-check", "--no-git-ignore", "-q", "-j", "1",
         "--config", "{rule}", "."),
        {"grad-cam": None, "timm": 0.35, "transformers": 0.35},
    ),
    "flake8 F": Peer("flake8==7.5.0", ("flake8", "--select", "F", "-j", "1", "-q", "."), {"captum": 0.6, "timm": 0.6}),
    "ruff, silent": Peer(
        "ruff==0.17.6",
        ("ruff", "check", "-s", "--no-cache", "--isolated", "."),
        {"grad-cam": None, "captum": None, "timm": None, "torchrl": None, "diffusers": 1.0, "transformers": 1.0, "torch": None},
    ),
    "ruff, nothing changed": Peer(
        "ruff==0.17.6",
        ("ruff", "check", "-q", "--isolated", "--cache-dir", "{cache}", "."),
        {"transformers": 0.1},
        fresh=False,
    ),
}  # fmt: skip


class Cost(msgspec.Struct, frozen=True):
    """What one run took: seconds of CPU and by the clock, and MiB at its peak."""

    cpu: float
    wall: float
    memory: float
    cut: bool = False  #: it was ended at the limit


# --- what is needed --------------------------------------------------------------------------------------------------


def corpus(name: str, work: Path) -> Path:
    """The Python files of a release, unpacked."""
    folder = work / "corpora" / name
    if not folder.exists():
        fetched = work / "fetched" / name
        pip(sys.executable, "download", "--no-deps", "--dest", str(fetched), CORPORA[name])
        part = folder.with_suffix(".part")
        unpack(next(fetched.iterdir()), part)
        part.rename(folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """The Python files of a wheel or a source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder, [n for n in wheel.namelist() if n.endswith(".py")])
    else:
        with tarfile.open(archive) as source:
            source.extractall(folder, [m for m in source.getmembers() if m.name.endswith(".py")], filter="data")


def environment(name: str, requirement: str, work: Path) -> Path:
    """The folder of the programs of an environment that holds this and nothing else."""
    folder = work / "environments" / name
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip(str(folder / "bin" / "python"), "install", requirement)
        (folder / "done").touch()
    return folder / "bin"


def pip(python: str, *args: str) -> None:
    """One call of pip; what it says is shown where it fails."""
    done = subprocess.run([python, "-m", "pip", "-q", *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip {' '.join(args)}: {done.stderr.strip().splitlines()[-1:]}")


# --- measuring -------------------------------------------------------------------------------------------------------


def run(command: Sequence[str], folder: Path, core: int, limit: float) -> Cost:
    """One run on one core."""
    begin = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}), start_new_session=True,
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHASHSEED")},
    )  # fmt: skip
    killer = subprocess.Popen(["sh", "-c", f"sleep {limit} && kill -9 -{child.pid}"], start_new_session=True)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    os.killpg(killer.pid, 9)
    killer.wait()
    cut = child.returncode == -9
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - begin, used.ru_maxrss / 1024, cut)


class Bench:
    """The machine, the tools and the limits of one measurement."""

    def __init__(self, work: Path, repeat: int, limit: float, core: int) -> None:
        self.work, self.repeat, self.limit, self.core = work, repeat, limit, core
        (work / "taint.yml").write_text(TAINT, encoding="utf-8")
        shutil.rmtree(work / "environments" / "gradlint", ignore_errors=True)
        self.gradlint = str(environment("gradlint", str(ROOT), work) / "gradlint")

    def cost(self, command: Sequence[str], folder: Path) -> Cost:
        """One run."""
        return run(command, folder, self.core, self.limit)

    def cold(self, *more: str) -> tuple[str, ...]:
        """gradlint without a cache."""
        return (self.gradlint, ".", "--no-cache", "--exit-zero", "--output-format", "concise", "--jobs", "1", *more)

    def warm(self) -> tuple[str, ...]:
        """gradlint with the cache of the work folder."""
        return (self.gradlint, ".", "--cache-dir", str(self.work / "cache"), "--exit-zero", "--output-format", "concise",
                "--jobs", "1")  # fmt: skip

    def peer(self, name: str) -> tuple[str, ...]:
        """The command of a peer."""
        peer = PEERS[name]
        program = environment(peer.requirement.partition("=")[0], peer.requirement, self.work) / peer.command[0]
        files = {"rule": str(self.work / "taint.yml"), "cache": str(self.work / "peer-cache")}
        return (str(program), *(part.format(**files) for part in peer.command[1:]))


def pairs(bench: Bench, ours: Sequence[str], theirs: Sequence[str], folder: Path) -> Iterator[tuple[Cost, Cost]]:
    """Both, one after the other, as often as it is worth it."""
    for _ in range(bench.repeat):
        pair = bench.cost(ours, folder), bench.cost(theirs, folder)
        yield pair
        if max(c.wall for c in pair) > SLOW:
            return


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, and from where to where."""
    told = f"{statistics.median(values):.{digits}f}"
    return told if len(values) == 1 else f"{told} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compared(bench: Bench, name: str, corpus_name: str) -> str:
    """A row: gradlint and a peer over one package."""
    peer, folder = PEERS[name], corpus(corpus_name, bench.work)
    theirs = bench.peer(name)
    ours = bench.cold()
    if not peer.fresh:
        ours = bench.warm()
        for command in (ours, theirs):
            bench.cost(command, folder)
    runs = list(pairs(bench, ours, theirs, folder))
    ratios = [a.cpu / b.cpu for a, b in runs]
    target = peer.targets[corpus_name]
    cells = [
        name, corpus_name, mine(runs, 0), mine(runs, 1), spread(ratios), "" if target is None else f"{target:.2f}", str(len(runs)),
    ]  # fmt: skip
    return row(cells)


def mine(runs: Sequence[tuple[Cost, Cost]], which: int) -> str:
    """Seconds and memory of one side."""
    costs = [pair[which] for pair in runs]
    least = "over " if any(c.cut for c in costs) else ""
    memory = max(c.memory for c in costs)
    return f"{least}{statistics.median(c.cpu for c in costs):.2f} s, {memory:.0f} MiB"


def alone(bench: Bench, name: str) -> str:
    """A row: gradlint over one package without a cache, with one, and after one file was touched."""
    folder = corpus(name, bench.work)
    lines = sum(f.read_bytes().count(b"\n") for f in folder.rglob("*.py"))
    cold = repeated(bench, lambda: bench.cost(bench.cold(), folder))
    shutil.rmtree(bench.work / "cache", ignore_errors=True)
    filled = bench.cost(bench.warm(), folder)
    warm = repeated(bench, lambda: bench.cost(bench.warm(), folder))
    touched = [] if filled.cut else repeated(bench, lambda: after_a_touch(bench, folder))
    cells = [
        name, f"{lines:,}", told(cold), f"{statistics.median(c.wall for c in cold):.2f}", told(warm), told(touched),
        f"{max(c.memory for c in cold):.0f}", f"{max(c.memory for c in warm):.0f}", str(len(cold)),
    ]  # fmt: skip
    return row(cells)


def told(costs: Sequence[Cost]) -> str:
    """The seconds of CPU of some runs."""
    if not costs:
        return "-"
    return ("over " if any(c.cut for c in costs) else "") + spread([c.cpu for c in costs])


def repeated(bench: Bench, once: Callable[[], Cost]) -> list[Cost]:
    """Several runs; one where it is slow."""
    costs = [once()]
    while len(costs) < bench.repeat and costs[-1].wall < SLOW:
        costs.append(once())
    return costs


def after_a_touch(bench: Bench, folder: Path) -> Cost:
    """A run after a line was added to one file that asks for gradients; the file is put back, and so is the cache."""
    asking = (f for f in sorted(folder.rglob("*.py")) if b".backward(" in f.read_bytes())
    file = next(asking, None) or next(iter(sorted(folder.rglob("*.py"))))
    before = file.read_bytes()
    kept = bench.work / "cache-kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(bench.work / "cache", kept)
    try:
        file.write_bytes(before + b"\n# touched\n")
        return bench.cost(bench.warm(), folder)
    finally:
        file.write_bytes(before)
        shutil.rmtree(bench.work / "cache")
        kept.rename(bench.work / "cache")


def recall() -> str:
    """How many of the fixtures' marked lines are found, and what is said of right programs."""
    sys.path.insert(0, str(ROOT))
    from tests.expectations import disagreements, marks
    from tests.test_fixtures import programs

    expected = gaps = missed = alarms = 0
    for path in programs():
        kinds = [kind for _, _, kind, _ in marks(path)]
        expected += len(kinds)
        gaps += kinds.count("missing")
        alarms += kinds.count("spurious")
        lost, unexpected = disagreements(path)
        missed += len(lost)
        alarms += len(unexpected)
    wanted = expected - alarms
    found = wanted - gaps - missed
    return f"{len(programs())} programs: {found} of {wanted} marked findings found ({found / wanted:.1%}), {alarms} false alarms."


# --- the report ------------------------------------------------------------------------------------------------------


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def head(cells: Sequence[str]) -> Iterator[str]:
    """The head of a table."""
    yield row(cells)
    yield row(["---"] * len(cells))


def machine() -> str:
    """What the figures were taken on."""
    info = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return (
        f"{len(models)} x {models[0] if models else platform.processor()}, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, CPython {platform.python_version()}; load at the start {load}; gradlint at {version.stdout.strip()}."
    )


def report(bench: Bench, only: Sequence[str]) -> Iterator[str]:
    """All lines, as they come."""
    yield machine()
    yield ""
    yield from head(["against", "on", "gradlint", "peer", "ratio of CPU", "wanted", "runs"])
    for name, peer in PEERS.items():
        for corpus_name in peer.targets:
            if not only or name.split()[0].strip(",") in only or corpus_name in only:
                try:
                    yield compared(bench, name, corpus_name)
                except (RuntimeError, OSError) as error:
                    yield row([name, corpus_name, f"not measured: {error}", "", "", "", ""])
    yield ""
    yield from head(
        ["package", "lines", "cold, CPU s", "cold, by the clock", "nothing changed, CPU s", "one file touched, CPU s", "MiB cold",
         "MiB warm", "runs"]
    )  # fmt: skip
    for name in CORPORA:
        if not only or name in only:
            yield alone(bench, name)
    yield ""
    yield recall()


def main() -> None:
    """Print the tables, and write them where they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HOME, help="where packages and environments are kept")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a run is cut off")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="*", default=(), help="names of peers and packages")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    lines = []
    for line in report(Bench(given.work.resolve(), given.repeat, given.limit, given.core), given.only):
        print(line, flush=True)
        lines.append(line)
        if given.output:
            given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
