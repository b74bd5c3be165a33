"""From cells to results: measures each cell once, holds it against its control and its baseline, keeps the evidence.

Rules: a cell's control and baseline are measured before it is judged, and a paced cell's lockstep twin before the cell;
what could not be measured says whose fault it is and never looks like a verdict; every result is on disk before anybody
is told of it. What runs beside it is in no answer (`beside.py`). Cells stream through: few are under way at once, and
of one that is done only that stays which others are held against.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Self

from harness.errors import HarnessError, InputError, NoRoom, ProxyError, Unavailable
from harness.judge.counted import counted, turned_away
from harness.judge.metrics import header_changes
from harness.judge.outcome import as_in_lockstep, conclude, expected, unsaid
from harness.judge.verdict import Assessment
from harness.matrix.mitigations import plan
from harness.matrix.references import StandIns, baseline_of, control_of, twin_of
from harness.matrix.requests import Requests
from harness.measure.again import Baseline, asked_again
from harness.measure.beside import Beside
from harness.measure.limits import RESTS_S
from harness.measure.run_facts import facts_of_run, versions
from harness.measure.schedule import Alone
from harness.measure.sights import Sight, sight
from harness.measure.streams import Measured, Streams, Terms, TraceSource, concluded
from harness.measure.under_way import each, once
from harness.model import (
    LIMITS,
    Cell,
    Chain,
    Expectation,
    Mitigation,
    Plan,
    Result,
    TurnedAway,
    Verdict,
)
from harness.store.runs import Run

LASTS_MS = 30_000
"""From so much delay on a cell is not waited for by others of its chain."""


class Runner:
    """Turns cells into results on one bench, each once, and tells `on_sight` early how they look. Leaving gives up.

    If it goes `slowly`, each cell is asked for as what was turned away is: alone, without pulses, and not before a
    limit has had the time to let one more through.
    """

    def __init__(
        self,
        bench: TraceSource,
        run: Run,
        catalogue: Mapping[str, Mitigation],
        requests: Requests,
        expectations: Sequence[Expectation] = (),
        stand_ins: StandIns = MappingProxyType({}),
    ) -> None:
        self._bench = bench
        self._run = run
        self._catalogue = catalogue
        self._requests = requests
        self._expectations = expectations
        self._stand_ins = stand_ins
        self._measuring: dict[Cell, asyncio.Task[Measured]] = {}
        self._alone: dict[Cell, asyncio.Task[Measured]] = {}
        self._finishing: dict[Cell, asyncio.Task[Result]] = {}
        self._beside = Beside(self._measured, self._measured_alone)
        self._asked_at: dict[Chain, float] = {}
        self.slowly = False
        self.on_sight: Callable[[Cell, Sight], object] = lambda cell, sight: None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End what is still measuring, so that it does not take the end of the bench for a fault of a cell."""
        own = (self._finishing, self._alone, self._measuring)
        tasks = [*self._beside.tasks, *(task for each in own for task in each.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _plan(self, cell: Cell) -> Plan:
        return plan(cell, self._catalogue, self._requests)

    async def run(
        self,
        cells: Iterable[Cell],
        on_result: Callable[[Result], None],
        on_sight: Callable[[Cell, Verdict | None], None] = lambda cell, verdict: None,
    ) -> list[Result]:
        """Measure all cells, as many at once as there are jobs; tell of each result as it comes, and before that what a
        cell looks like at first sight, which others of its chain may still turn.

        Where time is the question, what starts or computes beside would be in the answer: paced cells come last, when
        their chains and clients have started.
        """

        async def finish(cell: Cell) -> None:
            results[cell] = await self.result(cell)
            on_result(results[cell])
            own = self._needs(cell)
            needed.subtract(own)
            if not all(needed[chain] for chain in own):
                await self._bench.needs(chain for chain, cells in needed.items() if cells)

        async def measure(cell: Cell) -> None:
            """Measure a cell, and finish whatever does not await another one any more."""
            try:
                on_sight(cell, (await self._measured(cell)).verdict)
            except NoRoom:
                raise
            except HarnessError:  # its result will say so
                pass
            chain = self._chain(cell)
            left[chain] -= 1
            done = [cell] if cell in asked else []
            done += waiting.pop(chain, []) if not left[chain] else []
            ready = []
            for one in done:
                awaited = next((chain for chain in self._awaits(one) if left[chain]), None)
                ready.append(one) if awaited is None else waiting[awaited].append(one)
            await each(ready, finish)

        asked, results = dict.fromkeys(cells), dict[Cell, Result]()
        needed = Counter(chain for cell in asked for chain in self._needs(cell))
        paced = [cell for cell in asked if cell.pace == "paced"]
        lockstep = dict.fromkeys(one for cell in asked for one in (baseline_of(cell), cell) if one.pace != "paced")
        left = Counter(map(self._chain, lockstep))
        waiting = defaultdict[Chain, list[Cell]](list)
        self.beside_each_other(lockstep)
        await self._bench.needs(needed)
        await each(lockstep, measure)
        if paced:
            await self._bench.start_all(self._plan(cell) for cell in paced)
        await each(paced, finish)
        return [results[cell] for cell in asked]

    async def result(self, cell: Cell) -> Result:
        """Return a cell's result, which is then on disk."""
        return await once(self._finishing, cell, lambda: self._finish(cell))

    def beside_each_other(self, cells: Iterable[Cell]) -> None:
        """Hear which cells will run side by side: one of each chain is measured alone, too, and no later one."""
        if self._bench.schedule.jobs > 1:
            for chain, together in self._by_chain(cells).items():
                self._beside.add(chain, together)

    def give_up(self, cells: Iterable[Cell]) -> None:
        """Forget cells that nobody waits for any more, and that no others are held against."""
        for cell in cells:
            self._beside.give_up(cell)
            for tasks in (self._finishing, self._alone, self._measuring):
                if task := tasks.pop(cell, None):
                    task.cancel()

    async def started(self, cells: Iterable[Cell], needed: Cell) -> None:
        """Start the chains of some cells. What fails tells its cells; what is wrong in a config of that one which is
        needed raises InputError as soon as it is known.
        """
        chains = dict.fromkeys(self._chain(cell) for cell in (needed, *cells))
        every = [asyncio.create_task(self._bench.entry(chain)) for chain in chains]
        try:
            with suppress(Unavailable, ProxyError):
                await every[0]
        except InputError:
            for one in every:
                one.cancel()
            raise
        finally:
            await asyncio.gather(*every, return_exceptions=True)

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
            with suppress(HarnessError):  # which the next line tells
                await self._look(cell, baseline)
            measured = await self._settled(cell)
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
                measured=unsaid(measured.assessment, reason),
                verdict=measured.verdict,
                effect=effect,
                release=judgement.release,
                shows=measured.assessment.shows,
                metrics=measured.assessment.metrics,
                header_changes=measured.header_changes,
                versions=measured.versions,
                facts=measured.assessment.facts,
                evidence=str(self._run.evidence(cell).relative_to(self._run.folder)),
                started_at=measured.streams.started_at,
                duration_ms=measured.streams.took_ms,
            )
        )

    async def _look(self, cell: Cell, baseline: Cell) -> None:
        """Tell what a cell looks like as soon as that is known by its own streams and, if it holds, its baseline's."""
        measured = await self._measured(cell)
        if measured.let_through == "it" and not measured.assessment.doubtful:
            compared = measured.verdict != "streamed" and cell != baseline
            before = (await self._measured(baseline)).assessment if compared else None
            self.on_sight(cell, sight(measured.assessment, before))

    async def _assessed(self, cell: Cell) -> Assessment | str:
        """Return what a cell's streams say, or why there are none."""
        try:
            return (await self._settled(cell)).assessment
        except NoRoom:
            raise
        except HarnessError as error:
            return f"{cell.id} could not be measured: {error}"

    async def _settled(self, cell: Cell) -> Measured:
        """Return what a cell came to, alone if beside others its chain is another thing, or a busy machine looks so."""
        measured = await self._measured(cell)
        if measured.assessment.doubtful and self._bench.schedule.jobs > 1:
            return await self._measured_alone(cell)
        chain = self._chain(cell)
        if not measured.beside or not await self._beside.wants_alone(chain, cell):
            return measured
        return await self._measured_alone(cell)

    def _needs(self, cell: Cell) -> set[Chain]:
        """Return the chains that a cell may go through until it is done: it may be asked again beside its baseline."""
        return {self._chain(cell), self._chain(baseline_of(cell))}

    def _awaits(self, cell: Cell) -> Iterator[Chain]:
        """Yield the chains of which a cell is measured alone, too, before this one is done."""
        measuring = self._measuring[cell]
        if not measuring.exception():
            own, of_baseline = self._chain(cell), self._chain(baseline_of(cell))
            if own in self._beside and measuring.result().beside:
                yield own
            if of_baseline in self._beside and of_baseline != own:
                yield of_baseline

    def _by_chain(self, cells: Iterable[Cell]) -> dict[Chain, dict[Cell, None]]:
        """Return the cells that are measured side by side, by their chains: but not where one alone would take long."""
        chains: dict[Chain, dict[Cell, None]] = {}
        for cell in cells:
            chains.setdefault(self._chain(cell), {})[cell] = None
        return {chain: together for chain, together in chains.items() if not any(map(self._lasts, together))}

    def _lasts(self, cell: Cell) -> bool:
        """Tell whether a cell takes its time however it goes: its tokens are sent with long delays between them."""
        try:
            emission = self._plan(cell).emission
        except InputError:  # its result will say so
            return False
        return (emission.delay_ms or 0) * emission.workload.tokens > LASTS_MS

    def _chain(self, cell: Cell) -> Chain:
        """Return the chain that a cell's streams go through, which a mitigation may have changed."""
        try:
            return self._plan(cell).chain
        except InputError:  # its result will say so
            return cell.chain

    async def _measured(self, cell: Cell) -> Measured:
        return await once(self._measuring, cell, lambda: self._measure(cell))

    async def _measured_alone(self, cell: Cell) -> Measured:
        return await once(self._alone, cell, lambda: self._measure_alone(cell))

    async def _measure(self, cell: Cell) -> Measured:
        todo = self._plan(cell)
        entry = await self._bench.entry(todo.chain)
        control = control_of(cell, self._stand_ins)
        of_control = await self._assessed(control) if cell != control else None
        control_metrics = of_control.metrics if isinstance(of_control, Assessment) else None
        twin = (await self._settled(twin_of(cell))).assessment if cell != twin_of(cell) else None
        on_hold = partial(self.on_sight, cell, "held")
        streams = Streams(self._bench, self._run, cell, todo, entry, control_metrics, on_hold)
        measured = await self._read(cell, streams, self._terms(todo.chain))
        return replace(measured, assessment=as_in_lockstep(measured.assessment, twin)) if twin else measured

    def _terms(self, chain: Chain) -> Terms:
        """Return how a cell of a chain is asked for at first."""
        if not self.slowly or not chain:
            return Terms()
        ago_s = asyncio.get_running_loop().time() - self._asked_at.get(chain, float("-inf"))
        return Terms("in its chain", max(RESTS_S[-1] - ago_s, 0), quiet=True)

    async def _measure_alone(self, cell: Cell) -> Measured:
        """Measure a cell again, alone, and what is doubtful then once more, alone on the machine.

        If a hop turns that away for good, what it was beside others stands.
        """
        beside = await self._measured(cell)
        where: Alone = "on the machine" if beside.assessment.doubtful else "in its chain"
        alone = await self._read(cell, beside.streams, Terms(where))
        if where == "in its chain" and alone.assessment.doubtful:
            alone = await self._read(cell, beside.streams, Terms("on the machine"))
        if alone.let_through != "it":
            return beside
        if alone.verdict == beside.verdict:
            return alone
        facts = replace(alone.assessment.facts, beside_others=beside.verdict)
        return replace(alone, assessment=replace(alone.assessment, facts=facts))

    async def _read(self, cell: Cell, streams: Streams, terms: Terms) -> Measured:
        """Return what a cell's streams say that are asked for like this, and again if a hop turns them away."""
        now = asyncio.get_running_loop().time
        self._asked_at[streams.plan.chain] = now()
        takes = await streams.ask(terms)
        away = None
        if any(turned_away(take.trace) for take in takes):
            self.on_sight(cell, "limited" if takes[-1].trace.status in LIMITS else "refused")
            again, let_through = await asked_again(streams, await self._asked_beside(cell))
            self._asked_at[streams.plan.chain] = now()
            takes += again
            refused = [take.trace for take in takes if turned_away(take.trace)]
            away = TurnedAway(len(refused), refused[-1].status, let_through, streams.words)
        assessment, trace = concluded(takes), counted([take.trace for take in takes])[-1]
        facts = facts_of_run(trace, streams.entry, self._stand_ins, replace(assessment.facts, turned_away=away))
        return Measured(
            assessment=replace(assessment, facts=facts, seen=()),
            header_changes=header_changes(trace),
            versions=versions(streams.plan, streams.entry, self._bench.client(streams.plan.client).version()),
            streams=streams,
            beside=bool(streams.plan.chain) and not (trace.alone or streams.entry.serial),
        )

    async def _asked_beside(self, cell: Cell) -> Baseline | None:
        """Return the baseline beside which a cell is asked again; None if it is one, or it could not be measured."""
        baseline = baseline_of(cell)
        if cell == baseline:
            return None
        try:
            measured = await self._measured(baseline)
        except NoRoom:
            raise
        except HarnessError:
            return None
        return Baseline(baseline, self._plan(baseline), refused=measured.let_through != "it")

    def _keep(self, result: Result) -> Result:
        self._run.append(result)
        return result
