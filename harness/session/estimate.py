"""How long a job will last, roughly: as long as its matrix took the last time, or else as cells usually take."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from harness.errors import InputError
from harness.model import Cell, RunInfo
from harness.resources import JOBS
from harness.session.jobs import Job
from harness.store.runs import Run, newest_first

CELL_S = 0.25
"""A cell in lockstep among many, starts of programs included: 0.1 s in the matrix `default`, 0.3 s in `applications`
(README, Speed). How long a held one takes is not known before.
"""


def estimated(job: Job, runs: Path, jobs: int = JOBS) -> tuple[float, str]:
    """Return about how many seconds a job will last, so many of its cells at once, and what that was taken from.

    What options ask for has no matrix that could have been measured before.
    """
    for folder in newest_first(runs) if job.matrix.text else []:
        try:
            info = Run.head(folder)
        except InputError:
            continue
        if info.matrix_file == job.matrix.file and info.cells and (took_s := _took_s(info)):
            return took_s / info.cells * len(job.cells), f"as {folder} took"
    return sum(map(_usual_s, job.cells)) / jobs + CELL_S * len(job.cells), "as cells usually take"


def _took_s(info: RunInfo) -> float | None:
    if not info.finished_at:
        return None
    return (datetime.fromisoformat(info.finished_at) - datetime.fromisoformat(info.started_at)).total_seconds()


def _usual_s(cell: Cell) -> float:
    """Return what a schedule alone takes."""
    return cell.workload.tokens * cell.workload.interval_ms / 1000 if cell.pace == "paced" else 0.0
