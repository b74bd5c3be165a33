"""Finds out what holds in a chain, until it is known or somebody interrupts, and tells what is known by then."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import session
from harness.cli.finishing import tell, write
from harness.cli.interrupts import interruptible
from harness.cli.measuring import in_session
from harness.cli.progress import progress
from harness.diagnosis.search import Search
from harness.diagnosis.telling import INTERRUPTED, Diagnosis
from harness.diagnosis.terminal import DiagnosisReport
from harness.errors import HarnessError, InputError
from harness.reports import RENDERERS
from harness.store.runs import Run


@dataclass
class Looked:
    """A diagnosis as far as it has come: `stopped` says why it came no further; empty, when it is done."""

    run: Run
    search: Search
    stopped: str = INTERRUPTED

    @property
    def diagnosis(self) -> Diagnosis:
        """What is known by now."""
        results = {result.cell: result for result in self.run.results}
        return Diagnosis(self.run.info, self.search, results, self.run.info.mitigations, self.stopped)


@dataclass(slots=True)
class Budget:
    """How long a command may take that `began` then, by the monotonic clock; without seconds, as long as it needs."""

    seconds: float | None
    began: float

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Leave out how long this takes: what an application says once is not cut short, nor what is fetched."""
        since = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - since

    @property
    def left_s(self) -> float | None:
        """What is left of it; nothing where it is over, None where there is no end."""
        return None if self.seconds is None else max(self.seconds - (time.monotonic() - self.began), 0)


def diagnose(job: session.Job, runs: Path, keep: bool, budget: Budget, looked: list[Looked]) -> None:
    """Find out what holds in a job's chain. What is known of it is in `looked`, when it is interrupted, too.

    Raises Interrupted likewise, and InputError, of which nothing was found out.
    """
    interruptible(_diagnosed(job, runs, keep, budget, looked))


async def _diagnosed(job: session.Job, runs: Path, keep: bool, budget: Budget, looked: list[Looked]) -> None:
    async with in_session(job, runs, session.JOBS, keep) as (runner, run):
        looked.append(Looked(run, session.search_of(job)))
        with progress(run) as tell:
            controls = session.controls_of(job)
            try:
                over = await session.diagnose(looked[0].search, controls, runner, run, tell, budget.left_s)
            except InputError:
                looked.clear()
                raise
        looked[0].stopped = "" if over else f"the budget of {budget.seconds:g} s was over"


def of_kept(run: Run) -> Diagnosis:
    """Return what a diagnosis came to whose run was kept. Raises HarnessError if it had not come to its chain."""
    if diagnosis := Diagnosis.of_run(run.info, run.results):
        return diagnosis
    raise HarnessError(f"{run.folder} knows nothing of {run.info.diagnosed}: it ended before that was measured")


def finish_diagnosis(run: Run, diagnosis: Diagnosis, outputs: Mapping[str, Path]) -> int:
    """Write the reports, tell people what is known of the chain, and return the exit status that it calls for."""
    for name, path in outputs.items():
        write(path, RENDERERS[name](run.info, run.results))
    tell(run, [DiagnosisReport(diagnosis)], outputs)
    return diagnosis.exit_status
