"""The tests that can catch a mutant: which reach its line, how long each takes, and whether they pass with it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import coverage
import hypothesis
import pytest

from benchmarks.mutants.forks import in_forks, silence
from benchmarks.mutants.operators import Mutant

CACHE = Path(".pytest_cache/mutants")
GRACE_S, TIMES = 5.0, 20
"""A test has so long, and so many times as long as usually; one that takes longer has caught what makes it so."""


def end_after(usual_s: float) -> None:
    """Let this process end by itself if what begins now, and usually takes so long, does not."""
    signal.setitimer(signal.ITIMER_REAL, GRACE_S + TIMES * usual_s)


class Taken:
    """A plug-in that collects as pytest does, and then does something else than to run the tests.

    Examples are always the same, and are not made smaller: that one fails is enough.
    """

    def __init__(self, loop: Callable[[pytest.Session], object]) -> None:
        self._loop = loop
        self.done = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        fixed = hypothesis.settings(derandomize=True, database=None, deadline=None, phases=phases)
        hypothesis.settings.register_profile("mutants", fixed)  # after the project's own, which its conftest loads
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Failed("a module of tests could not be read")
        self._loop(session)
        self.done = True
        return True


def collected(files: Iterable[str], folder: Path, loop: Callable[[pytest.Session], object]) -> bool:
    """Collect the fast tests of these files and call `loop`; return whether that was called, and returned."""
    # Plain assertions: pytest would else read the modules of a plug-in itself, and no mutant in their place.
    told = ["--assert=plain", "-p", "no:terminal", "-p", "no:cacheprovider", "-s", "-o", "addopts=", "-o", "timeout=0"]
    told += ["-m", "not proxies"]
    room(folder)
    taken = Taken(loop)
    pytest.main([*told, *files], [taken])
    return taken.done


def room(folder: Path) -> None:
    """Give the tests of this process a place of their own for what they write."""
    os.environ["PYTEST_DEBUG_TEMPROOT"] = mkdtemp(dir=folder)


class _Watch:
    """Takes note of failures, and of how long tests take."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def pass_all(session: pytest.Session, wanted: Mapping[str, float]) -> bool:
    """Run tests in order, each with its usual time, until one fails; return whether none did.

    The process ends of a test that does not, or once there is nobody to tell.
    """
    parent, watch = os.getppid(), _Watch()
    session.config.pluginmanager.register(watch)
    items = {item.nodeid: item for item in session.items}
    chosen = [items[name] for name in wanted if name in items]
    for item, following in zip(chosen, [*chosen[1:], None], strict=False):
        end_after(wanted[item.nodeid])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if watch.failed or os.getppid() != parent:
            return False
    return True


# ---------------------------------------------------------------- what reaches what


@dataclass(frozen=True, slots=True)
class Suite:
    """The fast tests, each with its usual time in seconds, and by file and line those that reach it.

    `on_import` has the lines that are reached while tests are read, `users` the files that import one directly.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    reached: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    on_import: dict[str, set[int]] = field(default_factory=dict)
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The files of tests."""
        return sorted({name.partition("::")[0] for name in self.seconds})

    def against(self, mutant: Mutant) -> dict[str, float]:
        """Return the tests that can catch a mutant: those of its own room first, and then the quick ones.

        What is done on import is looked at by those that reach anything of the file, or of one that imports it.
        """
        path, own = Path(mutant.path), self.reached.get(mutant.path, {})
        if not self.is_read_over(mutant):
            names = set().union(*(own.get(line, set()) for line in mutant.lines))
        else:
            files = (mutant.path, *self.users.get(mutant.path, ()))
            names = set().union(*(found for file in files for found in self.reached.get(file, {}).values()))

        def rank(name: str) -> tuple[bool, bool, float]:
            file = Path(name.partition("::")[0])
            return file.stem != f"test_{path.stem}", file.parent.name != path.parent.name, self.seconds[name]

        return {name: self.seconds[name] for name in sorted(names, key=rank)}

    def is_read_over(self, mutant: Mutant) -> bool:
        """Tell whether what a mutant changes has its effect before a test begins."""
        return mutant.code is None or not self.on_import.get(mutant.path, set()).isdisjoint(mutant.lines)

    def add(self, told: Mapping[str, dict[str, object]]) -> None:
        """Take what was found of one file of tests."""
        self.seconds.update(told["seconds"])  # type: ignore[arg-type]
        self.failed.extend(told["failed"])
        for path, reached in told["on_import"].items():
            self.on_import.setdefault(path, set()).update(reached)  # type: ignore[arg-type]
        for path, lines in told["reached"].items():
            for line, names in lines.items():  # type: ignore[attr-defined]
                self.reached.setdefault(path, {}).setdefault(int(line), set()).update(names)


