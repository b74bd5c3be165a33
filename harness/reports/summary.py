"""How a run went: counts, what went wrong and why, and the exit status that says so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from harness.errors import EXIT_MEANINGS
from harness.model import Fault, Outcome, Result, RunInfo
from harness.reports import words
from harness.reports.failing import headline, is_changed, looked_at

Kind = Outcome | Fault | Literal["broken", "changed"]
"""How a problem is listed: by the cell's outcome, an error by whose fault it is, a layer that is broken as it is,
although nobody expects anything of it, as that, and one that is not what it was although nothing else is wrong with it,
as that."""

TITLES: Mapping[Kind, str] = {
    "changed": "Not as in the baseline",
    "fail": "Expectations that failed",
    "broken": "Broken layers; expect the verdict `broken` of those that are meant to be",
    "unstable": "Unstable: repetitions disagree",
    "configuration": "Errors in your configuration",
    "proxy": "Proxies that failed",
    "harness": "Errors of the harness",
    "blocked": "Blocked: no sure control or baseline, or turned away",
    "too short": "Too short to tell, at an exact length",
    "unavailable": "Unavailable here",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Cells that share an outcome and its reason. `why` is what the matrix file says the expectation rests on, `beside`
    what else is to be known of each.
    """

    cells: tuple[str, ...]
    reason: str
    why: str | None = None
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Required:
    """What has to be measured for a run to be a success: cells by id, those of proxies and clients by name, or all."""

    names: Collection[str] = ()
    everything: bool = False

    def has(self, result: Result) -> bool:
        """Tell whether this cell is among them."""
        of_cell = {result.id, result.cell.client, *(hop.proxy for hop in result.cell.chain)}
        return self.everything or not of_cell.isdisjoint(self.names)


NOTHING = Required()
LOOKED_AT: frozenset[Kind] = frozenset(("changed", "fail", "broken", "unstable"))
"""Of what is listed so, each cell is told with what it showed, and how to look at it."""


def counts(results: Sequence[Result]) -> Mapping[Outcome, int]:
    """Return how many cells ended in each outcome that occurs."""
    counter = Counter(result.outcome for result in results)
    return {outcome: counter[outcome] for outcome in get_args(Outcome) if counter[outcome]}


def unfinished(run: RunInfo, results: Sequence[Result]) -> bool:
    """Tell whether cells are still to come, or never will because the run was killed."""
    return not run.finished_at and len(results) < run.cells


def exit_status(run: RunInfo, results: Sequence[Result], required: Required = NOTHING) -> int:
    """Return the exit status that a run calls for; what could not be measured outranks failed expectations.

    A cell that cannot run here is no failure, unless it is `required` or none with a hop could run; nor is one that is
    too short to tell, unless something is expected of it.
    """
    kinds = {_kind(result) for result in results}
    if _shortfalls(run, results, required) or kinds & {"harness", "proxy", "blocked"}:
        return 3
    if "configuration" in kinds:
        return 2
    if not kinds:
        return 5
    return 1 if kinds & {"fail", "broken", "changed"} else 0


def _shortfalls(run: RunInfo, results: Sequence[Result], required: Required) -> list[str]:
    """Return in which ways a run says too little, beside what went wrong in its cells."""
    missed = sum(result.outcome == "unavailable" and required.has(result) for result in results)
    short = any(result.outcome == "too short" and result.expectation for result in results)
    through_hops = {result.outcome for result in results if result.cell.chain}
    told = {
        "the run did not finish": unfinished(run, results),
        "no cell with a hop could be measured": through_hops == {"unavailable"},
        f"{words.counted(missed, 'cell')} that had to be measured cannot run here": missed,
        "a cell was unstable": any(result.outcome == "unstable" for result in results),
        "an expectation could not be judged": short,
        "what the baseline has could not be measured": any(map(_is_missed, results)),
    }
    return [said for said, is_so in told.items() if is_so]


