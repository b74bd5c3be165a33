"""A search that asks and is told: which hop holds, and the cheapest set of mitigations that mends every request. Pure.

Rules:

1. A *layer* is the whole chain as one request meets it, a *part* one hop of it alone. A layer that streams as it is
   needs nothing, one that a hop answers by itself (a login, a limit) cannot be mended: neither is asked about further.
2. Mitigations are tried one by one, on the parts that hold and on the layers that hold: but where every hop holds
   alone, on no layer what concerns them all and does none any good, and what fails for one request on no other layer.
   Cheap kinds of cost come first, the next ones only if nothing works by then; detours, which leave the chain or its
   transport, come last of all.
3. What no single one mends is composed: a set has something for every part that holds. As a hop may hold alone and not
   in the chain, sets that spare one hop are tried, too. A part is tried with pairs, of which one makes it milder or
   both edit its config (of two buffers in it each hides the other), where they are cheaper than the single one that
   mends it: but with none of which one leaves the part as another request meets it, for which the other does nothing.
   Of those that leave it alike, which are of one mechanism, the cheapest stands for all.
4. A set that has something for every part and does not work (an inner hop uses a header up) is extended by up to two of
   those that helped anywhere: but to no set with which a part is known to hold, or in which nothing does a part good.
5. Sets are asked about in the order of their price, a few at once. One that works makes every layer stream, those too
   that stream without it. The answer is the cheapest: nothing cheaper of what rules 2 to 4 propose works, and none of
   its parts can be left out, which is measured.
6. Where requests are limited, each cell takes its time: then `one_by_one` says so, and single headers and lines of
   configs are tried on one layer after the other, until one works; that is the answer.
7. An application that alone keeps its whole answer back, whoever asks, and compresses nothing, does so in its own code
   or in its server, if neither a header nor another request does it any good: then nothing dearer is tried, unless
   something is known to replace it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal, Self

from harness.diagnosis.manner import Manner, alike, manner
from harness.diagnosis.price import Price, price
from harness.matrix.mitigations import is_detour
from harness.matrix.replacements import replacements
from harness.model import AXES, Cell, Cost, Hop, Mitigation, Result, streams

Fate = Literal["streams", "milder", "held", "refused", "unknown"]
"""What a cell came to: `milder` holds less than it does unmitigated, `refused` a hop answered by itself, and `unknown`
was not judged."""

Names = tuple[str, ...]
"""A set of mitigations, sorted, as a cell has them."""

BATCHES: tuple[tuple[Cost, ...], ...] = (
    ("header", "request"),
    ("config",),
    ("format", "bytes", "latency", "architecture"),
)
"""What is tried together."""

AT_ONCE = 8
"""So many sets are asked about at once: a set that fails takes seconds, however many do so side by side."""
MOST_PAIRS = 24
MOST_SETS = 64


def fate(result: Result) -> Fate:
    """Return what a result says to the search."""
    away = result.facts.turned_away
    if (result.outcome == "blocked" and away) or (result.verdict == "broken" and result.facts.refusal):
        return "refused"
    if result.outcome not in ("pass", "fail", "observed"):
        return "unknown"
    if streams(result.verdict, result.shows):
        return "streams"
    return "milder" if result.effect == "reduces" else "held"


class Search:
    """What is known of one chain. `wanted` says what to measure next, `told` takes what that came to, in any order.

    `layers` are the cells of the whole chain, one for each request, without mitigations; `names` those of `catalogue`
    that may help. `can` tells whether a cell can be measured, as far as one can say that before. `looks` is what cells
    look like of which no more is known.
    """

    def __init__(
        self,
        layers: Sequence[Cell],
        catalogue: Mapping[str, Mitigation],
        names: Iterable[str],
        can: Callable[[Cell], bool],
    ) -> None:
        self.layers = tuple(sorted(layers, key=AXES["request"].rank))
        first = self.layers[0]
        self.chain, self._format = first.chain, first.format
        self._catalogue = catalogue
        self._can = can
        self._known: dict[Cell, Fate] = {}
        self.looks: dict[Cell, Fate] = {}
        self.one_by_one = False
        self._manners: dict[Cell, Manner | None] = {}
        self._idle: set[tuple[Names, Cell]] = set()
        self._cells: dict[tuple[Names, Cell], Cell | None] = {}
        self._tried: dict[Names, None] = {}
        self._reached = 0
        concerning = [name for name in names if any(self.applied((name,), layer) != layer for layer in self.layers)]
        self.names = sorted(concerning, key=lambda name: self.price((name,)))

    @classmethod
    def of_what_was_measured(
        cls, layers: Sequence[Cell], catalogue: Mapping[str, Mitigation], results: Iterable[Result]
    ) -> Self:
        """Return a search that is over: what was measured is all that can be known, whoever chose it."""
        results = list(results)
        known = {one.cell: fate(one) for one in results}
        concern: dict[Cell, set[str]] = {}
        for cell in known:
            concern.setdefault(replace(cell, mitigations=()), set()).update(cell.mitigations)

        def can(cell: Cell) -> bool:
            there = concern.get(replace(cell, mitigations=()), set())
            return {*cell.mitigations} <= there if len(cell.mitigations) == 1 else cell in known

        search = cls(layers, catalogue, {name for names in concern.values() for name in names}, can)
        search._known = known
        search._manners = {one.cell: manner(one) for one in results}
        search._tried = {cell.mitigations: None for cell in known if replace(cell, mitigations=()) in layers}
        search._tried.pop((), None)
        return search

    def told(self, cell: Cell, what: Fate, how: Manner | None = None) -> None:
        """Take what a cell came to and, if it holds, how it does."""
        self._known[cell], self._manners[cell] = what, how
        self.looks.pop(cell, None)

    def wanted(self, likely: Mapping[Cell, Fate] = MappingProxyType({})) -> list[Cell]:
        """Return what to measure next, what is being measured included; nothing if the search is over.

        Or what that will be, if cells that are not known yet come to what is likely. Of what is tried together that
        is only the next beyond what it was without: on a busy machine, what is likely may be wrong.
        """
        with self._supposing(likely):
            return next((asked for asked in map(self._unknown, self._steps(sure=not likely)) if asked), [])

    @contextlib.contextmanager
    def _supposing(self, likely: Mapping[Cell, Fate]) -> Iterator[None]:
        known, self._known = self._known, {**likely, **self._known}
        self._idle.clear()
        try:
            yield
        finally:
            self._known = known

    def price(self, names: Names) -> Price:
        """Return what sorts sets, the cheapest first."""
        return price(names, self._catalogue, self._format)

    # ------------------------------------------------------------------------------------------- what is known so far

    @property
    def held(self) -> list[Cell]:
        """The layers that are to be mended."""
        return [layer for layer in self.layers if self._holds(layer)]

    @property
    def best(self) -> Names | None:
        """The cheapest set that works, of those that were tried."""
        return next(iter(self.working), None)

    @property
    def likely_best(self) -> Names | None:
        """The cheapest set that works if all is what it looks like."""
        with self._supposing(self.looks):
            return self.best

    @property
    def working(self) -> list[Names]:
        """The sets that work, of those that were tried, the cheapest first; detours only if nothing else does."""
        sets = sorted(filter(self._works, self._tried), key=self.price)
        return [names for names in sets if self.is_around(names) == self.is_around(sets[0])]

    def is_around(self, names: Names) -> bool:
        """Tell whether a set leaves the chain or its transport."""
        return any(name in self._catalogue and is_detour(self._catalogue[name], self._format) for name in names)

    @property
    def tried(self) -> list[Names]:
        """The sets of which it is known whether they work, the cheapest first."""
        return sorted((names for names in self._tried if not self._open(names)), key=self.price)

    def alone(self, layer: Cell) -> list[Cell]:
        """Return each hop of a layer alone, client side first."""
        return [replace(layer, chain=(hop,)) for hop in dict.fromkeys(self.chain)]

    def left_out(self, layer: Cell) -> list[Cell]:
        """Return a layer without one of its hops, for each of them: none of a chain of one hop."""
        places = range(len(self.chain)) if len(self.chain) > 1 else ()
        return [replace(layer, chain=self.chain[:place] + self.chain[place + 1 :]) for place in places]

    def applied(self, names: Names, to: Cell) -> Cell | None:
        """Return a cell with those of some mitigations that concern it; None if they contradict each other there."""
        if (names, to) not in self._cells:
            concern = [name for name in names if self._can(replace(to, mitigations=(name,)))]
            cell = replace(to, mitigations=tuple(concern))
            self._cells[names, to] = cell if not concern or self._can(cell) else None
        return self._cells[names, to]

    def without_one(self, names: Names) -> list[Names]:
        """Return a set without one of its parts, for each of them."""
        return [rest for one in names if (rest := tuple(name for name in names if name != one))]

    def resists(self, part: Cell) -> bool:
        """Tell whether a part holds, and nothing that was tried on it alone mends it without going around it."""
        tried = [cell for cell in self._known if replace(cell, mitigations=()) == part]
        met = {self._known[cell] for cell in tried if not self.is_around(cell.mitigations)}
        return self._holds(part) and "streams" not in met

    @property
    def in_code(self) -> list[Hop]:
        """The applications that alone keep their whole answer back, whoever asks and how, and that nothing replaces."""
        parts = {hop: [replace(layer, chain=(hop,)) for layer in self.layers] for hop in self.chain}
        kept = [
            hop for hop, alone in parts.items() if all(how and how.in_code for how in map(self._manners.get, alone))
        ]
        kept = [hop for hop in kept if not any(replacements(hop, self._catalogue[name]) for name in self.names)]
        cheapest = next(self._batches())
        return [hop for hop in kept if not any(self._may_help(name, parts[hop]) for name in cheapest)]

    def eases(self, name: str) -> bool:
        """Tell whether a mitigation alone makes a layer hold less that it does not mend."""
        return any(self._known.get(self.applied((name,), layer) or layer) == "milder" for layer in self.held)

    def _holds(self, cell: Cell) -> bool:
        return self._known.get(cell) == "held"

    def _needs(self) -> list[Cell]:
        """Return the parts that hold; of a layer of which none does, itself."""
        found = [[part for part in self.alone(layer) if self._holds(part)] or [layer] for layer in self.held]
        return list(itertools.chain(*found))

    def _unknown(self, cells: Iterable[Cell | None]) -> list[Cell]:
        return [cell for cell in dict.fromkeys(cells) if cell and cell not in self._known]

    # --------------------------------------------------------------------------------------------- one set on the whole

    def _met(self, names: Names, layers: Iterable[Cell]) -> list[Fate | None]:
        cells = [self.applied(names, layer) for layer in layers]
        return ["unknown" if cell is None else self._known.get(cell) for cell in cells]

    def _works(self, names: Names) -> bool:
        return {*self._met(names, self._to_stream())} == {"streams"}

    def _failed(self, names: Names) -> bool:
        return bool({*self._met(names, self._to_stream())} - {"streams", None})

    def _open(self, names: Names) -> bool:
        return not self._failed(names) and not self._works(names)

    def _asked(self, names: Names) -> list[Cell]:
        """Return what to measure of a set next: a layer that holds; once it mends these, one that streams anyway."""
        self._tried[names] = None
        if self._failed(names):
            return []
        layers = dict.fromkeys([*self.held, *self._to_stream()])
        return self._unknown(self.applied(names, layer) for layer in layers)[:1]

    def _to_stream(self) -> list[Cell]:
        return [layer for layer in self.layers if self._holds(layer) or self._known.get(layer) == "streams"]

    # -------------------------------------------------------------------------------------------------- what comes next

    def _steps(self, sure: bool) -> Iterator[Iterable[Cell | None]]:
        """Yield, step by step, what has to be known before the next step can be told."""
        yield [*self.layers, *(part for layer in self.layers for part in self.alone(layer))]
        held = self.held
        if not held:
            return
        left_out = [cell for layer in held for cell in self.left_out(layer)]
        if self.one_by_one:
            cheap = [name for name in self.names if self._catalogue[name].cost in itertools.chain(*BATCHES[:2])]
            for names in self._cheap((name,) for name in cheap if not self.is_around((name,))):
                yield self._asked(names) if not self.best else []
            if self.best:
                yield left_out
                return
        pool: list[str] = []
        for number, batch in enumerate(self._batches()):
            if sure:
                self._reached = number
            elif number > self._reached + 1:
                return
            pool += batch
            yield [*left_out, *self._singles(batch)]
            if self.in_code:
                return
            yield self._pairs(pool)
            yield self._next_sets(pool)
            if (best := self.best) and {*best} <= {*pool}:
                yield [cell for rest in self.without_one(best) for cell in self._asked(rest)]
                return

    def _batches(self) -> Iterator[list[str]]:
        detours = [name for name in self.names if self.is_around((name,))]
        for costs in BATCHES:
            yield [name for name in self.names if self._catalogue[name].cost in costs and name not in detours]
        yield detours

    def _singles(self, names: Iterable[str]) -> list[Cell | None]:
        needs = self._needs()
        cells: list[Cell | None] = []
        for (name,) in self._cheap((name,) for name in names):
            cells += [cell for need in needs if (cell := self.applied((name,), need)) != need]
            cells += self._asked((name,)) if self._may_be_enough(name, needs) else []
        return cells

    def _may_be_enough(self, name: str, needs: Sequence[Cell]) -> bool:
        """Tell whether a mitigation may mend the whole: where every hop holds alone, it is for some or helps one."""
        every_part = {part for layer in self.held for part in self.alone(layer)}
        if len(self.chain) == 1 or not all(map(self._holds, every_part)):
            return True  # a hop may hold in the chain that does not alone
        return self._helps(name, needs) or any(self.applied((name,), need) == need for need in needs)

    def _pairs(self, pool: Sequence[str]) -> list[Cell | None]:
        """Return the pairs to try on parts: one makes the part milder or both edit it, and no single one is cheaper."""
        cells: list[Cell | None] = []
        edits = itertools.combinations((name for name in pool if self._catalogue[name].edited), 2)
        both = {tuple(sorted(pair)) for pair in edits}
        for need in self._needs():
            mending = min((self.price((name,)) for name in pool if self._mends((name,), need)), default=None)
            cheaper = [
                pair
                for pair in self._cheap(self._milder(need, pool) | both)
                if mending is None or self.price(pair) < mending
            ]
            cells += [self.applied(pair, need) for pair in cheaper[:MOST_PAIRS]]
        return cells

    def _milder(self, need: Cell, pool: Sequence[str]) -> set[Names]:
        """Return the pairs of which one is known for sure to make a part milder, and that may tell something new."""
        cells = {name: cell for name in pool if (cell := self.applied((name,), need))}
        milder = {name: cell for name, cell in cells.items() if self._known.get(cell) == "milder"}
        left = {name: self._manners.get(cell) for name, cell in milder.items()}
        pairs, stood_for = set[Names](), set[Names]()
        for one, cell in milder.items():
            as_met = self._met_by_others(need, left[one])
            same = [name for name in milder if name != one and alike(left[name], left[one])]
            for other in pool if cell in self._manners else ():
                pair = tuple(sorted((one, other)))
                stand_ins = (tuple(sorted((name, other))) for name in same)
                standing = [names for names in stand_ins if self.price(names) < self.price(pair)]
                fates = [self._known.get(met) for names in standing if (met := self.applied(names, need))]
                nothing_new = any(self._known.get(self.applied((other,), met) or met) == "held" for met in as_met)
                if one == other or other in same or nothing_new or {*fates} - {None, "streams"}:
                    self._idle.add((pair, need))
                (stood_for if fates else pairs).add(pair)
        return {pair for pair in pairs - stood_for if (pair, need) not in self._idle}

    def _met_by_others(self, need: Cell, left: Manner | None) -> list[Cell]:
        """Return the same part as those requests meet it for which it holds like this without mitigations."""
        parts = [replace(need, request=layer.request) for layer in self.layers if layer.request != need.request]
        return [part for part in parts if alike(self._manners.get(part), left)]

    def _next_sets(self, pool: Sequence[str]) -> list[Cell]:
        """Return what to measure of the cheapest sets that may work and are not known yet.

        What is dearer than the first that ought to work is left until that has failed.
        """
        likely = set(self._hitting(self._needs(), pool))
        promising = self._cheap(likely | self._promising(likely, pool))
        self._tried |= dict.fromkeys(promising)
        openly = [names for names in promising if self._open(names)]
        first = next((place for place, names in enumerate(openly, 1) if names in likely), AT_ONCE)
        some = AT_ONCE if any(map(self._failed, likely)) else min(first, AT_ONCE)
        return [cell for names in openly[:some] for cell in self._asked(names)]

    def _promising(self, likely: Iterable[Names], pool: Sequence[str]) -> set[Names]:
        """Return the likely sets, those that spare one hop, and those that extend any of these."""
        hops = dict.fromkeys(self.chain)
        spared = [[need for need in self._needs() if need.chain != (hop,)] for hop in hops]
        found = {*likely, *(names for needs in spared for names in self._hitting(needs, pool))}
        helpful = [name for name in pool if self._helps(name, {*self.held, *self._needs()})]
        failed = set(filter(self._failed, found))
        for _ in range(2):
            longer = {tuple(sorted({*names, name})) for names in failed for name in helpful if name not in names}
            longer = set(self._cheap(filter(self._may_mend, longer))[:MOST_SETS])
            found |= longer
            failed = set(filter(self._failed, longer))
        return found

    def _hitting(self, needs: Iterable[Cell], pool: Sequence[str]) -> list[Names]:
        """Return the smallest sets that have something for each of these parts; a part that nothing mends is left."""
        sets: list[Names] = [()]
        for need in needs:
            mending: list[Names] = [(name,) for name in pool if self._mends((name,), need)]
            mending += self._pairs_that_mend(need)
            if mending:
                grown = {frozenset({*names, *one}) for names in sets for one in mending}
                smallest = (one for one in grown if not any(other < one for other in grown))
                sets = self._cheap(tuple(sorted(one)) for one in smallest)[:MOST_SETS]
        return [names for names in sets if names]

    def _pairs_that_mend(self, need: Cell) -> list[Names]:
        mended = (cell for cell, met in self._known.items() if met == "streams" and len(cell.mitigations) == 2)
        return [cell.mitigations for cell in mended if replace(cell, mitigations=()) == need]

    def _may_mend(self, names: Names) -> bool:
        """Tell whether each part may stream with a set: something of it does that good, and it is not known to hold."""
        needs = self._needs()
        met = [(self.applied(names, need) or need, need) for need in needs]
        held = (
            self._known.get(cell, "streams") != "streams" or (cell.mitigations, need) in self._idle
            for cell, need in met
        )
        return not any(held) and all(any(self._helps(name, (need,)) for name in names) for need in needs)

    def _mends(self, names: Names, need: Cell) -> bool:
        cell = self.applied(names, need)
        return cell is not None and cell != need and self._known.get(cell) == "streams"

    def _may_help(self, name: str, where: Iterable[Cell]) -> bool:
        """Tell whether a mitigation does any of these good, or may, as that is not known yet."""
        cells = [cell for one in where if (cell := self.applied((name,), one)) not in (None, one)]
        return any(self._known.get(cell, "streams") in ("streams", "milder") for cell in cells)

    def _helps(self, name: str, where: Iterable[Cell]) -> bool:
        """Tell whether a mitigation did any good alone, to any of these that hold."""
        met = {self._known.get(self.applied((name,), one) or one) for one in where}
        return not met.isdisjoint({"streams", "milder"})

    def _cheap(self, sets: Iterable[Names]) -> list[Names]:
        """Return sets by price, those only that are cheaper than what works already."""
        best = self.best
        below = self.price(best) if best else None
        return sorted((one for one in sets if one and (below is None or self.price(one) < below)), key=self.price)
