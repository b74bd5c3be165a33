"""Which axes tell two groups of cells apart: those in which something holds, and those in which it does not. Pure.

Rules: an axis separates them if no value of it occurs in both groups; several that do so are all named, for then they
change together and none of them is proven; where none does, two axes are tried together, the pair that needs the
fewest combinations of values first. More than two explain nothing: then there is no separation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model import Cell, chain_text

Values = tuple[str, ...]

AXES: Mapping[str, Callable[[Cell], str]] = {
    "chain": lambda cell: chain_text(cell.chain),
    "format": lambda cell: cell.format,
    "body": lambda cell: cell.body,
    "request": lambda cell: cell.request,
    "client": lambda cell: cell.client,
    "workload": lambda cell: cell.workload.name,
    "mitigations": lambda cell: "+".join(cell.mitigations) or "no mitigation",
    "pace": lambda cell: cell.pace,
}


@dataclass(frozen=True, slots=True)
class Separation:
    """Axes that separate two groups of cells, and the values that each group has on them.

    With `together` all of `axes` are needed; else each of them does it alone.
    """

    axes: tuple[str, ...]
    together: bool
    holding: tuple[Values, ...]
    others: tuple[Values, ...]


def separation(holding: Sequence[Cell], others: Sequence[Cell]) -> Separation | None:
    """Return what tells two groups of cells apart; None if neither an axis nor a pair of them does."""
    if alone := tuple(axis for axis in AXES if _disjoint((axis,), holding, others)):
        return _separated(alone, False, holding, others)
    pairs = [_separated(pair, True, holding, others) for pair in itertools.combinations(AXES, 2)]
    disjoint = [pair for pair in pairs if not set(pair.holding) & set(pair.others)]
    return min(disjoint, key=lambda pair: len(pair.holding) + len(pair.others), default=None)


def _disjoint(axes: Values, holding: Sequence[Cell], others: Sequence[Cell]) -> bool:
    return not set(_values(axes, holding)) & set(_values(axes, others))


def _separated(axes: Values, together: bool, holding: Sequence[Cell], others: Sequence[Cell]) -> Separation:
    return Separation(axes, together, _values(axes, holding), _values(axes, others))


def _values(axes: Values, cells: Sequence[Cell]) -> tuple[Values, ...]:
    """Return the combinations of values that occur, each once."""
    return tuple(dict.fromkeys(tuple(AXES[axis](cell) for axis in axes) for cell in cells))
