"""The pytest plugin: cells of a matrix as tests, with proxies that the whole session shares.

    @pytest.mark.proxies                                # or: @pytest.mark.proxies(matrix="my.yaml")
    def test_cell(harness_result):
        assert harness_result.outcome in ("pass", "observed"), harness_result.reason

A test that asks for `harness_result` runs once per cell, under the cell's id. What cannot run here is skipped with
the reason; with `--harness-require nginx,nextjs` it fails instead. Each pytest-xdist worker has a bench of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from harness import session
from harness.errors import HarnessError
from harness.model import Cell, Result
from harness.runner import Runner

DEFAULT_MATRIX = "smoke"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "streaming through real proxies")
    group.addoption("--harness-matrix", metavar="FILE", help="matrix file or name for tests that name none")
    group.addoption(
        "--harness-require",
        metavar="NAMES",
        default=os.environ.get("HARNESS_REQUIRE", ""),
        help="fail, not skip, if these proxies cannot run, as nginx,nextjs (default: $HARNESS_REQUIRE)",
    )
    group.addoption("--harness-runs", metavar="DIR", type=Path, default=session.RUNS, help="where run folders go")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "proxies(matrix): measures through real proxies; `matrix` is a file or a shipped name, smoke by default",
    )
    if named := config.getoption("--harness-matrix"):
        try:
            _job(config, named)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "harness_result" in metafunc.fixturenames:
        named = _matrix(metafunc.definition) or metafunc.config.getoption("--harness-matrix") or DEFAULT_MATRIX
        try:
            job = _job(metafunc.config, named)
        except HarnessError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        cells = [(job, cell) for cell in job.cells]
        metafunc.parametrize("harness_result", cells, ids=[cell.id for cell in job.cells], indirect=True)


@pytest.fixture(scope="session")
def harness_labs(request: pytest.FixtureRequest) -> Iterator[dict[int, Lab]]:
    """The benches of this session, by matrix; they start when a test first needs them and end with the session."""
    required = request.config.getoption("--harness-require")
    try:
        session.require([name for name in required.split(",") if name], "--harness-require")
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    labs: dict[int, Lab] = {}
    yield labs
    for lab in labs.values():
        lab.close()


@pytest.fixture
def harness_result(request: pytest.FixtureRequest, harness_labs: dict[int, Lab]) -> Result:
    """The result of one cell, measured now (its control and baseline too, if no test has asked for them yet)."""
    job, cell = request.param
    try:
        if id(job) not in harness_labs:
            harness_labs[id(job)] = Lab(job, request.config.getoption("--harness-runs"))
        result = harness_labs[id(job)].result(cell)
    except HarnessError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if result.outcome == "unavailable":
        pytest.skip(result.reason)
    return result


class Lab:
    """A session in an event loop of its own, so that tests of any kind can wait for it."""

    def __init__(self, job: session.Job, root: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready: Future[Runner] = Future()
        self._enough = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(job, root),))
        self._thread.start()
        self._runner = self._ready.result()

    def result(self, cell: Cell) -> Result:
        """Measure a cell, or return what was measured already."""
        return asyncio.run_coroutine_threadsafe(self._runner.result(cell), self._loop).result()

    def close(self) -> None:
        """End everything that this bench started."""
        self._loop.call_soon_threadsafe(self._enough.set)
        self._thread.join()
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


def _matrix(definition: pytest.Item) -> str | None:
    marker = definition.get_closest_marker("proxies")
    return marker.kwargs.get("matrix") if marker else None


_JOBS = pytest.StashKey[dict[str, session.Job]]()


def _job(config: pytest.Config, matrix: str) -> session.Job:
    """Return the job of a matrix, read once per session."""
    jobs = config.stash.setdefault(_JOBS, {})
    if matrix not in jobs:
        jobs[matrix] = session.load(matrix)
    return jobs[matrix]
