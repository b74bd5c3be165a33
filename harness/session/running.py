"""A session: a run folder, and a bench set up to run the cells of a job; all that it started ends with it."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness import resources
from harness.backends.elsewhere import Elsewhere
from harness.baseline.standing import told
from harness.errors import InputError, NoRoom, unwritable
from harness.launchers.process import Launcher
from harness.measure.bench import Bench
from harness.measure.runner import Runner
from harness.measure.schedule import Schedule
from harness.model import RunInfo
from harness.resources import JOBS, RUNS
from harness.session.inputs import inputs_of, shown
from harness.session.jobs import Job, needs_containers
from harness.store.runs import Run


@asynccontextmanager
async def session(
    job: Job,
    root: Path = RUNS,
    *,
    jobs: int = JOBS,
    keep: Callable[[Path], object] | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[tuple[Runner, Run]]:
    """Set up a run folder and a bench; everything that was started ends with the block.

    `keep` is told of each temporary folder, which then stays.
    """
    async with _elsewhere(job) as backend:
        run = Run.create(root, await asyncio.to_thread(described, job, options))
        with _worth_keeping(run, job), room(run):
            for recording in {cell.workload.recording: None for cell in job.cells}:
                if recording:
                    run.keep_recording(recording)
            async with _set_up(job, run, jobs, keep, backend) as runner:
                yield runner, run
            run.finish()


@asynccontextmanager
async def _set_up(
    job: Job, run: Run, jobs: int, keep: Callable[[Path], object] | None, backend: Elsewhere | None
) -> AsyncIterator[Runner]:
    """A bench, and a runner that fills a run on it."""
    matrix = job.matrix
    async with (
        Launcher(keep=keep) as launcher,
        Bench(
            launcher,
            run.folder / "proxies",
            job.own,
            Schedule(1 if backend else jobs),
            backend,
            proxies=job.proxies,
            missing=job.missing,
            deployed=job.deployed,
            mitigations=matrix.catalogue,
            in_container=needs_containers(job),
        ) as bench,
        Runner(bench, run, matrix.catalogue, matrix.requests, matrix.expectations, matrix.stand_ins) as runner,
    ):
        yield runner


@asynccontextmanager
async def _elsewhere(job: Job) -> AsyncIterator[Elsewhere | None]:
    """The emitter that a job is measured at, if that is elsewhere. One stream is under way there at a time: others
    would be traffic beside it. It is met at once: as whatever else is refused, one that is none leaves no run.
    """
    if job.site is None:
        yield None
        return
    backend = job.site.backend()
    try:
        await backend.ready()
        yield backend
    finally:
        await backend.close()


@contextmanager
def _worth_keeping(run: Run, job: Job) -> Iterator[None]:
    """Leave no run of what was refused before anything was known, unless what is told of it lies there: an answer of an
    application, which may have cost money, is something.
    """
    try:
        yield
    except InputError as error:
        is_told = any(str(folder) in str(error) for folder in (run.folder, run.folder.resolve()))
        if not (run.results or is_told or any(cell.workload.recording for cell in job.cells)):
            run.discard()
        raise


@contextmanager
def room(run: Run) -> Iterator[None]:
    """Tell of a full disk, whoever met it, and of the results that were kept before."""
    try:
        yield
    except (NoRoom, OSError) as error:
        if isinstance(error, OSError) and unwritable(error) is not NoRoom:
            raise
        kept = f"The {len(run.results)} results before that are kept: `harness report {run.folder}` shows them."
        raise NoRoom(f"no room is left: {error}\n{kept}") from error


def described(job: Job, options: Sequence[str]) -> RunInfo:
    """Return the head of a run of a job that starts now."""
    used = {name for cell in job.cells for name in cell.mitigations}
    proxies = {hop.proxy for cell in job.cells for hop in cell.chain} if job.diagnosed else set()
    known = {name: one for name, one in job.matrix.catalogue.items() if not proxies.isdisjoint(one.apply)}
    return RunInfo(
        name=job.matrix.name,
        title=job.matrix.title,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=version("token-stream-harness"),
        python=platform.python_version(),
        platform=_platform(),
        cells=len(job.cells),
        matrix_file=job.matrix.file,
        matrix_text=job.matrix.text,
        options=tuple(options),
        mitigations={
            name: one
            for name, one in job.matrix.catalogue.items()
            if one.entry in used or name in used or name in known  # of a diagnosis also what could be tried by hand
        },
        diagnosed=job.diagnosed,
        shard=job.shard,
        elsewhere=tuple(sorted(job.elsewhere)),
        inputs=inputs_of(job),
        own={str(hop): shown(file) for hop, file in job.own.items()},
        standing={str(hop): told(one) for hop, one in job.deployed.items()},
    )


def _platform() -> str:
    """Return system, architecture and cores: what a reader needs to place the figures."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = f"{platform.system()} {platform.release()}"
    return f"{system}, {platform.machine()}, {resources.cores()} cores"
