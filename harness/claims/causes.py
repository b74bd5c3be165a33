"""Where a report's tokens were really held, and the cheapest fix that works. Pure: computed from cells, never typed.

Rules:
- A part holds tokens if some judged cell of it does not stream, or shows the stream as asked otherwise than one by one.
  It is of the symptom's chain if all its hops are, or, where it has none, if its reader is the same. The cause is the
  parts of the chain that hold; if none does, it is what they do together. What holds elsewhere is told beside it.
- What an emulator does follows from the claim that it plays. It is never told as measured.
- A symptom whose cells all stream could not be reproduced, whatever the parts do.
- A fix works if it makes the layer of every cell that shows the symptom stream. Which is the cheapest, and that what
  leaves the chain or its transport is no fix while anything else works, is as a diagnosis has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.claims import words as claim_words
from harness.claims.judging import JUDGED, Unjudged, looked_at
from harness.diagnosis.search import Names, Search
from harness.matrix.globs import matches
from harness.model import VERDICTS, Cell, FieldReport, Mitigation, Result, streams
from harness.reports import words
from harness.reports.table import Column, Row, by_cost, tabulate


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What was found out: in a few words, and in whole sentences."""

    short: str
    sentences: str


@dataclass(frozen=True, slots=True)
class Look:
    """What some cells show: those that were judged, those of them that do not stream, and those that were not."""

    cells: tuple[Cell, ...]
    judged: tuple[Result, ...]
    held: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...]

    @classmethod
    def at(cls, globs: Sequence[str], results: Sequence[Result]) -> Look:
        """Look at the cells that match."""
        judged, unjudged = looked_at(globs, results)
        held = tuple(result for result in judged if not streams(result.verdict, result.shows))
        cells = tuple(result.cell for result in results if matches(result.id, globs))
        return cls(cells, tuple(judged), held, tuple(unjudged))

    def is_of(self, whole: Look) -> bool:
        """Tell whether it looks at a part of a chain that another look is at."""
        return any(_is_part(own, cell) for own in self.cells for cell in whole.cells)

    @property
    def played(self) -> tuple[str, ...]:
        """What emulators play in the cells that hold tokens."""
        return words.emulated(self.held)

    @property
    def only_played(self) -> bool:
        """Whether all cells that hold tokens have an emulated hop."""
        return bool(self.held) and all(result.facts.emulates for result in self.held)

    @property
    def mark(self) -> str:
        """What follows the name of a part that is emulated in all its cells."""
        played = self.judged and all(result.facts.emulates for result in self.judged)
        return claim_words.EMULATED if played else ""

    @property
    def why_not(self) -> str:
        """Why there is nothing to see."""
        return claim_words.unjudged(self.unjudged) or "none of its cells was measured"


def _is_part(part: Cell, whole: Cell) -> bool:
    return set(part.chain) <= set(whole.chain) if part.chain else part.client == whole.client


def _covered(symptom: Look, parts: Iterable[Look]) -> bool:
    """Tell whether every hop of the symptom's chain is in some part."""
    return {hop for cell in symptom.cells for hop in cell.chain} <= {h for p in parts for c in p.cells for h in c.chain}


def cause(report: FieldReport, results: Sequence[Result]) -> Conclusion:
    """Return what really holds the report's tokens, as measured."""
    symptom = Look.at(report.symptom, results)
    parts = {part.name: Look.at(part.cells, results) for part in report.parts}
    if not symptom.judged:
        return Conclusion(
            "not testable here",
            _sentences(f"The symptom could not be judged: {symptom.why_not}", *_fates(parts, "alone")),
        )
    if not symptom.held:
        return Conclusion("could not be reproduced", _sentences(_not_reproduced(symptom), *_fates(parts, "alone")))
    links = {name: look for name, look in parts.items() if look.is_of(symptom)}
    holding = {name: look for name, look in links.items() if look.held}
    if holding:
        short = "; ".join(f"{name} ({_verdicts(look.held)}{_plays(look)})" for name, look in holding.items())
        first = ". ".join(f"Found in {name}: {_seen(look)}{_follows(look)}" for name, look in holding.items())
    elif links and all(look.judged for look in links.values()) and _covered(symptom, links.values()):
        short = f"only the parts together{_plays(symptom)}"
        first = f"Found in no part alone, only in all together: {_seen(symptom)}{_follows(symptom)}"
    else:
        short = f"{_verdicts(symptom.held)}{_plays(symptom)}"
        first = f"The chain: {_seen(symptom)}{_follows(symptom)}"
        short += ", in none of the parts that were judged" if any(look.judged for look in links.values()) else ""
        short += "" if links else ", not taken apart"
    rest = _fates({name: look for name, look in parts.items() if not look.held}, "alone")
    others = {name: look for name, look in parts.items() if look.held and name not in links}
    return Conclusion(short, _sentences(first, _not_everywhere(symptom), *rest, *_fates(others, "elsewhere")))