def observed(tests: Sequence[str], sources: Sequence[str], every: Iterable[Path], folder: Path, workers: int) -> Suite:
    """Run the fast tests, and return what each reaches of the sources.

    What is known of a file of tests is kept as long as it stays, and with it all of `every`, which it may rest on.
    """
    files = sorted({str(file) for test in tests for file in _test_files(Path(test))})
    ground = _digest([Path(__file__), *sorted(every)], *sources)
    kept = {file: CACHE / f"{_digest([Path(file)], ground)}.json" for file in files}
    unknown = [file for file in files if not kept[file].exists()]
    CACHE.mkdir(parents=True, exist_ok=True)
    parts = [unknown[start :: 2 * workers] for start in range(2 * workers)]
    jobs = [part for part in parts if part]
    for part, done in in_forks(jobs, lambda part: _observe(part, sources, kept, folder), workers):
        if not done:
            raise RuntimeError(f"these tests could not be run: {', '.join(part)}")
    suite = Suite(users=_users(sources))
    for path in kept.values():
        suite.add(json.loads(path.read_text()))
    return suite


def _users(sources: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return, by a file, which of the others import from it."""
    texts = {source: Path(source).read_text() for source in sources}
    dotted = {source: ".".join(Path(source).with_suffix("").parts) for source in sources}
    return {own: [one for one in sources if f"from {dotted[own]} import" in texts[one]] for own in sources}


def _test_files(path: Path) -> Iterator[Path]:
    yield from path.rglob("test_*.py") if path.is_dir() else [path]


def _digest(files: Iterable[Path], *more: str) -> str:
    told = hashlib.sha256("\0".join(more).encode())
    for file in files:
        told.update(f"\0{file}\0".encode() + file.read_bytes())
    return told.hexdigest()


def _observe(files: Sequence[str], sources: Sequence[str], kept: Mapping[str, Path], folder: Path) -> bool:
    """Run the tests of some files under coverage, each a context of its own, and keep what is found."""
    silence()
    measured = coverage.Coverage(data_file=None, include=list(sources), config_file=False)
    watch = _Watch()

    def run(session: pytest.Session) -> None:
        session.config.pluginmanager.register(watch)
        for item, following in zip(session.items, [*session.items[1:], None], strict=False):
            measured.switch_context(item.nodeid)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    measured.start()
    done = collected(files, folder, run)
    measured.stop()
    reached: dict[str, dict[str, dict[int, list[str]]]] = {file: {} for file in files}
    on_import: dict[str, list[int]] = {}
    data = measured.get_data()
    for source in sources:
        for line, names in data.contexts_by_lineno(str(Path(source).absolute())).items():
            if "" in names:
                on_import.setdefault(source, []).append(line)
            for name in filter(None, names):
                lines = reached[name.partition("::")[0]].setdefault(source, {})
                lines.setdefault(line, []).append(name)
    for file in files if done else []:
        own = {name: seconds for name, seconds in watch.seconds.items() if name.partition("::")[0] == file}
        failed = [name for name in watch.failed if name.partition("::")[0] == file]
        told = {"seconds": own, "failed": failed, "reached": reached[file], "on_import": on_import}
        kept[file].write_text(json.dumps(told))
    return done
