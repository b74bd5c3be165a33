"""The table people came for, before anybody draws it: one row per layer, one column per mitigation. Pure.

Rules: a layer is a cell without its mitigations, and that cell's result is the row's baseline; a column is a set of
mitigations; cheap columns come first, by kind of cost and then as the catalogue has them. A cell that was not
measured is absent, a cell that could not be judged is `unknown`: neither is ever shown as `no effect`.
Real proxies come before emulated ones, short chains before long ones. Plain direct streams are the controls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from harness.model import AXES, LABELS, Cell, Cost, Effect, Manner, Mitigation, Result, chain_text
from harness.reports import words

Mark = Effect | Literal["unknown"]

MARKS: tuple[Mark, ...] = (*get_args(Effect), "unknown")
COSTS: tuple[Cost, ...] = get_args(Cost)


@dataclass(frozen=True, slots=True)
class Column:
    """One mitigation, or several applied together."""

    name: str
    cost: Cost


@dataclass(frozen=True, slots=True)
class Row:
    """One layer: how it treats a stream as it is, and under each mitigation that was tried on it."""

    layer: Cell
    baseline: Result | None
    results: Mapping[str, Result]
    defeats: tuple[Column, ...]
    reduces: tuple[Column, ...]
    harms: tuple[Column, ...]
    emulates: tuple[str, ...]

    @property
    def chain(self) -> str:
        """The chain as people write it."""
        return chain_text(self.layer.chain)

    @property
    def status(self) -> str:
        """The verdict on the layer as it is, or why there is none."""
        return words.status(self.baseline) if self.baseline else "not run"

    @property
    def shows(self) -> Manner | None:
        """What the stream as asked shows without mitigations, if that is worse than the verdict looks."""
        judged = self.baseline and self.baseline.verdict == self.status
        return words.shows_worse(self.baseline) if self.baseline and judged else None

    @property
    def found(self) -> str:
        """The status, and what is shown where that is worse."""
        return f"{self.status}, shows {self.shows}" if self.shows else self.status

    @property
    def streams(self) -> bool:
        """Whether it holds nothing as it is."""
        return self.status == "streamed" and not self.shows

    def value(self, axis: str) -> str:
        """Where the layer lies on an axis."""
        return AXES[axis].of(self.layer)

    def mark(self, column: Column) -> Mark | None:
        """What the column's mitigation did to the layer; None where that was not measured."""
        result = self.results.get(column.name)
        return mark(result) if result else None


@dataclass(frozen=True, slots=True)
class Table:
    """All rows and columns. `axes` tell the rows of a chain apart, `common` is what all rows share."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    axes: tuple[str, ...]
    common: Mapping[str, str]
    controls: tuple[Result, ...]

    @property
    def marks(self) -> Sequence[Mark]:
        """The marks that occur, best first."""
        found = {mark(result) for row in self.rows for result in row.results.values()}
        return [shown for shown in MARKS if shown in found]

    @property
    def shared(self) -> str:
        """What all rows share, in words."""
        return ", ".join(f"{axis} {value}" for axis, value in self.common.items())

    @property
    def sampled(self) -> str:
        """Which chains were so slow that streams were cut short, in words."""
        measured = ((row.chain, one) for row in self.rows for one in (row.baseline, *row.results.values()) if one)
        slow = Counter(chain for chain, result in measured if result.facts.sampled_after is not None)
        return ", ".join(f"{chain} ({words.counted(number, 'cell')})" for chain, number in slow.items())

    def chains(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows by chain."""
        by_chain: dict[str, list[Row]] = {}
        for row in self.rows:
            by_chain.setdefault(row.chain, []).append(row)
        return by_chain


def mark(result: Result) -> Mark:
    """Return the effect a result shows, or `unknown` if it shows none."""
    judged = result.outcome in ("pass", "fail", "observed")
    return result.effect if judged and result.effect else "unknown"


def tabulate(results: Sequence[Result], catalogue: Mapping[str, Mitigation]) -> Table:
    """Shape results into the table."""
    layers: dict[Cell, dict[tuple[str, ...], Result]] = {}
    for result in results:
        layer = replace(result.cell, mitigations=())
        layers.setdefault(layer, {})[result.cell.mitigations] = result
    controls = tuple(tried[()] for layer, tried in layers.items() if not layer.chain and list(tried) == [()])
    order = list(catalogue)
    tried = dict.fromkeys(r.cell.mitigations for r in results if r.cell.mitigations)
    ranks = {names: _rank(names, catalogue, order) for names in tried}
    columns = tuple(Column("+".join(names), COSTS[ranks[names][0]]) for names in sorted(tried, key=ranks.__getitem__))
    rows = sorted(
        (_row(layer, tried, columns) for layer, tried in layers.items() if layer.chain or list(tried) != [()]),
        key=_place,
    )
    seen = {axis: {row.value(axis) for row in rows} for axis in LABELS}
    return Table(
        columns=columns,
        rows=tuple(rows),
        axes=tuple(axis for axis in LABELS if AXES[axis].always or len(seen[axis]) > 1),
        common={a: next(iter(v)) for a, v in seen.items() if not AXES[a].always and len(v) == 1},
        controls=controls,
    )


def by_cost(columns: Iterable[Column]) -> Mapping[Cost, Sequence[str]]:
    """Return the names of columns by kind of cost, in the order they come in."""
    grouped: dict[Cost, list[str]] = {}
    for column in columns:
        grouped.setdefault(column.cost, []).append(column.name)
    return grouped


def _row(layer: Cell, tried: Mapping[tuple[str, ...], Result], columns: Sequence[Column]) -> Row:
    results = {"+".join(names): result for names, result in tried.items() if names}

    def with_effect(effect: Effect) -> tuple[Column, ...]:
        found = [c for c in columns if c.name in results and mark(results[c.name]) == effect]
        return tuple(sorted(found, key=lambda c: (COSTS.index(c.cost), _wire_bytes(results[c.name]), c.name)))

    return Row(
        layer=layer,
        baseline=tried.get(()),
        results=results,
        defeats=with_effect("defeats"),
        reduces=with_effect("reduces"),
        harms=with_effect("harms"),
        emulates=words.emulated(tried.values()),
    )


def _wire_bytes(result: Result) -> int:
    return result.metrics.wire_bytes if result.metrics else 0


def _rank(
    names: Sequence[str], catalogue: Mapping[str, Mitigation], order: Sequence[str]
) -> tuple[int, int, list[int]]:
    """Return where a column stands: by the dearest of its mitigations, single ones first, then as catalogued."""
    costs = [COSTS.index(catalogue[name].cost) if name in catalogue else len(COSTS) - 1 for name in names]
    places = [order.index(name) if name in catalogue else len(order) for name in names]
    return max(costs), len(names), places


def _place(row: Row) -> tuple[object, ...]:
    layer = row.layer
    return (
        len(layer.chain),
        bool(row.emulates),
        [(hop.proxy, hop.variant != "default", str(hop)) for hop in layer.chain],
        [AXES[axis].rank(layer) for axis in LABELS],
    )