def fix(report: FieldReport, results: Sequence[Result], catalogue: Mapping[str, Mitigation]) -> Conclusion:
    """Return the cheapest mitigation that makes every cell of the symptom stream, and what else was found."""
    symptom = Look.at(report.symptom, results)
    if not symptom.judged:
        return Conclusion("not testable here", _sentences(f"The symptom could not be judged: {symptom.why_not}"))
    if not symptom.held:
        return Conclusion("none needed", "None is needed: every cell of the symptom streamed.")
    layers = dict.fromkeys(replace(result.cell, mitigations=()) for result in symptom.held)
    table = tabulate(results, catalogue)
    rows = [row for row in table.rows if row.layer in layers and row.results]
    if not rows:
        return Conclusion("none was tried", "No mitigation was tried on the cells that show the symptom.")
    search = Search.of_what_was_measured(list(layers), catalogue, results)
    columns = sorted(table.columns, key=lambda column: search.price(_of(column)))
    working = [column for column in columns if _of(column) in search.working]
    unsure = [c for c in columns if {row.mark(c) for row in rows} in ({"unknown"}, {"unknown", "defeats"})]
    doubt = f"Not judged everywhere: {'; '.join(_doubt(column, rows) for column in unsure)}" if unsure else ""
    if symptom.played:
        doubt = _sentences(doubt, f"{_tried_on_an_emulator(symptom)} ({'; '.join(symptom.played)})")
    if not working:
        return _no_fix(columns, rows, len(layers), doubt)
    cheapest, *others = working
    around = "Nothing within the chain that was tried defeats it. " if search.is_around(_of(cheapest)) else ""
    said = f"{around}Defeated by {cheapest.name} ({cheapest.cost}) in {_all(len(layers))}"
    also = f"So it is by {_listed(others)}" if others else ""
    return Conclusion(f"{cheapest.name} ({cheapest.cost})", _sentences(said, also, doubt))


def _no_fix(columns: Sequence[Column], rows: Sequence[Row], layers: int, doubt: str) -> Conclusion:
    """Return what there is to say where nothing defeats every layer that shows the symptom."""
    tried = [column for column in columns if any(row.mark(column) for row in rows)]
    in_some_rows = [column for column in tried if any(row.mark(column) == "defeats" for row in rows)]
    milder = [c for c in tried if c not in in_some_rows and any(row.mark(c) == "reduces" for row in rows)]
    nothing = f"Nothing that was tried ({words.counted(len(tried), 'mitigation')}) defeats it in {_all(layers)}"
    by_layer = [f"{row.layer.id}: {_names(row.defeats[:1])}" for row in rows if row.defeats]
    cheapest = f"The cheapest that does, cell by cell, is {'; '.join(by_layer)}" if by_layer else ""
    reduced = f"It is reduced by {_listed(milder)}" if milder else ""
    short = f"none; {_names(milder[:1])} reduces it" if milder else "none that was tried"
    if in_some_rows:
        short = "none for all cells"
    return Conclusion(short, _sentences(nothing, cheapest, reduced, doubt))


def _of(column: Column) -> Names:
    return tuple(column.name.split("+"))


def _doubt(column: Column, rows: Sequence[Row]) -> str:
    """Return a mitigation with why its effect is not known, each reason once."""
    whys = dict.fromkeys(_why(row.results[column.name], row) for row in rows if row.mark(column) == "unknown")
    return f"{column.name} ({'; '.join(whys)})"


