"""The cells that one cell is held against: what has to stream, what shows the chain as it is, and the same in lockstep.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from harness.model import AT, Cell, StandIn

StandIns = Mapping[str, StandIn]
"""Who reads the control of a client, for those that cannot read it themselves: a control must stream."""


def referenced(cells: Iterable[Cell], stand_ins: StandIns) -> tuple[Cell, ...]:
    """Return the cells, each after its control and its baseline, each of these after its twin, none twice."""
    needed = (one for cell in cells for one in _held_against(cell, stand_ins))
    return tuple(dict.fromkeys(one for cell in needed for one in (twin_of(cell), cell)))


def _held_against(cell: Cell, stand_ins: StandIns) -> Iterator[Cell]:
    """Yield what a cell needs, itself as the last: one that is its own control is not before its baseline."""
    if (control := control_of(cell, stand_ins)) != cell:
        yield control
    yield from (baseline_of(cell), cell)


def control_of(cell: Cell, stand_ins: StandIns) -> Cell:
    """Return the cell that must stream if this one is to mean anything.

    Who cannot read it, or may hold tokens as a layer does, has it read by a stand-in. To an emitter elsewhere there is
    no way without a chain: then it is the cell itself.
    """
    if cell.chain and cell.chain[-1].proxy == AT:
        return cell
    stand_in = stand_ins.get(cell.client)
    return replace(cell, chain=(), mitigations=(), client=stand_in.reader if stand_in else cell.client)


def baseline_of(cell: Cell) -> Cell:
    """Return the cell that shows what the chain does to an unmitigated stream."""
    return replace(cell, mitigations=()) if cell.mitigations else cell


def twin_of(cell: Cell) -> Cell:
    """Return the cell in lockstep, whose verdict a paced one carries; one in lockstep is its own."""
    return cell if cell.pace == "lockstep" else replace(cell, pace="lockstep")
