"""A session that jobs join as they come: what each of them needs starts then, and all of it ends with the session.

Rules: there is one emitter. Jobs that agree about all that a bench is told share one, so that a proxy starts once; one
that says otherwise what a hop is, or how it stands in a chain, has a bench of its own. A job of a matrix file has a run
of its own, which keeps the file's text; all others have part in one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.launchers.process import Launcher
from harness.matrix.references import referenced
from harness.measure.bench import Bench
from harness.measure.runner import Runner
from harness.measure.schedule import Schedule
from harness.model import Cell, Result
from harness.probe.live import Live
from harness.session.jobs import Job, needs_containers
from harness.session.living import watch
from harness.session.recording import Application, Say
from harness.session.running import described, room
from harness.store.shared import SharedRun


@dataclass(frozen=True, slots=True)
class Part:
    """What a process has in a session: where its runs go, the session's secret and start, and how this part is called.

    `cells` are how many are to be measured in all parts, by what the matrix of their job is called; `tests` what runs
    the test that asks for a cell, by that and the cell's id: of a job all of them, by when it is first measured.
    """

    root: Path
    session: str
    started_at: str
    name: str = ""
    options: Sequence[str] = ()
    cells: dict[str, int] = field(default_factory=dict)
    tests: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a job is measured, with those that agree with it."""

    job: Job
    bench: Bench
    runner: Runner
    run: SharedRun

    def agrees(self, job: Job) -> bool:
        """Tell whether another job may be measured here, too."""
        mine, its = self.job, job
        if mine.matrix.text or its.matrix.text:
            return mine is its
        of_bench = [(one.own, one.deployed, one.proxies, one.missing, one.matrix.catalogue) for one in (mine, its)]
        return of_bench[0] == of_bench[1] and needs_containers(mine) == needs_containers(its)


class JoinedSession:
    """One part of a session, for as long as it is entered."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._everything = AsyncExitStack()
        self._joining = asyncio.Lock()
        self._joined: list[Joined] = []
        self._known: dict[int, Job] = {}
        self._launcher: Launcher | None = None
        self._schedule = Schedule()

    async def __aenter__(self) -> Self:
        self._launcher = await self._everything.enter_async_context(Launcher())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._everything.aclose()

    async def join(self, job: Job) -> Joined:
        """Return where a job is measured, which starts now if no job before it agrees with it. The run then tells what
        it is measured with and which tests its cells are for: once, for each test of a session joins.
        """
        async with self._joining:
            if not (found := next((one for one in self._joined if one.agrees(job)), None)):
                self._joined.append(found := await self._started(job))
            if id(job) not in self._known:
                with room(found.run):
                    found.run.make_known(replace(described(job, ()), tests=self._tests(job)))
                    for recording in {cell.workload.recording: None for cell in job.cells}:
                        if recording:
                            found.run.keep_recording(recording)
                self._known[id(job)] = job
            return found

    async def run(self, job: Job, cells: Sequence[Cell]) -> list[Result]:
        """Return the results of cells of a job, measured side by side. They are then on disk, with those that they are
        held against.

        Raises NoRoom, and what a start raises.
        """
        joined = await self.join(job)
        with room(joined.run):
            every = await joined.runner.run(referenced(cells, job.matrix.stand_ins), lambda result: None)
        return [result for result in every if result.cell in cells]

    async def watch(self, job: Job, asked: Application, requests: Sequence[str], say: Say) -> list[Live]:
        """Return what an application's own stream is to whoever asks through the chain of a job. Raises likewise."""
        run = self._run_of(job)
        with room(run):
            return await watch(job, asked, requests, run.proxies, say)

    async def _started(self, job: Job) -> Joined:
        assert self._launcher, "it is entered"
        matrix, run = job.matrix, self._run_of(job)
        contained = needs_containers(job)
        first = next((one.bench for one in self._joined if needs_containers(one.job) == contained), None)
        enter = self._everything.enter_async_context
        bench = Bench(
            self._launcher,
            run.proxies,
            job.own,
            self._schedule,
            backend=first.backend if first else None,
            proxies=job.proxies,
            missing=job.missing,
            deployed=job.deployed,
            mitigations=matrix.catalogue,
            in_container=contained,
        )
        await enter(bench)
        runner = Runner(bench, run, matrix.catalogue, matrix.requests, matrix.expectations, matrix.stand_ins)
        return Joined(job, bench, await enter(runner), run)

    def _tests(self, job: Job) -> dict[str, tuple[str, ...]]:
        """Return what runs the tests of cells, and of what these are held against, if that is no test itself."""
        asked = {cell: words for cell in job.cells if (words := self._part.tests.get((job.matrix.file, cell.id)))}
        beside = {one: words for cell, words in asked.items() for one in referenced([cell], job.matrix.stand_ins)}
        return {cell.id: words for cell, words in {**beside, **asked}.items()}

    def _run_of(self, job: Job) -> SharedRun:
        """Return the run that a job has part in, which is made if there is none yet."""
        part, matrix = self._part, job.matrix
        there = next((one.run for one in self._joined if not matrix.text and not one.job.matrix.text), None)
        about = replace(described(job, part.options), started_at=part.started_at, cells=part.cells.get(matrix.file, 0))
        return there or SharedRun.join(part.root, about, part.session, part.name)