def _why(result: Result, row: Row) -> str:
    """Return why the effect of a cell's mitigations is not known, on a layer that was judged."""
    if result.outcome not in JUDGED:
        return f"{result.outcome}: {words.reason(result)}"
    broken = result.verdict == row.status == "broken"
    return f"no effect can be told: {'broken with and without it' if broken else words.reason(result)}"


def _plays(look: Look) -> str:
    """Return whose claim is played where all that holds tokens is emulated, in a few words."""
    return f"; plays {' and '.join(map(_whose, look.played))}" if look.only_played else ""


def _whose(played: str) -> str:
    """Return `field report 002's claim` of `field report 002: Cloud Run holds ...`."""
    teller, colon, _ = played.partition(": ")
    return (f"{teller}'" if teller.endswith("s") else f"{teller}'s") + " claim" if colon else teller


def _follows(look: Look) -> str:
    """Return a sentence on what an emulator's cells are worth; empty if there are none."""
    if not look.played:
        return ""
    whole = "This" if look.only_played else "Where a hop is emulated, this"
    return f". {whole} is not measured: it follows from the claim that the emulator plays ({'; '.join(look.played)})"


def _tried_on_an_emulator(look: Look) -> str:
    return "All this is against an emulator" if look.only_played else "Some of this is against an emulator"


def _seen(look: Look) -> str:
    """Return what the held cells of a look show, each kind with the first of its reasons."""
    first = {words.verdict(result): words.reason(result) for result in reversed(look.held)}
    return claim_words.either(f"{verdict} ({first[verdict]})" for verdict in _worst_last(look.held))


def _verdicts(results: Sequence[Result]) -> str:
    return claim_words.either(_worst_last(results))


def _worst_last(results: Sequence[Result]) -> Iterable[str]:
    """Return the verdicts that results have, each once, with what they show where that is worse."""
    ordered = [result for verdict in VERDICTS for result in results if result.verdict == verdict]
    return dict.fromkeys(map(words.verdict, ordered))


def _not_reproduced(symptom: Look) -> str:
    """Say with figures that the symptom did not show."""
    said = []
    for result in symptom.judged:
        figures = f"; {words.figures(result.metrics)}" if result.metrics else ""
        said.append(f"{_id(result)} streamed: {words.reason(result)}{figures}")
    return f"Could not be reproduced: {'; '.join(said)}"


def _not_everywhere(symptom: Look) -> str:
    streaming = [_id(result) for result in symptom.judged if result not in symptom.held]
    said = [f"{', '.join(streaming)} streamed"] if streaming else []
    said += [f"{cell.id}{claim_words.emulated(cell.emulated)} was not judged: {cell.why}" for cell in symptom.unjudged]
    every = len(symptom.judged) + len(symptom.unjudged)
    return f"The symptom showed in {len(symptom.held)} of {every} cells: {'; '.join(said)}" if said else ""


def _fates(parts: Mapping[str, Look], where: str) -> tuple[str, ...]:
    """Return how each part treats a stream, those that do it alike in one sentence."""
    alike: dict[str, list[str]] = {}
    for name, look in parts.items():
        fate = _seen(look) if look.held else "streamed"
        mark = "" if "emulator" in name.lower() else look.mark
        fate = f"{fate} {where}" if look.judged else f"not judged ({look.why_not})"
        alike.setdefault(fate, []).append(f"{name}{mark}")
    return tuple(f"{fate[0].upper()}{fate[1:]}: {'; '.join(names)}" for fate, names in alike.items())


def _id(result: Result) -> str:
    return f"{result.id}{claim_words.emulated(result.facts.emulates)}"


def _all(layers: int) -> str:
    which = {1: "the cell that shows", 2: "both cells that show"}
    return f"{which.get(layers, f'all {layers} cells that show')} it"


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(column.name for column in columns)


def _listed(columns: Sequence[Column]) -> str:
    return "; ".join(f"{', '.join(names)} ({cost})" for cost, names in by_cost(columns).items())


def _sentences(*parts: str) -> str:
    """Return what there is to say, with a full stop after each part."""
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)
