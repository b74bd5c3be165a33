"""How long does a diagnosis take, once the programs of its chain are up?

    python -m benchmarks.diagnoses [TIMES] [CHAIN...]

Has each chain diagnosed TIMES times (3), all in turn, as a machine's speed varies: by default two hops each, for curl
and browsers. Tells medians: how long its programs took to be up, and how long it was from there until the answer, how
many cells that took, and the answer. A program that is started later, for a config that is edited, is in the second.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import session
from harness.measure.sights import Sight
from harness.model import Cell, Result

CHAINS = (
    "nginx:default>nginx:gzip",
    "haproxy:default>nginx:default",
    "haproxy:compression>nginx:http10",
    "caddy:encode>haproxy:compression",
    "traefik:compress>nginx:default",
    "envoy:compressor>nginx:http10",
    "apache:deflate-all>express:compression",
    "traefik:buffering>nginx:default",
    "nextjs:dev>nginx:default",
)
WORKLOAD = {"tokens": 32, "token_bytes": 96}


@dataclass(slots=True)
class Timed:
    """A runner that knows when the programs were up; `on_sight` and `slowly` are the runner's own."""

    runner: session.Runner
    up_at: float = field(default=0.0, init=False)

    @property
    def on_sight(self) -> Callable[[Cell, Sight], object]:
        return self.runner.on_sight

    @on_sight.setter
    def on_sight(self, told: Callable[[Cell, Sight], object]) -> None:
        self.runner.on_sight = told

    @property
    def slowly(self) -> bool:
        return self.runner.slowly

    @slowly.setter
    def slowly(self, slowly: bool) -> None:
        self.runner.slowly = slowly

    async def started(self, cells: Iterable[Cell], needed: Cell) -> None:
        await self.runner.started(cells, needed)
        self.up_at = time.monotonic()

    def beside_each_other(self, cells: Iterable[Cell]) -> None:
        self.runner.beside_each_other(cells)

    def give_up(self, cells: Iterable[Cell]) -> None:
        self.runner.give_up(cells)

    async def result(self, cell: Cell) -> Result:
        return await self.runner.result(cell)


@dataclass(frozen=True, slots=True)
class Took:
    """What a diagnosis took, in s and cells, and what it came to."""

    start_s: float
    search_s: float
    cells: int
    answer: str


async def diagnosed(chain: str) -> Took:
    """Have a chain diagnosed, on a bench of its own."""
    began = time.monotonic()
    job = session.diagnosis({"chain": chain, "request": ["curl", "browser"]}, WORKLOAD)
    search = session.search_of(job)
    with tempfile.TemporaryDirectory() as folder:
        async with session.session(job, Path(folder)) as (runner, run):
            timed = Timed(runner)
            await session.diagnose(search, session.controls_of(job), timed, run, lambda _: None)
            over_at = time.monotonic()
    best = "+".join(search.best or ()) or ("nothing mends it" if search.held else "streams")
    return Took(timed.up_at - began, over_at - timed.up_at, len(run.results), best)


def main(times: int, chains: Sequence[str]) -> None:
    took: dict[str, list[Took]] = {chain: [] for chain in chains}
    for _ in range(times):
        for chain in chains:
            took[chain].append(asyncio.run(diagnosed(chain)))
    for chain, those in took.items():
        start_s, search_s = (
            statistics.median(each) for each in ([t.start_s for t in those], [t.search_s for t in those])
        )
        cells, answers = (sorted({*each}) for each in ([t.cells for t in those], [t.answer for t in those]))
        said = " to ".join(map(str, dict.fromkeys((cells[0], cells[-1]))))
        print(f"{chain:42} up in {start_s:4.1f} s, then {search_s:4.1f} s: {said} cells, {' or '.join(answers)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3, sys.argv[2:] or CHAINS)
