"""Cells that are measured side by side: has that changed what they are?

Of each chain one of them is measured alone, too: one that does not stream, or a baseline. If it is another thing then,
all of them are measured alone. What is measured alone anyway tells nothing of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.measure.streams import Measured
from harness.measure.under_way import once
from harness.model import Cell, Chain

Measure = Callable[[Cell], Awaitable[Measured]]


@dataclass(frozen=True, slots=True)
class Sample:
    """The cell of a chain that was measured alone, too, and if it was another thing then.

    None: no others ran beside it, or alone it began as it did beside them.
    """

    cell: Cell | None
    differs: bool


class Beside:
    """The cells that run side by side, by their chains. `measured` and `measured_alone` tell what one of them is."""

    def __init__(self, measured: Measure, measured_alone: Measure) -> None:
        self._measured = measured
        self._measured_alone = measured_alone
        self._together: dict[Chain, dict[Cell, None]] = {}
        self._sampling: dict[Chain, asyncio.Task[Sample]] = {}

    def __contains__(self, chain: Chain) -> bool:
        return chain in self._together

    @property
    def tasks(self) -> Collection[asyncio.Task[Sample]]:
        """What is under way."""
        return self._sampling.values()

    def add(self, chain: Chain, cells: Iterable[Cell]) -> None:
        """Hear of cells that will run side by side through a chain."""
        self._together.setdefault(chain, {}).update(dict.fromkeys(cells))

    def give_up(self, cell: Cell) -> None:
        """Forget a cell that nobody measures any more."""
        for together in self._together.values():
            together.pop(cell, None)

    async def wants_alone(self, chain: Chain, cell: Cell) -> bool:
        """Tell whether a cell that was measured beside others has to be measured alone to know what it is."""
        together = self._together.get(chain, {})
        if cell not in together:
            return False
        sample = await once(self._sampling, chain, lambda: self._sample(together))
        return sample.differs or sample.cell == cell

    async def _sample(self, together: Collection[Cell]) -> Sample:
        """Measure one of the cells alone, too. Those that could not be measured say so themselves."""
        met, best = 0, None
        for cell in [*together]:
            if cell not in together:  # it was given up
                continue
            try:
                measured = await self._measured(cell)
            except HarnessError:
                continue
            except asyncio.CancelledError:
                if (own := asyncio.current_task()) and own.cancelling():
                    raise
                continue  # it was given up meanwhile
            met += measured.beside
            if not measured.beside or measured.assessment.doubtful:  # those are measured alone anyway
                continue
            rank = measured.verdict == "streamed", bool(cell.mitigations)
            if best is None or rank < best[0]:
                best = rank, cell, measured
        if met == 1 or best is None:
            return Sample(None, differs=False)
        _, cell, measured = best
        try:
            if await measured.streams.begins_alike_alone():
                return Sample(None, differs=False)
            alone = await self._measured_alone(cell)
        except HarnessError:
            return Sample(cell, differs=False)
        return Sample(cell, alone.verdict != measured.verdict)
