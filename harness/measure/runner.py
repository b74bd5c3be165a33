"""From cells to results: measures each cell once, holds it against its control and its baseline, keeps the evidence.

Rules: a cell's control and baseline are measured before it is judged, and a paced cell's lockstep twin before the cell;
a verdict that rests on a lone hold, a clock or a pulse is confirmed in a second, more patient stream; what could not be
measured says whose fault it is and never looks like a verdict; every result is on disk before anybody is told of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self, TypeVar

from harness.clients.base import Client
from harness.errors import HarnessError, NoRoom, ProxyError, Unavailable
from harness.judge.metrics import header_changes
from harness.judge.outcome import as_in_lockstep, conclude, expected
from harness.judge.verdict import Assessment, assess, follow_up
from harness.launchers.process import until
from harness.matrix.mitigations import plan
from harness.matrix.reading import StandIns, baseline_of, control_of, twin_of
from harness.measure.bench import StartedChain
from harness.measure.limits import DEATH_S
from harness.measure.schedule import Schedule, needed_by
from harness.model import (
    Cell,
    Chain,
    Expectation,
    Facts,
    HeaderChange,
    HopKind,
    Mitigation,
    Plan,
    Result,
    Trace,
    versions_met,
)
from harness.store.runs import Run

T = TypeVar("T")

TAKES = 4
"""How many streams a cell takes at most: one that was too short twice, and one without pulses."""

WAITED = frozenset(("hold", "wait", "pulse", "drain"))
"""Steps of a conversation that rest on the guard."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a cell's streams said. The traces are on disk: all of a run's together would fill the memory."""

    assessment: Assessment
    header_changes: tuple[HeaderChange, ...]
    versions: Mapping[str, str]
    facts: Facts
    started_at: str
    duration_ms: float


class TraceSource(Protocol):
    """Where traces come from: a bench on which programs run, or one that plays what others have recorded."""

    @property
    def schedule(self) -> Schedule:
        """What grants the leases on which streams run here."""

    def client(self, name: str) -> Client: ...

    async def entry(self, chain: Chain) -> StartedChain:
        """Return the started chain. Raises Unavailable, ProxyError or InputError, each time the same."""

    async def start_all(self, plans: Iterable[Plan]) -> None:
        """Start all that these plans need, so that nothing starts beside them."""

    async def record(self, cell_id: str, plan: Plan, quiet: bool = False) -> tuple[Trace, StartedChain]:
        """Return the trace of one stream, and the chain that it went through. Raises HarnessError."""