def worst(statuses: Iterable[int]) -> int:
    """Return the exit status of several runs: what could not be measured outranks what was not as expected."""
    return min(statuses, key=(3, 2, 5, 1, 0).index)


def line(run: RunInfo, results: Sequence[Result], required: Required = NOTHING) -> str:
    """Return the run in one line."""
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts(results).items())
    part = f"{len(results)} of " if unfinished(run, results) else ""
    cells = part + words.counted(run.cells if part else len(results), "cell") + (f": {said}" if said else "")
    return f"{cells}. {_verdict(run, results, required)}."


def problems(run: RunInfo, results: Sequence[Result]) -> Mapping[Kind, Sequence[Problem]]:
    """Return what went wrong by kind; cells that did so for the same reason are told together."""
    alike: dict[tuple[Kind, str, str | None], list[Result]] = {}
    for result in results:
        if (kind := _kind(result)) in TITLES:
            why = result.expectation.why if result.expectation and kind == "fail" else None
            alike.setdefault((kind, _without(headline(result), why), why), []).append(result)
    found: dict[Kind, list[Problem]] = {kind: [] for kind in TITLES}
    measured = {result.cell: result for result in results}
    for (kind, reason, why), cells in alike.items():
        beside = {one.id: looked_at(one, measured, run) for one in cells} if kind in LOOKED_AT else {}
        found[kind].append(Problem(tuple(one.id for one in cells), reason, why, beside))
    return {kind: listed for kind, listed in found.items() if listed}


def _is_missed(result: Result) -> bool:
    return result.changed is not None and result.changed.fails and result.outcome != "fail"


def _kind(result: Result) -> Kind:
    if is_changed(result):
        return "changed"
    if result.outcome == "fail" and result.verdict == "broken" and not result.expectation:
        return "broken"
    return (result.fault or "harness") if result.outcome == "error" else result.outcome


def _verdict(run: RunInfo, results: Sequence[Result], required: Required) -> str:
    """Return the exit status and what it means of this run."""
    code = exit_status(run, results, required)
    gone = counts(results).get("unavailable", 0)
    match code:
        case 0:
            meaning = _as_expected(results, gone)
        case 1:
            meaning = _misfits(Counter(map(_kind, results)))
        case 3:
            meaning = "; ".join(_shortfalls(run, results, required) or ["the harness or a proxy failed"])
        case _:
            meaning = EXIT_MEANINGS[code]
    return f"Exit status {code}: {meaning}"


def _as_expected(results: Sequence[Result], gone: int) -> str:
    """Return what a success says: that tokens are held of which nobody expects anything, is not as expected."""
    surprising = [result for result in results if words.is_surprising(result)]
    if not surprising and gone:
        return f"what can run here is as expected, {words.counted(gone, 'cell')} cannot"
    if not surprising:
        return "everything as expected"
    if any(result.expectation for result in results):
        said = "all that was expected is so"
    elif len(surprising) == 1:
        said = f"{words.verdict(surprising[0])}; nothing was expected of it"
    else:
        said = f"nothing was expected of {words.counted(len(surprising), 'cell')} that hold tokens"
    return f"{said}; {words.counted(gone, 'cell')} cannot run here" if gone else said


def _misfits(kinds: Mapping[Kind, int]) -> str:
    """Return what was not as it should be."""
    broken = kinds.get("broken", 0)
    are, them = ("is", "it") if broken == 1 else ("are", "them")
    told: Mapping[Kind, str] = {
        "changed": f"{words.counted(kinds.get('changed', 0), 'cell')} failed: not as in the baseline",
        "fail": "an expectation failed",
        "broken": f"{words.counted(broken, 'layer')} {are} broken: nothing could be measured through {them}",
    }
    return "; ".join(said for kind, said in told.items() if kinds.get(kind))


def _without(reason: str, why: str | None) -> str:
    """Return a reason without the `why` that it may end in, which is told on a line of its own."""
    return reason.removesuffix(why).rstrip(": ") if why else reason
