"""Break the code behind each requirement, one place at a time, and see that its tests notice.

    python tests/requirements/mutants.py [ID ...] [--jobs N] [--all-tests]

Each mutant of `mutants.toml` is an id, a file of `src/lastack`, a text that stands in it once, what
to put in its place, and the tests (under `tests/`) every one of which must then fail. A mutant gets
a copy of the sources for itself, interpreted, and its tests a bounded time. Exits with 1 when a
mutant survives, does not apply, or when a test fails that nothing has been broken for.

With `--all-tests` a mutant meets every marked test of its id, and the report says which of them
took no notice: they may show something, but not what this mutant breaks.
"""

import argparse
import compileall
import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import hypothesis.strategies  # noqa: F401 - once for all the processes forked from this one
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
TABLE = Path(__file__).with_name("mutants.toml")
SECONDS_A_TEST = 5
SECONDS_A_MUTANT = 60
UNBROKEN = -1


class Mutant(NamedTuple):
    """One way to break the code behind a requirement."""

    id: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def fault(self) -> str:
        """What is wrong with the entry itself, "" for nothing: the text must stand there once."""
        path = SOURCES / "lastack" / self.file
        if not path.is_file():
            return f"there is no {self.file}"
        count = path.read_text(encoding="utf-8").count(self.old)
        if count != 1:
            return f"{self.file} has the text {count} times"
        return "" if self.old != self.new else "it changes nothing"


class Outcome(NamedTuple):
    """How the tests of one run ended: `passed` or `failed` by test; what did not end has failed."""

    number: int
    ended: dict[str, str]
    seconds: float
    said: str

    def passed(self, tests: tuple[str, ...]) -> list[str]:
        """Return the tests that took no notice."""
        return [test for test in tests if self.ended.get(test) == "passed"]


def mutants() -> list[Mutant]:
    """Read the table."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        Mutant(m["id"], m["file"], m["old"], m["new"], tuple(m["tests"])) for m in table["mutant"]
    ]


class Ended:
    """A pytest plugin that remembers how each test function ended, its parameters together."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one test is over."""
        test = report.nodeid.partition("[")[0].removeprefix("tests/")
        if report.failed:
            self.ended[test] = "failed"
        elif report.when == "call" and report.passed:
            self.ended.setdefault(test, "passed")


def snapshot(place: Path) -> None:
    """Copy the sources, and compile them once to bytecode for all mutants."""
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    shutil.copytree(SOURCES, place, ignore=ignored)
    compileall.compile_dir(place, quiet=2)


def copy_of_sources(original: Path, place: Path, mutant: Mutant | None) -> None:
    """Make a tree of links to the snapshot, the mutant's file alone being its own."""
    for folder, folders, files in os.walk(original):
        target = place / Path(folder).relative_to(original)
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            (target / name).symlink_to(Path(folder, name))
        if "__pycache__" in folders:
            folders.remove("__pycache__")
            (target / "__pycache__").symlink_to(Path(folder, "__pycache__"))
    if mutant is not None:
        broken = place / "lastack" / mutant.file
        text = broken.read_text(encoding="utf-8").replace(mutant.old, mutant.new)
        broken.unlink()
        broken.write_text(text, encoding="utf-8")


def run_tests(place: Path, tests: tuple[str, ...], report: Path) -> None:
    """In a process of its own: run the tests on a copy of the sources and write down their ends."""
    kept = [p for p in sys.path if p and Path(p).resolve() != SOURCES]
    sys.path[:] = [str(place), *kept]
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = str(place)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(place.parent / "hypothesis")
    os.environ.pop("LASTACK_EXPECT", None)
    os.chdir(ROOT)
    ended = Ended()
    options = ["-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-o", "addopts="]
    options += ["--import-mode=importlib", f"--timeout={SECONDS_A_TEST}", "--tb=line"]
    pytest.main([*options, *(f"tests/{test}" for test in tests)], plugins=[ended])
    import lastack

    if not str(lastack.__file__).startswith(str(place)):
        raise SystemExit(f"{lastack.__file__} is not the copy")
    report.write_text(json.dumps(ended.ended), encoding="utf-8")


