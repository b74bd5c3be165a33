"""Measures what a command asks for, until it is done or somebody interrupts."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from harness import session
from harness.cli import screen
from harness.cli.interrupts import interruptible
from harness.cli.progress import progress
from harness.cli.screen import err
from harness.store import Run

WORTH_TELLING_S = 60
"""Who starts what lasts longer is told how long."""


def measure(job: session.Job, runs: Path, jobs: int, keep: bool) -> Run:
    """Measure a job, and return its run. Raises Interrupted, with what is done on disk."""
    return interruptible(_measured(job, runs, jobs, keep))


def measure_all(todo: Sequence[session.Job], runs: Path, jobs: int, keep: bool, done: list[Run]) -> None:
    """Measure one job after the other, and put the run of each that is finished into `done`. Raises likewise."""
    if todo:
        interruptible(_all_measured(todo, runs, jobs, keep, done))


async def _all_measured(todo: Sequence[session.Job], runs: Path, jobs: int, keep: bool, done: list[Run]) -> None:
    for job in todo:
        err.print(f"{job.matrix.title}: {len(job.cells)} cells", style="bold", markup=False)
        done.append(await _measured(job, runs, jobs, keep))


async def _measured(job: session.Job, runs: Path, jobs: int, keep: bool) -> Run:
    if long := how_long(job, runs, jobs):
        err.print(long, markup=False)
    async with in_session(job, runs, jobs, keep) as (runner, run):
        with progress(run, claims=job.matrix.report is not None) as tell:
            await runner.run(job.cells, tell)
    return run


def how_long(job: session.Job, runs: Path, jobs: int) -> str:
    """Return how long a job will last, roughly, and what that is taken from; nothing of a short one."""
    lasts_s, as_what = session.estimated(job, runs, jobs)
    if lasts_s <= WORTH_TELLING_S:
        return ""
    return f"{len(job.cells)} cells: about {math.ceil(lasts_s / 60)} minutes, {as_what}"


@contextlib.asynccontextmanager
async def in_session(job: session.Job, runs: Path, jobs: int, keep: bool) -> AsyncIterator[tuple[session.Runner, Run]]:
    """A session of what was typed; temporary folders that are kept are named when it has ended."""
    kept: list[Path] = []
    try:
        options, told = sys.argv[1:], kept.append if keep else None
        async with session.session(job, runs, jobs=jobs, keep=told, options=options) as (runner, run):
            screen.begun.append(run)
            yield runner, run
    finally:
        for folder in kept:
            err.print(f"Kept: {folder}", markup=False)
