"""Measures again what a saved file touches, and tells each cell as it turns, until somebody interrupts."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

from rich.text import Text

from harness import session
from harness.cli.interrupts import interruptible
from harness.cli.measuring import in_session
from harness.cli.screen import err, out
from harness.errors import InputError, SelectionError, Unwritable
from harness.model import Cell, Result, Verdict, streams
from harness.reports import grid, words

PATIENT_S = 0.7
"""So long after the last cell turned it is told what is still being waited for."""
NAMED = 4


def watch(load: Callable[[], session.Job], runs: Path, jobs: int) -> None:
    """Measure the job that is loaded, and again what changes of it. Ends only by Interrupted, by what `load` raises the
    first time, or by NoRoom or Unwritable: where nothing can be written, nothing is measured.
    """
    interruptible(_Watch(load, runs, jobs).go())


class _Watch:
    """What is known of a matrix by now: of each cell what decided it when it was measured, and what it came to."""

    def __init__(self, load: Callable[[], session.Job], runs: Path, jobs: int) -> None:
        self._load = load
        self._runs = runs
        self._jobs = jobs
        self._known: dict[Cell, session.Decided] = {}
        self._results: dict[Cell, Result] = {}
        self._measuring: asyncio.Task[None] | None = None
        self._basis: Mapping[Cell, session.Decided] = {}
        self._fault = False

    async def go(self) -> None:
        """Look, measure, wait for something to be saved, and so on."""
        job = await asyncio.to_thread(self._load)
        places: frozenset[Path] = frozenset()
        try:
            while True:  # no folder is left out again: a file with a fault cannot tell what it includes
                places = await asyncio.to_thread(session.folders, job, places)
                async with contextlib.aclosing(session.saves(places)) as saves:
                    job = await self._while_there(places, job, saves)
        finally:
            await self._stop()

    async def _while_there(self, places: frozenset[Path], job: session.Job, saves: AsyncGenerator[None]) -> session.Job:
        """Go on until files in other folders count, and return the job that they are of."""
        saved = asyncio.create_task(anext(saves))
        try:
            await asyncio.sleep(0)  # from here on nothing that is saved is missed
            while True:
                job = await self._looked_at(job)
                if not self._fault and await asyncio.to_thread(session.folders, job, places) != places:
                    return job
                while not saved.done():
                    await asyncio.wait({saved, *filter(None, [self._measuring])}, return_when=FIRST_COMPLETED)
                    if self._measuring and self._measuring.done():
                        self._measuring = self._measuring.result()
                saved.result()
                saved = asyncio.create_task(anext(saves))
        finally:
            saved.cancel()
            await asyncio.gather(saved, return_exceptions=True)

    async def _looked_at(self, job: session.Job) -> session.Job:
        """Return the job as its files are now, and measure what of it is another; the old one, if they have a fault."""
        try:
            fresh = await asyncio.to_thread(self._load)
            decided = await asyncio.to_thread(session.decided, fresh)
        except (InputError, SelectionError) as error:
            await self._stop()
            self._fault = True
            err.print(str(error), style="bold red", markup=False)
            return job
        if decided == self._basis and not self._fault:
            return fresh
        await self._stop()
        self._known = {cell: one for cell, one in self._known.items() if cell in decided}
        todo = session.touched(decided, self._known)
        if self._results:
            saved, gone = await asyncio.to_thread(session.saved_since, self._basis, decided)
            told = {"Saved": saved if saved or gone else [fresh.matrix.file], "Gone": gone}
            named = (f"{what}: {', '.join(files[:NAMED])}" for what, files in told.items() if files)
            said = "Mended" if self._fault else ". ".join(named)
            err.print(f"\n{said}. {words.counted(len(todo), 'cell')} to measure.", style="bold", markup=False)
        self._basis, self._fault = decided, False
        self._measuring = asyncio.create_task(self._measure(session.part_of(fresh, todo) if todo else None, decided))
        return fresh

    async def _stop(self) -> None:
        """Give up what is still being measured: it is not what it was."""
        if self._measuring:
            self._measuring.cancel()
            await asyncio.gather(self._measuring, return_exceptions=True)
            self._measuring = None

    async def _measure(self, job: session.Job | None, decided: Mapping[Cell, session.Decided]) -> None:
        """Measure a job, and tell what came of it, at first sight and for good."""
        if job:
            waiting, sighted, turned = dict.fromkeys(job.cells), set[Cell](), asyncio.Event()

            def sight(cell: Cell, verdict: Verdict | None) -> None:
                waiting.pop(cell, None)
                turned.set()
                if verdict == "streamed" and cell.chain and cell in decided:
                    sighted.add(cell)
                    self._line("streams so far", "", cell, self._before(cell, verdict))

            def tell(result: Result) -> None:
                waiting.pop(result.cell, None)
                turned.set()
                if result.cell in decided:
                    self._known[result.cell] = decided[result.cell]
                    self._tell(result, result.cell in sighted)

            patient = asyncio.create_task(_patient(waiting, turned))
            try:
                async with in_session(job, self._runs, self._jobs, keep=False) as (runner, _):
                    await runner.run(job.cells, tell, sight)
            except Unwritable:
                raise
            except InputError as error:  # a config that its program refuses
                err.print(str(error), style="bold red", markup=False)
            finally:
                patient.cancel()
        self._sum_up(list(decided))

    def _tell(self, result: Result, sighted: bool) -> None:
        """Tell what a cell came to, unless it is what was seen at first sight."""
        before, self._results[result.cell] = self._before(result.cell, _fate(result)), result
        if not result.cell.chain or (sighted and _fate(result) == "streamed"):
            return
        self._line(_fate(result), result.verdict or "", result.cell, before)
        if not result.verdict or result.outcome == "fail":
            out.print(Text(f"  {words.reason(result)}", "red"))

    def _before(self, cell: Cell, now: str) -> str:
        """Return what a cell was, if that was something else."""
        was = self._results.get(cell)
        return f"was {_fate(was)}" if was and _fate(was) != now else ""

    def _line(self, told: str, verdict: str, cell: Cell, beside: str) -> None:
        line = Text(f"{told:<26} ", grid.STYLES.get(verdict, "dim"))
        line.append(f"{beside:<26} ", "dim")
        line.append(cell.id)
        out.print(line)

    def _sum_up(self, cells: Sequence[Cell]) -> None:
        told = [one for cell in cells if cell.chain and (one := self._results.get(cell))]
        fine = sum(streams(one.verdict, one.shows) for one in told)
        said = f"{fine} of {words.counted(len(told), 'cell')} stream"
        err.print(f"{said}. Waiting for a file to be saved; Ctrl-C ends.", style="bold", markup=False)


async def _patient(waiting: dict[Cell, None], turned: asyncio.Event) -> None:
    """Tell what is waited for, once nothing has turned for a moment."""
    while True:
        turned.clear()
        try:
            await asyncio.wait_for(turned.wait(), PATIENT_S)
        except TimeoutError:
            if cells := [cell.id for cell in waiting]:
                more = f" and {len(cells) - NAMED} more" if len(cells) > NAMED else ""
                err.print(f"Still waiting for {', '.join(cells[:NAMED])}{more}", style="dim", markup=False)
            await turned.wait()


def _fate(result: Result) -> str:
    return words.verdict(result) if result.verdict else result.outcome