class Runner:
    """Turns cells into results on one bench, each cell once. Leaving it gives up what is not finished."""

    def __init__(
        self,
        bench: TraceSource,
        run: Run,
        catalogue: Mapping[str, Mitigation],
        expectations: Sequence[Expectation] = (),
        stand_ins: StandIns = MappingProxyType({}),
    ) -> None:
        self._bench = bench
        self._run = run
        self._catalogue = catalogue
        self._expectations = expectations
        self._stand_ins = stand_ins
        self._measuring: dict[str, asyncio.Task[Measured]] = {}
        self._finishing: dict[str, asyncio.Task[Result]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End what is still measuring, so that it does not take the end of the bench for a fault of a cell."""
        tasks = (*self._finishing.values(), *self._measuring.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, cells: Iterable[Cell], on_result: Callable[[Result], None]) -> list[Result]:
        """Measure all cells, as many at once as there are jobs; tell of each result as it comes.

        Where time is the question, what starts or computes beside would be in the answer: paced cells come last, when
        their chains and clients have started.
        """

        async def finish(cell: Cell) -> None:
            results[cell.id] = await self.result(cell)
            on_result(results[cell.id])

        cells, results = list(cells), dict[str, Result]()
        paced = [cell for cell in cells if cell.pace == "paced"]
        try:
            async with asyncio.TaskGroup() as group:
                for cell in cells:
                    if cell.pace != "paced":
                        group.create_task(finish(cell))
            if paced:
                await self._bench.start_all(plan(cell, self._catalogue) for cell in paced)
            async with asyncio.TaskGroup() as group:
                for cell in paced:
                    group.create_task(finish(cell))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from faults
        return [results[cell.id] for cell in cells]

    async def result(self, cell: Cell) -> Result:
        """Return a cell's result, which is then on disk."""
        return await _once(self._finishing, cell.id, lambda: self._finish(cell))

    async def _finish(self, cell: Cell) -> Result:
        control, baseline = control_of(cell, self._stand_ins), baseline_of(cell)
        bare = Result(
            id=cell.id,
            cell=cell,
            outcome="error",
            reason="",
            control_id=control.id if cell != control else None,
            baseline_id=baseline.id if cell != baseline else None,
            twin_id=twin_of(cell).id if cell != twin_of(cell) else None,
            expectation=expected(cell.id, self._expectations),
        )
        try:
            measured = await self._measured(cell)
        except NoRoom:  # the next cell would fare no better
            raise
        except Unavailable as error:
            return self._keep(replace(bare, outcome="unavailable", reason=str(error)))
        except HarnessError as error:
            return self._keep(replace(bare, reason=str(error), fault=error.fault))
        of_control = await self._assessed(control) if cell != control else None
        of_baseline = await self._assessed(baseline) if cell != baseline else None
        outcome, reason, effect = conclude(measured.assessment, of_control, of_baseline, bare.expectation)
        judgement = measured.assessment.judgement
        return self._keep(
            replace(
                bare,
                outcome=outcome,
                reason=reason,
                verdict=measured.assessment.verdict,
                effect=effect,
                release=judgement.release,
                shows=measured.assessment.shows,
                metrics=measured.assessment.metrics,
                header_changes=measured.header_changes,
                versions=measured.versions,
                facts=measured.facts,
                evidence=str(self._run.evidence(cell).relative_to(self._run.folder)),
                started_at=measured.started_at,
                duration_ms=measured.duration_ms,
            )
        )

    async def _assessed(self, cell: Cell) -> Assessment | str:
        """Return what a cell's streams say, or why there are none."""
        try:
            return (await self._measured(cell)).assessment
        except NoRoom:
            raise
        except HarnessError as error:
            return f"{cell.id} could not be measured: {error}"

    async def _measured(self, cell: Cell) -> Measured:
        return await _once(self._measuring, cell.id, lambda: self._measure(cell))

    async def _measure(self, cell: Cell) -> Measured:
        todo = plan(cell, self._catalogue)
        entry = await self._bench.entry(todo.chain)  # before the lease: a slow start must not keep others waiting
        control = control_of(cell, self._stand_ins)
        of_control = await self._assessed(control) if cell != control else None
        control_metrics = of_control.metrics if isinstance(of_control, Assessment) else None
        twin = (await self._measured(twin_of(cell))).assessment if cell != twin_of(cell) else None
        need = needed_by(todo, entry.serial, self._bench.client(todo.client))
        async with self._bench.schedule.lease(need):
            started_at, began = datetime.now(UTC).isoformat(timespec="milliseconds"), time.monotonic()
            trace, entry = await self._stream(cell, todo, take=1)
            traces = [trace]
            assessment = await asyncio.to_thread(assess, traces, control_metrics)
            while (again := follow_up(traces, assessment)) and len(traces) < TAKES:
                trace, entry = await self._stream(cell, again.plan, take=len(traces) + 1, quiet=again.quiet)
                traces.append(trace)
                assessment = await asyncio.to_thread(assess, traces, control_metrics)
            if twin:
                assessment = as_in_lockstep(assessment, twin)
            if assessment.judgement.verdict == "broken" and (death := await _death(entry)):
                raise ProxyError(f"in mid-stream, {death}")
            return Measured(
                assessment=assessment,
                header_changes=header_changes(traces[0]),
                versions=self._versions(todo, entry),
                facts=self._facts(trace, entry, assessment),
                started_at=started_at,
                duration_ms=(time.monotonic() - began) * 1e3,
            )

    async def _stream(self, cell: Cell, todo: Plan, take: int, **manner: bool) -> tuple[Trace, StartedChain]:
        trace, entry = await self._bench.record(cell.id, todo, **manner)
        folder = await asyncio.to_thread(self._run.save_trace, trace, cell, take)
        _link(folder, entry)
        return trace, entry

    def _versions(self, todo: Plan, entry: StartedChain) -> dict[str, str]:
        client = {todo.client: self._bench.client(todo.client).version()}
        hops = ({hop.program: running.version} for hop, running in zip(todo.chain, entry.hops, strict=True))
        return versions_met([client, *hops])

    def _facts(self, trace: Trace, entry: StartedChain, assessment: Assessment) -> Facts:
        """Return what the streams tell beside their verdict, and what only the run knows."""

        def about(kind: HopKind) -> tuple[str, ...]:
            hops = zip(entry.kinds, entry.hops, strict=True)
            return tuple(hop.about for of_kind, hop in hops if of_kind == kind and hop.about)

        return replace(
            assessment.facts,
            emulates=about("emulator"),
            applications=about("application"),
            stand_in=self._stand_ins.get(trace.plan.client),
            unguarded=entry.guard.pulse.lost and not WAITED.isdisjoint(step.kind for step in trace.steps),
        )

    def _keep(self, result: Result) -> Result:
        self._run.append(result)
        return result


def _link(folder: Path, entry: StartedChain) -> None:
    """Point from a cell's evidence to that of the proxies it went through."""
    for number, evidence in enumerate(entry.evidence):
        link = folder / f"hop-{number + 1}"
        with suppress(FileExistsError):
            link.symlink_to(Path("../..") / evidence.parent.name / evidence.name)


async def _death(entry: StartedChain) -> str | None:
    """Return how a proxy of the chain died; one that is dying may take a moment to be dead."""
    await until(entry.death, DEATH_S)
    return entry.death()


async def _once(tasks: dict[str, asyncio.Task[T]], key: str, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    if key not in tasks:
        tasks[key] = asyncio.create_task(start())
    return await asyncio.shield(tasks[key])