class Run:
    """One forked process that runs the tests of one mutant."""

    number: int
    pid: int
    watch: int
    began: float
    home: Path

    def __init__(
        self, number: int, mutant: Mutant | None, tests: tuple[str, ...], work: Path
    ) -> None:
        self.number = number
        self.home = work / str(number)
        self.began = time.monotonic()
        place = self.home / "src"
        copy_of_sources(work / "sources", place, mutant)
        self.pid = os.fork()
        if self.pid:
            self.watch = os.pidfd_open(self.pid)
            return
        try:
            os.setsid()
            log = os.open(self.home / "log", os.O_WRONLY | os.O_CREAT)
            os.dup2(log, 1)
            os.dup2(log, 2)
            run_tests(place, tests, self.home / "report")
        finally:
            sys.stdout.flush()
            os._exit(0)

    def finished(self) -> Outcome | None:
        """Return how it went, None while it goes on; a run that takes too long is ended."""
        pid, _ = os.waitpid(self.pid, os.WNOHANG)
        seconds = time.monotonic() - self.began
        if pid == 0 and seconds > SECONDS_A_MUTANT:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        elif pid == 0:
            return None
        os.close(self.watch)
        report = self.home / "report"
        ended = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
        said = (self.home / "log").read_text(encoding="utf-8", errors="replace")
        shutil.rmtree(self.home)
        return Outcome(self.number, ended, seconds, said)


def outcomes(
    work: list[tuple[int, Mutant | None, tuple[str, ...]]], jobs: int
) -> dict[int, Outcome]:
    """Run everything, `jobs` processes at a time."""
    found: dict[int, Outcome] = {}
    left = list(reversed(work))
    running: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as home:
        snapshot(Path(home) / "sources")
        while left or running:
            while left and len(running) < jobs:
                running.append(Run(*left.pop(), Path(home)))
            select.select([run.watch for run in running], [], [], 1.0)
            for run in list(running):
                outcome = run.finished()
                if outcome is not None:
                    running.remove(run)
                    found[outcome.number] = outcome
    return found


def tests_of(mutant: Mutant, everything: bool) -> tuple[str, ...]:
    """Return the tests to run: those that must fail, or all that are marked with the id."""
    if not everything:
        return mutant.tests
    import marks

    marked = [test.removeprefix("tests/") for test in marks.marked_tests().get(mutant.id, [])]
    marked = [test for test in marked if not test.startswith("kernel/")]
    return tuple(dict.fromkeys((*mutant.tests, *marked)))


def main(arguments: list[str]) -> int:
    """Run the mutants of the given ids, or all of them; print one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--all-tests", action="store_true", help="every marked test of the id")
    options = parser.parse_args(arguments)
    chosen = [m for m in mutants() if not options.ids or m.id in options.ids]
    began = time.monotonic()
    all_tests = tuple(dict.fromkeys(test for m in chosen for test in m.tests))
    work: list[tuple[int, Mutant | None, tuple[str, ...]]] = [(UNBROKEN, None, all_tests)]
    for number, mutant in enumerate(chosen):
        if not mutant.fault:
            work.append((number, mutant, tests_of(mutant, options.all_tests)))
    found = outcomes(work, options.jobs)
    healthy = found[UNBROKEN].passed(all_tests)
    wrong = [f"{test} fails with nothing broken" for test in all_tests if test not in healthy]
    if wrong:
        print(found[UNBROKEN].said)
    for number, mutant in enumerate(chosen):
        line, bad = verdict(mutant, found.get(number), options.all_tests)
        print(line)
        wrong += bad
    ids = {mutant.id for mutant in chosen}
    seconds = time.monotonic() - began
    print("\n".join(wrong))
    print(f"{len(chosen)} mutants of {len(ids)} ids, {len(wrong)} complaints, {seconds:.0f} s")
    return 1 if wrong else 0


def verdict(mutant: Mutant, outcome: Outcome | None, everything: bool) -> tuple[str, list[str]]:
    """Return the line of a mutant, and what is to be complained about."""
    label = f"{mutant.id:8} {mutant.file}"
    if outcome is None:
        return f"{label}: does not apply", [f"{mutant.id}: {mutant.fault}"]
    survived = outcome.passed(mutant.tests)
    line = f"{label}: " + ("SURVIVED" if survived else f"caught in {outcome.seconds:.1f} s")
    if everything:
        line += "".join(
            f"\n         took no notice: {test}"
            for test in outcome.passed(tests_of(mutant, True))
            if test not in survived
        )
    return line, [f"{mutant.id} survives {test}: {mutant.new!r}" for test in survived]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
