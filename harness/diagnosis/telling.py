"""A diagnosis in words, section by section: what a person sees, which hop holds, what to change. Pure.

It rests on a search and the results that it was told, and on what an application that is replayed does by itself. A
search that did not come to its end says so; what was not measured is never told as if it had been, and of what was not
measured to the end it is told what it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.diagnosis.price import cost
from harness.diagnosis.recipes import recipes
from harness.diagnosis.search import Fate, Names, Search, fate
from harness.errors import Interrupted
from harness.model import LIMITS, Cell, Coded, Hop, Mitigation, Recording, Result, RunInfo, chain_text
from harness.reports import summary, words
from harness.reports.notes import served

SHOWN = 3
FOR_WHOM = "browser"
"""Who offers codings, and so meets what an application compresses itself."""
STREAMS = "streams"
INTERRUPTED = "it was interrupted"
LOOKS: Mapping[Fate, str] = {
    "streams": "looks streamed",
    "milder": "looks held for less long",
    "held": "looks held",
    "refused": "looks turned away",
}
UNFINISHED = "(not measured to the end)"


@dataclass(frozen=True)
class Diagnosis:
    """What is known of a chain. `stopped` says why the search did not come to its end; empty: it did."""

    run: RunInfo
    search: Search
    results: Mapping[Cell, Result]
    catalogue: Mapping[str, Mitigation]
    stopped: str = ""

    @classmethod
    def of_run(cls, run: RunInfo, results: Sequence[Result]) -> Diagnosis | None:
        """Return what a run came to that was kept; None if it was no diagnosis, or has none of its chain."""
        layers = [
            one.cell for one in results if chain_text(one.cell.chain) == run.diagnosed and not one.cell.mitigations
        ]
        if not layers:
            return None
        search = Search.of_what_was_measured(layers, run.mitigations, results)
        stopped = "" if run.finished_at else "the run did not finish"
        return cls(run, search, {one.cell: one for one in results}, run.mitigations, stopped)

    @cached_property
    def layers(self) -> list[Cell]:
        """The chain as each request meets it."""
        return list(self.search.layers)

    @cached_property
    def held(self) -> list[Cell]:
        """Those of them that hold tokens."""
        return self.search.held

    @cached_property
    def to_mend(self) -> list[Cell]:
        """Those that hold tokens, or look like it."""
        looks = self.search.looks
        return [one for one in self.layers if one in self.held or looks.get(one) in ("held", "milder")]

    @cached_property
    def _not_through(self) -> list[Cell]:
        """Those that hold tokens, or that a hop answers by itself, or that look like it."""
        away = [one for one in self.results.values() if fate(one) == "refused"]
        refused = {one.cell for one in away} | {cell for cell, look in self.search.looks.items() if look == "refused"}
        return [one for one in self.layers if one in self.to_mend or one in refused]

    @cached_property
    def fix(self) -> Names | None:
        """The cheapest that makes every request stream, as far as it is known."""
        return self.search.best

    @property
    def exit_status(self) -> int:
        """What it calls for: 0 if it is known what every request sees, and what to change or that nothing helps."""
        if self.stopped == INTERRUPTED:
            return Interrupted.exit_status
        layers = [self.results[layer] for layer in self.layers if layer in self.results]
        required = summary.Required({layer.id for layer in self.layers})
        known = len(layers) == len(self.layers) and bool(self.fix or not self.held or not self.stopped)
        known = known and self.coded != "unknown"
        return summary.worst([summary.exit_status(self.run, layers, required), 0 if known else 3])

    @cached_property
    def _recording(self) -> Recording | None:
        return self.search.layers[0].workload.recording

    @property
    def coded(self) -> Coded | None:
        """How the application itself has its answer come for who offers a coding, if it compresses that itself."""
        return self._recording.coded if self._recording else None

    @property
    def unknown(self) -> str:
        """Why it is not known what a request sees, in a few words; empty if it is."""
        fates = {layer.request: fate(self.results[layer]) for layer in self.layers if layer in self.results}
        told = {"refused": "a hop answers by itself", "unknown": "it could not be judged"}
        alike = {why: [request for request, met in fates.items() if met == kind] for kind, why in told.items()}
        own = [f"how the application compresses its answer ({FOR_WHOM})"] if self.coded == "unknown" else []
        return "; ".join([*(f"{why} ({', '.join(those)})" for why, those in alike.items() if those), *own])

    def of_layers(self) -> Iterator[tuple[str, str]]:
        """Yield each request with what whoever asks so sees; last what an application withholds that compresses."""
        for layer in self.layers:
            yield layer.request, self._seen(layer)
        if self._recording and self.coded:
            known = "held" if self.coded == "held" else "not known"
            alone = "seen of it alone: through the chain, where a hop may ask it for no coding, that is not measured"
            yield FOR_WHOM, f"{known}: the application {self._recording.compresses} ({alone})"

    def of_locations(self) -> Iterator[str]:
        """Yield what of the user's configs answers: another location may treat a stream in another way."""
        facts = [self.results[layer].facts for layer in self.layers if layer in self.results]
        yield from dict.fromkeys(sentence for one in facts for sentence in served(one))

    def of_limits(self) -> Iterator[str]:
        """Yield which hops limit requests, and of which of the user's configs that may be what answers is not known."""
        away = [(cell.chain, one.facts.turned_away) for cell, one in self.results.items() if one.facts.turned_away]
        limits = [(chain, one.status) for chain, one in away if one.is_by_limit]
        alone = [hop for hop in dict.fromkeys(self.search.chain) if (hop,) in [chain for chain, _ in limits]]
        who = ", ".join(map(str, alone)) or "a hop"
        if limits:
            statuses = ", ".join(sorted({str(status) for _, status in limits}))
            yield f"{who} limits requests ({statuses}): asked slowly, one by one, streams come through"
        missed = dict.fromkeys("+".join(cell.mitigations) for cell, one in self.results.items() if _is_missed(one))
        if limits and missed:
            yield f"not known, as it was turned away each time: what {', '.join(missed)} would do"
        known = {one.hop for result in self.results.values() for one in result.facts.served_by}
        if any(fate(self.results[layer]) == "refused" for layer in self.layers if layer in self.results):
            alone += [hop for hop in self.search.chain if str(hop.bare) in self.run.standing]
        for hop in dict.fromkeys(alone):
            if str(hop.bare) in self.run.own and known.isdisjoint({str(hop), str(hop.bare)}):
                yield f"{hop}: which server and which of its locations answer is only known as requests come"

    def of_hops(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each hop with what it does alone, for requests that do not stream, and what the chain does without it,
        for those that are held.
        """
        chain = self.search.chain
        if len(chain) > 1 and self._not_through:
            alone = dict(zip(dict.fromkeys(chain), self._hops(self._not_through), strict=True))
            for place, (hop, called) in enumerate(zip(chain, words.hops(chain), strict=True)):
                left = [self.search.left_out(layer)[place] for layer in self.to_mend]
                without = [f"without it the chain {self._together(left, self._fate_in_short)}"] if left else []
                yield called, [f"alone it {self._together(alone[hop], self._fate)}", *without]

    def of_fix(self) -> Iterator[str]:
        """Yield what to change, and how it is known that all of it is needed; or that there is nothing, and why.

        What an application holds that compresses its answer itself is mended in it alone: nothing of that is replayed.
        """
        yield from self._of_chain()
        if self._recording and self.coded == "held":
            also = ", too" if self.to_mend else ""
            yield f"The application's own compression has to be mended{also} ({FOR_WHOM}): {self._recording.to_mend}"
            yield f"Ask again once it is: then what a {FOR_WHOM} gets through the chain is measured"

    def _of_chain(self) -> Iterator[str]:
        if not self.to_mend:
            return
        if self.fix is None:
            yield from self._no_fix()
            return
        named, dear = " + ".join(self.fix), cost(self.fix, self.catalogue)
        asked = ", ".join(layer.request for layer in self.layers)
        if self.search.is_around(self.fix):
            yield from self._nothing_else()
            yield f"What is left goes around it: {named} ({dear})"
        else:
            yield f"{named} ({dear}): with that, the whole chain streams ({asked})"
        for names in self.search.without_one(self.fix):
            left = set(self.fix) - set(names)
            yield f"without {', '.join(left)} it {self._fates(names)}"
        if self.stopped:
            yield f"Something cheaper may work: {self.stopped}"

    def recipes(self) -> Mapping[str, Sequence[str]]:
        """Return what to paste, by where: of several hops of one program, each has it."""
        if not self.fix:
            return {}
        patched = {hop.proxy for hop in self._changed}
        applied = [self.catalogue[name] for name in self.fix]
        found = recipes(applied, {hop.proxy for hop in self.search.chain}, patched)
        return {self._place(where): lines for where, lines in found.items()}

    def _place(self, where: str) -> str:
        chain = self.search.chain
        hops = [called for hop, called in zip(chain, words.hops(chain), strict=True) if hop.proxy == where]
        return f"{where}: in {' and in '.join(hops)}" if len(hops) > 1 else where

    def patches(self) -> Mapping[str, str]:
        """Return what changes in files of the user's, as a unified diff for each that differs, by the hops it is of."""
        alike: dict[str, list[Hop]] = {}
        for hop, diff in self._changed.items():
            alike.setdefault(diff, []).append(hop)
        called = list(zip(self.search.chain, words.hops(self.search.chain), strict=True))
        return {", ".join(name for hop, name in called if hop in hops): diff for diff, hops in alike.items()}

    @cached_property
    def _changed(self) -> Mapping[Hop, str]:
        """What changed in the config of each hop where the fix was measured, client side first."""
        cells = filter(None, (self.search.applied(self.fix or (), layer) for layer in self.layers))
        facts = [self.results[cell].facts for cell in cells if cell in self.results]
        found = {one.hop: one.changed for each in facts for one in each.served_by}
        return {hop: diff for hop in self.search.chain if (diff := found.get(str(hop)))}

    def _seen(self, layer: Cell) -> str:
        result = self.results.get(layer)
        if result is None:
            why = self.stopped or "it was not measured"
            return f"{seen}: {why}" if (seen := self._look(layer)) else f"not known: {why}"
        match fate(result):
            case "streams":
                return f"streams: {result.reason}"
            case "refused":
                return f"a hop answers by itself, so nothing can be measured through it: {words.reason(result)}"
            case "unknown":
                return f"{result.outcome}: {words.reason(result)}"
        shown = f"; {words.shows(result.shows)}" if result.shows else ""
        return f"{result.verdict}: {words.reason(result)}{shown}"

    def _hops(self, layers: Sequence[Cell]) -> Iterator[list[Cell]]:
        places = range(len(dict.fromkeys(self.search.chain)))
        alone = [self.search.alone(layer) for layer in layers]
        yield from ([parts[place] for parts in alone] for place in places)

    def _together(self, cells: Iterable[Cell], told: Callable[[Cell], str]) -> str:
        """Say what cells came to, those of the same fate together."""
        alike: dict[str, list[str]] = {}
        for cell in cells:
            alike.setdefault(told(cell), []).append(cell.request)
        return "; ".join(f"{fate} ({', '.join(requests)})" for fate, requests in alike.items())

    def _fate(self, cell: Cell) -> str:
        result = self.results.get(cell)
        in_short = self._fate_in_short(cell)
        return in_short if result is None or in_short == STREAMS else f"{in_short}: {words.reason(result)}"

    def _fate_in_short(self, cell: Cell) -> str:
        result = self.results.get(cell)
        if result is None:
            return self._look(cell) or "was not measured"
        match fate(result):
            case "streams":
                return STREAMS
            case "unknown" | "refused":
                return f"is {result.outcome}"
        return f"is {words.verdict(result)}"

    def _look(self, cell: Cell) -> str:
        """Say what a cell looked like when it was given up; nothing, if it was not seen."""
        return f"{LOOKS[look]} {UNFINISHED}" if (look := self.search.looks.get(cell)) else ""

    def _fates(self, names: Names) -> str:
        """Return what a set comes to, request by request."""
        cells = list(filter(None, (self.search.applied(names, layer) for layer in self.layers)))
        return self._together([cell for cell in cells if cell in self.results] or cells, self._fate_in_short)

    def _no_fix(self) -> Iterator[str]:
        if self.stopped and not self.search.in_code:
            yield f"Not known: {self.stopped}; nothing that was tried by then works for every request"
            if likely := self.search.likely_best:
                yield f"{' + '.join(likely)} ({cost(likely, self.catalogue)}) looks as if it did {UNFINISHED}"
        else:
            yield from self._nothing_else()
        milder = [name for name in self.search.names if self.search.eases(name)]
        if milder:
            yield f"Milder with {', '.join(milder[:SHOWN])}"

    def _nothing_else(self) -> Iterator[str]:
        """Say that nothing within the chain mends it, and which hops are not mended by anything."""
        if in_code := self.search.in_code:
            hops = " and ".join(map(str, in_code))
            yield f"{hops} alone keeps the whole answer, whoever asks, and no header or other request changes that"
            yield "It is in its code or its server, where each part has to leave as it comes; nothing dearer was tried"
            return
        tried = [names for names in self.search.tried if not self.search.is_around(names)]
        yield f"Nothing within the chain mends it: {words.counted(len(tried), 'set')} of mitigations tried"
        for hop, cells in zip(dict.fromkeys(self.search.chain), self._hops(self.to_mend), strict=True):
            if stubborn := [cell for cell in cells if self.search.resists(cell)]:
                yield f"Nothing that was tried on it mends {hop} alone, which {self._together(stubborn, self._fate)}"
                if settings := list(self._untried(hop)):
                    yield f"Not tried, as {self._why_unedited(hop)}: in that of {hop} {', '.join(settings)}"

    def _why_unedited(self, hop: Hop) -> str:
        """Say why nothing is edited in the config of a hop; empty if what mends it would have been, or replaces it."""
        if not any(hop.proxy in one.edit for one in self.catalogue.values()):
            return f"no {hop.proxy} config is edited here"
        replaced = {old for one in self.catalogue.values() if isinstance(one.chain, Mapping) for old in one.chain}
        known = {one.hop for result in self.results.values() for one in result.facts.served_by}
        why = "a config is edited only where it is taken as deployed, and what answers is known"
        return why if {str(hop), str(hop.bare)}.isdisjoint(replaced | known) else ""

    def _untried(self, hop: Hop) -> Iterator[str]:
        """Yield the settings that are known of a hop's program, whose config is not edited, and that nothing had."""
        if not self._why_unedited(hop):
            return
        measured = {name for cell in self.results for name in cell.mitigations}
        for name, one in self.catalogue.items():
            if one.cost == "config" and hop.proxy in one.apply and name not in measured:
                yield f"`{' '.join(one.apply[hop.proxy].split())}` ({name})"


def _is_missed(result: Result) -> bool:
    """Tell whether a limit never let a cell through."""
    away = result.facts.turned_away
    return result.outcome == "blocked" and bool(result.cell.mitigations) and bool(away and away.status in LIMITS)
