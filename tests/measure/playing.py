"""Cells that are measured on a bench on which nothing runs: what each of their streams was is simulated, or a story."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

from harness.judge.verdict import assess
from harness.measure.bench import StartedChain
from harness.measure.replay import Replay, Take
from harness.measure.runner import Runner
from harness.measure.schedule import Schedule
from harness.model import Cell, Expectation, Plan, Result, Trace
from harness.store.runs import Run
from tests.factories import plan, story, workload
from tests.hops import Blocks, HoldsToEnd, Hop, Lag, Passes
from tests.planning import REQUESTS
from tests.reports.samples import CATALOGUE, cell
from tests.simulation import simulate

Stream = Callable[[], Trace]
"""A stream that is simulated when it is first asked for: nothing of ours runs while tests are read."""


def through(hop: Callable[[], Hop], **emission: Any) -> Stream:
    """Return a stream of six tokens, or of as many as are announced, through a hop."""

    @cache
    def stream() -> Trace:
        return simulate(plan(workload(tokens=6, token_bytes=2048), **emission), hop())

    return stream


STREAMED = through(Passes)
HELD = through(HoldsToEnd)
COALESCED = through(partial(Blocks, 8192))
DELAYED = through(partial(Lag, 80))
SHORT = through(Passes, body="length")
LONGER = cache(lambda: through(Passes, body="length", announced_tokens=assess([SHORT()]).would_do)())
PULSED = "s0 +400 pulse0 r0 s1 +400 pulse1 r1 s2 +400 pulse2 r2 end"
BROKEN = "s0 r0 s1"

CONTROL = cell("direct")
BARE = cell("nginx:default")
MITIGATED = cell("nginx:default", "x-accel-buffering")

Story = str | Take | Stream
Stories = Mapping[str, Story | Sequence[Story]]


class Played(Replay):
    """Plays stories, one for each cell or one for each of its takes, and keeps how they were asked for.

    A brief take is one of them, too: it says that it is brief, and goes as it is told. A cell without a story never
    ends.
    """

    def __init__(self, stories: Stories, jobs: int = 1, **more: Any) -> None:
        takes = {cell_id: takes_of(cell_id, told) for cell_id, told in stories.items()}
        super().__init__(takes, Schedule(jobs), **more)
        self._told = stories.keys()
        self.takes: Counter[str] = Counter()
        self.brief: Counter[str] = Counter()
        self.asked: list[tuple[int | None, bool]] = []
        self.at_once = 0
        self.at_once_max = 0

    async def start_all(self, plans: Iterable[Plan]) -> None:
        self.takes["started"] = len({plan.chain for plan in plans})

    async def record(
        self,
        cell_id: str,
        plan: Plan,
        quiet: bool = False,
        brief: bool = False,
        on_hold: Callable[[], object] = lambda: None,
    ) -> tuple[Trace, StartedChain]:
        self.takes[cell_id] += 1
        self.brief[cell_id] += brief
        self.asked.append((plan.emission.announced_tokens, quiet))
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            if cell_id not in self._told:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        trace, entry = await super().record(cell_id, plan, quiet, brief, on_hold)
        return replace(trace, plan=replace(trace.plan, chain=plan.chain), brief=brief), entry


def takes_of(cell_id: str, told: Story | Sequence[Story]) -> list[Take]:
    """Return what is played for a cell whose story, or stories, are these."""
    stories = told if isinstance(told, Sequence) and not isinstance(told, str) else [told]
    return [replace(take, cell_id=cell_id) if isinstance(take, Trace) else take for take in map(_take, stories)]


def _take(told: Story) -> Take:
    if isinstance(told, str):
        return story(told)
    return told() if callable(told) else told


async def measured(run: Run, bench: Played, *cells: Cell, expect: Sequence[Expectation] = ()) -> dict[str, Result]:
    """Run cells and return their results by id; what is on disk is what was returned."""
    async with Runner(bench, run, CATALOGUE, REQUESTS, expect) as runner:
        results = await runner.run(cells, lambda result: None)
    assert Run.open(run.folder).results == run.results
    assert sorted(result.id for result in run.results) == sorted(result.id for result in results)
    return {result.id: result for result in results}


async def one(run: Run, stories: Stories, of: Cell, expect: Sequence[Expectation] = ()) -> Result:
    """Run one cell and return its result."""
    return (await measured(run, Played(stories), of, expect=expect))[of.id]
