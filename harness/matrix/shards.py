"""A matrix in parts that several machines measure, each part whole in itself. Pure.

Rules: a layer stays together, so that its baseline is measured once; each part has the controls of its cells; the parts
are about as large as each other, and the same wherever they are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from harness.errors import InputError, SelectionError
from harness.matrix.references import StandIns, control_of, referenced
from harness.model import Cell

MOST = 1000


@dataclass(frozen=True, slots=True)
class Shard:
    """One of so many parts; the first is number 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read `2/4`. Raises InputError for what is no part of a whole."""
        said = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        if not said or not 1 <= int(said[1]) <= int(said[2]) <= MOST:
            raise InputError(f"{text!r} is no shard: say which of how many, as 2/4, of {MOST} at most")
        return cls(int(said[1]), int(said[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def part(cells: Sequence[Cell], shard: Shard, stand_ins: StandIns) -> tuple[Cell, ...]:
    """Return the cells of one part, with all that they are held against.

    Raises SelectionError if there are fewer layers than parts.
    """
    parts: list[list[Cell]] = [[] for _ in range(shard.of)]
    for layer in sorted(_layers(cells, stand_ins), key=len, reverse=True):
        min(parts, key=len).extend(layer)
    mine = set(parts[shard.number - 1])
    if not mine:
        layers = sum(map(bool, parts))
        raise SelectionError(f"shard {shard} has nothing to measure: the matrix has {layers} layers, one for a shard")
    return referenced((cell for cell in cells if cell in mine), stand_ins)


def _layers(cells: Sequence[Cell], stand_ins: StandIns) -> Iterator[list[Cell]]:
    """Yield the cells of each layer, in the matrix's order; a control belongs to whoever needs it."""
    needed = {control for cell in cells if (control := control_of(cell, stand_ins)) != cell}
    layers: dict[Cell, list[Cell]] = {}
    for cell in cells:
        if cell not in needed:
            layers.setdefault(replace(cell, mitigations=(), pace="lockstep"), []).append(cell)
    yield from layers.values()
