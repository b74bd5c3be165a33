"""Chains that are simulated whole: each hop has gates that hold, and says what opens them. No stream is needed.

A gate holds what is asked for by one of its `requests`, unless all of one of `opened_by` have reached its hop: names of
mitigations, or words such as `@coded` that another hop adds. A hop may use up what it was sent, or add a word.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.diagnosis.manner import Manner
from harness.diagnosis.search import Fate, Names, Search
from harness.model import Cell, Cost, Hop, Mitigation, Workload

LOAD = Workload("short", tokens=24, token_bytes=112)
BOTH = ("curl", "browser")


@dataclass(frozen=True)
class Gate:
    opened_by: tuple[Names, ...]
    requests: tuple[str, ...] = BOTH


@dataclass(frozen=True)
class SimulatedHop:
    gates: tuple[Gate, ...] = ()
    uses_up: tuple[str, ...] = ()
    adds: str = ""
    refuses: tuple[str, ...] = ()


@dataclass
class World:
    """The hops by name, and what each mitigation costs; `only` says of some that they are for one hop, `detours` which
    leave the chain or its transport, `edits` which edit a config. If `hides`, a gate that is open shows only once all
    are.
    """

    hops: Mapping[str, SimulatedHop]
    costs: Mapping[str, Cost]
    contradict: tuple[frozenset[str], ...] = ()
    only: Mapping[str, str] = field(default_factory=dict)
    detours: Collection[str] = ()
    edits: Collection[str] = ()
    hides: bool = False
    asked: list[Cell] = field(default_factory=list)

    @property
    def catalogue(self) -> dict[str, Mitigation]:
        """The mitigations, each of which changes something."""
        told = {name: Mitigation(name, "", "", cost, {name: "1"}) for name, cost in self.costs.items()}
        told |= {name: replace(told[name], edited=(Hop("any", "sim"),)) for name in self.edits}
        return told | {name: replace(told[name], chain="direct") for name in self.detours}

    @property
    def layers(self) -> list[Cell]:
        """All hops in a row, asked by both requests."""
        chain = tuple(Hop(name, "sim") for name in self.hops)
        return [Cell(chain, LOAD, request=request) for request in BOTH]

    def can(self, cell: Cell) -> bool:
        """Tell whether a cell can be measured."""
        names, hops = {*cell.mitigations}, {hop.proxy for hop in cell.chain}
        return not any(both <= names for both in self.contradict) and all(
            self.only.get(name, next(iter(hops))) in hops for name in names
        )

    def shut(self, cell: Cell) -> tuple[int, int]:
        """Return how many gates hold, and how many of these would hold without any mitigation."""
        return len(self._shut(cell, {*cell.mitigations})), len(self._shut(cell, set()))

    def manner(self, cell: Cell) -> Manner | None:
        """Return what is seen of how a cell holds: by which gates, unless one that is shut hides the others."""
        shut = self._shut(cell, {*cell.mitigations})
        return Manner(" ".join(shut)) if shut and not self.hides else None

    def fate(self, cell: Cell) -> Fate:
        """Return what becomes of a cell, and keep that it was asked for."""
        self.asked.append(cell)
        assert self.can(cell)
        assert len({*cell.mitigations}) == len(cell.mitigations)
        if any(cell.request in self.hops[hop.proxy].refuses for hop in cell.chain):
            return "refused"
        now, before = self.shut(cell)
        if not now:
            return "streams"
        return "milder" if len(cell.chain) == 1 and now < before and not self.hides else "held"

    def _shut(self, cell: Cell, sent: set[str]) -> list[str]:
        shut, there = list[str](), set(sent)
        for name in reversed([hop.proxy for hop in cell.chain]):
            hop = self.hops[name]
            gates = {f"{name}{place}": gate for place, gate in enumerate(hop.gates) if cell.request in gate.requests}
            shut += [one for one, gate in gates.items() if not any({*words} <= there for words in gate.opened_by)]
            there = (there - {*hop.uses_up}) | ({hop.adds} if hop.adds else set())
        return shut


def search(world: World) -> Search:
    """Return a search of the world's chain that nothing was told yet."""
    return Search(world.layers, world.catalogue, world.costs, world.can)


def searched(world: World) -> Search:
    """Return a search that was told all that it wanted."""
    found = search(world)
    while wanted := found.wanted():
        assert len(set(wanted)) == len(wanted)
        for cell in wanted:
            found.told(cell, world.fate(cell), world.manner(cell))
    assert len(set(world.asked)) == len(world.asked)
    return found


def every_set(names: Iterable[str]) -> Iterator[Names]:
    names = sorted(names)
    for size in range(1, len(names) + 1):
        yield from itertools.combinations(names, size)


def by_force(world: World) -> Names | None:
    """Return the cheapest set of all that there are which makes every layer stream, or None."""
    asks = search(world)
    layers = [layer for layer in world.layers if not any(layer.request in hop.refuses for hop in world.hops.values())]
    if all(world.shut(layer)[0] == 0 for layer in layers):
        return None
    sets = sorted(every_set(world.costs), key=asks.price)
    return next((names for names in sets if all(streams(world, asks, names, layer) for layer in layers)), None)


def streams(world: World, asks: Search, names: Names, layer: Cell) -> bool:
    cell = asks.applied(names, layer)
    return cell is not None and world.shut(cell)[0] == 0


def hop(*opened_by: str, requests: Sequence[str] = BOTH, **others: object) -> SimulatedHop:
    """A hop with one gate that each of these opens: `a`, or `a+b` for both together."""
    gate = Gate(tuple(tuple(sorted(words.split("+"))) for words in opened_by), tuple(requests))
    return replace(SimulatedHop((gate,)), **others)  # type: ignore[arg-type]
