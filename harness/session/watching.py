"""What a saved file touches: the cells of a matrix that are not what they were when they were last measured.

Rules: a cell is another if anything that decides it is: its plan, what is expected of it, or a file that one of its
hops is configured by; folders are watched and not files, which editors replace, and some come only later.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from watchfiles import awatch

from harness.errors import HarnessError
from harness.judge.outcome import expected
from harness.matrix.mitigations import plan
from harness.matrix.references import referenced
from harness.measure.bench import adapter
from harness.model import Cell, Deployment, Expectation, Hop, Plan
from harness.proxies.base import Deployable
from harness.session.inputs import inputs_of, located
from harness.session.jobs import Job, hops_of

QUIET_MS = 100
"""A file that is saved in several steps is saved when nothing more has come for so long."""


@dataclass(frozen=True)
class Decided:
    """All that decides what a cell comes to, beside the programs."""

    plan: Plan
    expectation: Expectation | None
    files: tuple[tuple[str, str], ...]
    standing: tuple[tuple[Hop, Deployment | None], ...]


def decided(job: Job) -> Mapping[Cell, Decided]:
    """Return what decides each cell of a job, as its files are now. Blocks."""
    matrix, inputs = job.matrix, inputs_of(job)
    found = {}
    for cell in job.cells:
        told = plan(cell, matrix.catalogue, matrix.requests)
        hops = dict.fromkeys((*cell.chain, *(hop.unedited for hop in told.chain)))
        files = (item for hop in hops for item in inputs.get(str(hop), {}).items())
        standing = ((hop, job.deployed.get(hop.bare)) for hop in hops)
        found[cell] = Decided(told, expected(cell.id, matrix.expectations), tuple(files), tuple(standing))
    return found


def touched(now: Mapping[Cell, Decided], known: Mapping[Cell, Decided]) -> list[Cell]:
    """Return the cells that are others by now than when they were known."""
    return [cell for cell, one in now.items() if known.get(cell) != one]


def saved_since(was: Mapping[Cell, Decided], now: Mapping[Cell, Decided]) -> tuple[list[str], list[str]]:
    """Return the files of hops that say something else than they did, or are new, and those that are there no more.
    Blocks.
    """
    before, here = ({item for one in all_of.values() for item in one.files} for all_of in (was, now))
    away = {path for path, _ in before} - {path for path, _ in here}
    return sorted({path for path, _ in here - before}), sorted(path for path in away if not located(path).exists())


def part_of(job: Job, cells: Iterable[Cell]) -> Job:
    """Return the job of some cells of a job, with all that they are held against."""
    return replace(job, cells=referenced(cells, job.matrix.stand_ins))


def folders(job: Job, watched: Iterable[Path] = ()) -> frozenset[Path]:
    """Return the folders that the files of a job are in, or may be in once there are more, or that it names, and those
    that are `watched` already. Blocks.
    """
    files = [Path(job.matrix.file), *job.own.values()]
    files += [located(path) for told in inputs_of(job).values() for path in told]
    files += [
        folder for hop, file in hops_of(job).items() if not hop.edits for folder in _may_have_more(job, hop, file)
    ]
    places = (*watched, *(file if file.is_dir() else file.parent for file in files))
    return frozenset(Path(os.path.realpath(place)) for place in places if place.is_dir())


def _may_have_more(job: Job, hop: Hop, file: Path) -> Iterable[Path]:
    """Return the folders in which a hop's config looks for files, be there any or not."""
    proxy = adapter(hop, job.proxies, job.deployed)
    with suppress(HarnessError):  # what is wrong with it is told elsewhere
        return proxy.config_folders(file) if isinstance(proxy, Deployable) else ()
    return ()


async def saves(places: Iterable[Path]) -> AsyncGenerator[None]:
    """Yield whenever something was saved, made or removed in folders."""
    async with aclosing(awatch(*sorted(places), recursive=False, debounce=QUIET_MS, step=QUIET_MS // 2)) as changes:
        async for _ in changes:
            yield
