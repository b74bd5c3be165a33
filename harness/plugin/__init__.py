"""The pytest plugin: cells of a matrix as tests, with proxies that the whole session shares.

    @pytest.mark.proxies("my.yaml")                     # or no argument: the smoke matrix
    def test_cell(harness_result):
        assert harness_result.outcome in ("pass", "observed"), harness_result.reason

A test that asks for `harness_result` runs once per cell, under the cell's id, and is marked `proxies` if it does not
say so itself. Its outcome looks at the verdict and at what the stream as asked shows, and so can a test of its own:
`harness_result.verdict`, `harness_result.shows.manner`. What cannot run here is skipped with the reason; with
`--harness-require nginx,nextjs` it fails instead.
Each pytest-xdist worker has a bench of its own.

Every pytest on a machine where this package is installed loads this module: what measures is only imported by a test
that does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import session
from harness.errors import HarnessError, InputError, allowed
from harness.resources import RUNS, is_file, is_on

if TYPE_CHECKING:
    from harness.measure.runner import Runner
    from harness.model import Cell, Result

DEFAULT_MATRIX = "smoke"
FIXTURE = "harness_result"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "streaming through real proxies")
    group.addoption("--harness-matrix", metavar="FILE", help="matrix file or name for tests that name none")
    group.addoption(
        "--harness-require",
        metavar="NAMES",
        default=os.environ.get("HARNESS_REQUIRE", ""),
        help="fail, not skip, if these proxies cannot run, as nginx,nextjs (default: $HARNESS_REQUIRE)",
    )
    group.addoption(
        "--harness-offline",
        action="store_true",
        default=is_on("HARNESS_OFFLINE"),
        help="fetch no program; skip what is not here (default: $HARNESS_OFFLINE)",
    )
    group.addoption("--harness-runs", metavar="DIR", type=Path, default=RUNS, help="where run folders go")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "proxies(matrix): measures through real proxies; `matrix` is a file or a shipped name, smoke by default",
    )
    if config.getoption("--harness-matrix") is not None:
        try:
            _job(config)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if FIXTURE in metafunc.fixturenames:
        try:
            job = _job(metafunc.config, metafunc.definition)
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        cells = [(job, cell) for cell in job.cells]
        metafunc.parametrize(FIXTURE, cells, ids=[cell.id for cell in job.cells], indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    if FIXTURE in getattr(item, "fixturenames", ()) and not item.get_closest_marker("proxies"):
        item.add_marker("proxies")  # so that `-m "not proxies"` never measures


@pytest.fixture(scope="session")
def harness_labs(request: pytest.FixtureRequest) -> Iterator[dict[int, Lab]]:
    """The benches of this session, by matrix; they start when a test first needs them and end with the session."""
    with told_plainly():
        session.require(_required(request.config), _fetching(request.config), "--harness-require")
    labs: dict[int, Lab] = {}
    yield labs
    with told_plainly(), ExitStack() as ending:
        for lab in labs.values():
            ending.callback(lab.close)


@pytest.fixture
def harness_result(request: pytest.FixtureRequest, harness_labs: dict[int, Lab]) -> Result:
    """The result of one cell, measured now (its control and baseline too, if no test has asked for them yet)."""
    from harness import session
    from harness.reports import summary, words
    from harness.reports.safe import shown

    if not hasattr(request, "param"):
        pytest.fail(f"{FIXTURE} must be an argument of a test function, which then runs once per cell", pytrace=False)
    job, cell = request.param
    if id(job) not in harness_labs:
        fetched = session.fetched(job, _fetching(request.config))
        harness_labs[id(job)] = Lab(fetched, request.config.getoption("--harness-runs"))
    with told_plainly():
        result = harness_labs[id(job)].result(cell)
    if result.outcome == "unavailable":
        if summary.Required(_required(request.config)).has(result):
            pytest.fail(f"required, but cannot run here: {result.reason}", pytrace=False)
        pytest.skip(result.reason)
    return replace(result, reason=shown(words.reason(result)))


def _required(config: pytest.Config) -> list[str]:
    return [name for name in config.getoption("--harness-require").split(",") if name]


def _fetching(config: pytest.Config) -> session.Fetching:
    """Return how programs are fetched: `-s` and a failure show what was said of it."""
    from harness import session

    return session.Fetching(print, config.getoption("--harness-offline"), is_on("HARNESS_LOCKED"))


class Lab:
    """A session in an event loop of its own, so that tests of any kind can wait for it."""

    def __init__(self, job: session.Job, root: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready: Future[Runner] = Future()
        self._enough = asyncio.Event()
        self._ended = ThreadPoolExecutor(1, "harness").submit(self._loop.run_until_complete, self._live(job, root))

    def result(self, cell: Cell) -> Result:
        """Measure a cell, or return what was measured already."""
        return asyncio.run_coroutine_threadsafe(self._ready.result().result(cell), self._loop).result()

    def close(self) -> None:
        """End everything that this bench started."""
        self._loop.call_soon_threadsafe(self._enough.set)
        self._ended.result()
        self._loop.close()

    async def _live(self, job: session.Job, root: Path) -> None:
        try:
            async with session.session(job, root, options=("pytest",)) as (runner, _):
                self._ready.set_result(runner)
                await self._enough.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)  # whatever it is, somebody is waiting to hear of it


@contextmanager
def told_plainly() -> Iterator[None]:
    """Report a HarnessError as a failure in its own words, without a traceback."""
    try:
        yield
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


_JOBS = pytest.StashKey["dict[str, session.Job]"]()


def _job(config: pytest.Config, test: pytest.Item | None = None) -> session.Job:
    """Return the job of a test's matrix, or of the one that the command line names; each is read once per session."""
    named = _marked(test) if test else None
    if test and named:
        matrix = _found(named, test.path.parent, config.rootpath, Path.cwd())
    else:
        given = config.getoption("--harness-matrix")
        matrix = _found(DEFAULT_MATRIX if given is None else given, Path.cwd())
    jobs = config.stash.setdefault(_JOBS, {})
    if matrix not in jobs:
        jobs[matrix] = session.load(matrix)
    return jobs[matrix]


def _marked(test: pytest.Item) -> str | None:
    """Return the matrix that a test's marker names. Raises InputError for anything else that it says."""
    marker = test.get_closest_marker("proxies")
    try:
        return _proxies(*marker.args, **marker.kwargs) if marker else None
    except TypeError:
        assert marker
        given = ", ".join([*map(repr, marker.args), *(f"{key}={value!r}" for key, value in marker.kwargs.items())])
        raise InputError(f"{test.nodeid}: proxies({given}): allowed is one matrix, a file or a shipped name") from None


def _proxies(matrix: str | os.PathLike[str] | None = None) -> str | None:
    """The marker as a function: what Python refuses here is refused there."""
    return None if matrix is None else str(Path(matrix))


def _found(named: str, *folders: Path) -> str:
    """Return a shipped name as it is, and of a file its path in the first of the folders that has it."""
    shipped = session.shipped_matrices()
    if named in shipped:
        return named
    for path in (folder / named for folder in folders):
        if is_file(path):
            return str(path)
    places = " nor in ".join(dict.fromkeys(map(str, folders)))
    choices = allowed(named, shipped)
    raise InputError(f"there is no matrix {named!r} in {places}: give a path or a shipped matrix; {choices}")
