"""What a pytest process knows of its session: settings, jobs that were read, and which runs are its own."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from harness.errors import HarnessError, InputError
from harness.plugin.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from harness import session
    from harness.model import Cell
    from harness.plugin.markers import Asked

NAME_CHARS = 80
MARKER = "proxies"
DECIDING = {"-c": "inifilename", "--rootdir": "rootdir", "--harness-matrix": "harness_matrix"}
"""Options of pytest that decide what a test is, and what each is called in its configuration."""


class NotMeasured(pytest.fail.Exception):  # type: ignore[misc, name-defined]
    """Fails a test of which nothing is known, in words for people: that is not how anybody expects it to fail."""

    def __init__(self, said: str) -> None:
        super().__init__(said, pytrace=False)


@dataclass
class State:
    """One process: `part` is what pytest-xdist calls it, empty if it is no worker.

    `secret` is what all processes of a session share, `measures` whether this one or a worker of its may have measured,
    `cells` how many of each matrix are tests, `tests` the command that runs the first one which asks for a cell, by its
    matrix and its id, `told` what is said at the end.
    """

    settings: Settings
    secret: str
    started_at: str
    part: str
    measures: bool = False
    cells: dict[str, int] = field(default_factory=dict)
    tests: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    _jobs: dict[str, tuple[session.Job, tuple[Cell, ...]]] = field(default_factory=dict)
    _meant: dict[str, str] = field(default_factory=dict)
    _named: dict[str, int] = field(default_factory=dict)
    _selected: list[tuple[session.Job, list[Cell]]] = field(default_factory=list)

    def job(self, asked: Asked) -> tuple[session.Job, tuple[Cell, ...]]:
        """Return the job that is asked for, and the cells that are tests of it. Raises HarnessError, also if an id of
        them means something else already.
        """
        if repr(asked) not in self._jobs:
            job, cells = asked.job()
            if not job.matrix.text:
                self._check_ids(job, cells)
            self._jobs[repr(asked)] = job, cells
        return self._jobs[repr(asked)]

    def _check_ids(self, job: session.Job, cells: tuple[Cell, ...]) -> None:
        meant = meanings(job, cells)
        if taken := next((cell for cell, what in meant.items() if self._meant.get(cell, what) != what), None):
            raise InputError(otherwise(job, cells, taken))
        self._meant |= meant

    def selected(self, asked: Iterable[tuple[pytest.Item, session.Job, Cell]]) -> None:
        """Hear which cells are tests of this session."""
        of_jobs: dict[int, tuple[session.Job, dict[Cell, None]]] = {}
        for item, job, cell in asked:
            self.asked(item, job, [cell])
            of_jobs.setdefault(id(job), (job, {}))[1][cell] = None
        self._selected = [(job, list(cells)) for job, cells in of_jobs.values()]
        ids = {(job.matrix.file, cell.id) for job, cells in self._selected for cell in cells}
        self.cells = dict(Counter(file for file, _ in ids))

    def asked(self, item: pytest.Item, job: session.Job, cells: Iterable[Cell]) -> None:
        """Hear which test asks for some cells."""
        words = command_of(item)
        for cell in cells:
            self.tests.setdefault((job.matrix.file, cell.id), words)

    def wanted(self, config: pytest.Config) -> list[tuple[session.Job, list[Cell]]]:
        """Return what may be measured before its test comes: nothing where another worker may have it, or where the
        session ends with the first failures.
        """
        return [] if self.part or config.getoption("maxfail") else list(self._selected)

    def name(self, nodeid: str) -> str:
        """Return a name for the application that a test measures now: the test's, as a workload may be called."""
        plain = without_query(nodeid)
        words = plain.replace(".py::", ".").replace("::", ".").replace("/", ".").replace("[", ".").rstrip("]")
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", words).lstrip("._-")[:NAME_CHARS]
        if name != words or plain != nodeid:  # another test's may be shortened to the same
            name = f"{name or 'test'}-{hashlib.sha256(nodeid.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
        self._named[name] = number = self._named.get(name, 0) + 1
        return name if number == 1 else f"{name}-{number}"

    def finish(self, is_whole: bool) -> None:
        """End the runs that the session's processes made, as far as that can be done, and tell where they are."""
        if not self.measures or not self.settings.runs.is_dir():
            return
        from harness import session

        for folder in session.runs_of(self.settings.runs, self.secret):
            try:
                session.finish(folder, is_whole)
            except HarnessError as error:
                self.told.append(f"harness: {error}")
            self.told.append(f"harness: results and evidence: {short(folder)}")


def meanings(job: session.Job, cells: Iterable[Cell]) -> dict[str, str]:
    """Return a digest of all that the ids of cells stand for and do not say: by the id without mitigations, for what
    those are held against has it, too.
    """
    found = {}
    for cell in cells:
        own = [(str(hop), str(job.own.get(hop.bare)), job.deployed.get(hop.bare)) for hop in cell.chain]
        what = hashlib.sha256(repr([(name, os.path.abspath(file), how) for name, file, how in own]).encode())
        found[replace(cell, mitigations=(), pace="lockstep").id] = what.hexdigest()
    return found


def otherwise(job: session.Job, cells: Iterable[Cell], taken: str) -> str:
    """Return what is wrong where an id of some cells stands for something else already."""
    hops = dict.fromkeys(hop for cell in cells for hop in cell.chain if hop.bare in job.own)
    names = " or ".join(f"{hop.proxy}:NAME={os.path.relpath(job.own[hop.bare])}" for hop in hops)
    return (
        f"another test has {taken} already, and means another file, map, server or path by it; give this one a name of"
        f" its own: {names}"
    )


def command_of(item: pytest.Item) -> tuple[str, ...]:
    """Return what to type where pytest was started to run one test alone, whatever `addopts` leave out."""
    file = os.path.relpath(item.path, item.config.invocation_params.dir)
    chosen = MARKER if item.get_closest_marker(MARKER) else item.config.getoption("markexpr")
    return *typed(item.config, chosen), f"{file}::{without_query(item.nodeid).partition('::')[2]}"


def without_query(nodeid: str) -> str:
    """Return a test's id without its parameters where one may be a path with a query, which no file may have."""
    test, _, parameters = nodeid.partition("[")
    return test if "?" in parameters else nodeid


def typed(config: pytest.Config, chosen: str = MARKER) -> tuple[str, ...]:
    """Return what to type to run all tests that measure, or those that are `chosen` by their markers."""
    said = {"-m": chosen, **{option: config.getoption(name) for option, name in DECIDING.items()}}
    return "pytest", *(word for option, value in said.items() if value for word in (option, str(value)))


def short(folder: Path) -> str:
    """Return a folder as people here would write it."""
    path = os.path.relpath(folder)
    return os.path.abspath(folder) if path.startswith("..") else path


STATE = pytest.StashKey[State]()
"""Where a config has it."""
FAILED = pytest.StashKey[bool]()
"""Where a test has whether what it did itself has failed, or was left early."""
