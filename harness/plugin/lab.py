"""What measures for a pytest process: a session in a thread and an event loop of its own, started when first needed.

So tests of any kind can wait for it, and no loop, signal handler or policy of theirs is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

from harness import session
from harness.diagnosis.telling import Diagnosis
from harness.errors import HarnessError, InputError
from harness.model import Cell, Result
from harness.plugin.settings import place_of
from harness.plugin.states import STATE, NotMeasured, meanings, otherwise, typed
from harness.reports import summary, words
from harness.reports.safe import shown

T = TypeVar("T")
Work = Callable[[session.JoinedSession], Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class Known:
    """Of which cell of which job a result is that a test was given, and the folder of its run."""

    job: session.Job
    cell: Cell
    result: Result
    folder: Path


class Lab:
    """One part of a session. What it is given to do ends with it. `budget_s` is how long a fix may be looked for.

    Raises HarnessError if what is required cannot run here.
    """

    def __init__(self, config: pytest.Config) -> None:
        state = config.stash[STATE]
        settings, state.measures = state.settings, True
        self.budget_s = settings.budget_s
        self.fetching = session.Fetching(print, settings.offline, settings.locked)  # told by `-s`, and by failures
        if settings.require:
            session.require(settings.require, self.fetching, place_of(config, "require"))
        self._required = summary.Required(settings.require)
        self.diagnoses: dict[object, tuple[Diagnosis, Path]] = {}
        self._given: dict[int, Known] = {}
        self._wanted = state.wanted(config)
        self._fetched: dict[int, tuple[session.Job, session.Job]] = {}
        self._tests, self._typed = state.tests, typed(config)
        part = session.Part(
            settings.runs, state.secret, state.started_at, state.part, self._typed, state.cells, state.tests
        )
        self._ready: Future[tuple[session.JoinedSession, asyncio.AbstractEventLoop]] = Future()
        self._enough = asyncio.Event()
        self._ended = ThreadPoolExecutor(1, "harness").submit(lambda: asyncio.run(self._live(part)))

    def result(self, job: session.Job, cell: Cell) -> Result:
        """Return a cell's result, measured side by side with those that other tests will want. Raises HarnessError, or
        skips, likewise.
        """
        here = self.fetched(job)
        while self._wanted:
            other, cells = self._wanted.pop()
            with suppress(HarnessError):  # which its own tests are told
                self.soon(partial(known_results, job=self.fetched(other), cells=cells))
        (known,) = self.wait(partial(known_results, job=here, cells=[cell]))
        return self.given(known)

    def fetched(self, job: session.Job) -> session.Job:
        """Have the programs of a job here, once."""
        if id(job) not in self._fetched:
            self._fetched[id(job)] = job, session.fetched(job, self.fetching)
        return self._fetched[id(job)][1]

    def given(self, known: Known) -> Result:
        """Return a result as tests get it. What cannot run here skips the test, or fails it where it is required."""
        if known.result.outcome == "unavailable":
            self.cannot(known.result.reason, self._required.has(known.result))
        result = replace(known.result, reason=shown(words.reason(known.result)))
        self._given[id(result)] = replace(known, result=result)
        return result

    def cannot(self, reason: str, is_required: bool = False, chain: str = "") -> NoReturn:
        """Skip a test that cannot run here, or fail it where that, or a proxy of its chain, is required."""
        named = {hop.partition(":")[0].strip() for hop in chain.split(">")}
        if is_required or not named.isdisjoint(self._required.names):
            raise NotMeasured(f"required, but cannot run here: {reason}")
        pytest.skip(reason)

    def known(self, result: object) -> Known | None:
        """Return what is known of a result that a test was given; None if this is none."""
        return self._given.get(id(result))

    def typed(self, known: Known) -> tuple[str, ...]:
        """Return the command that runs the test which a result was measured for, or else all that measure."""
        return self._tests.get((known.job.matrix.file, known.cell.id), self._typed)

    def soon(self, work: Work[T]) -> Future[T]:
        """Have something done. Who does not want to wait any longer cancels it."""
        entered, loop = self._ready.result()
        return asyncio.run_coroutine_threadsafe(work(entered), loop)

    def wait(self, work: Work[T]) -> T:
        """Have something done, and wait for it; whatever interrupts the wait gives it up."""
        doing = self.soon(work)
        try:
            return doing.result()
        finally:
            doing.cancel()

    def close(self) -> None:
        """End everything that this lab started."""
        if not self._ready.exception():  # else it has ended already
            self._ready.result()[1].call_soon_threadsafe(self._enough.set)
        self._ended.result()

    async def _live(self, part: session.Part) -> None:
        try:
            async with session.JoinedSession(part) as entered:
                self._ready.set_result((entered, asyncio.get_running_loop()))
                await self._enough.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)  # whatever it is, somebody is waiting to hear of it


async def known_results(entered: session.JoinedSession, job: session.Job, cells: Sequence[Cell]) -> list[Known]:
    """Return the results of cells with what is known of them.

    Raises InputError if a test in another process means something else by an id of them.
    """
    run = (await entered.join(job)).run
    if not job.matrix.text and (taken := await asyncio.to_thread(run.claim, meanings(job, cells))):
        raise InputError(otherwise(job, cells, taken))
    results, folder = await entered.run(job, cells), run.folder
    return [Known(job, result.cell, result, folder) for result in results]


@contextmanager
def told_plainly() -> Iterator[None]:
    """Report a HarnessError as a failure in its own words, without a traceback."""
    try:
        yield
    except HarnessError as error:
        raise NotMeasured(str(error)) from None
