"""How a run went: counts, what went wrong and why, and the exit status that says so. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from harness.model import Outcome, Result
from harness.reports import words

EXIT_MEANINGS: Mapping[int, str] = {
    0: "everything as expected",
    1: "an expectation failed",
    2: "wrong input or usage",
    3: "the harness or a required proxy failed",
    5: "nothing was selected",
    130: "interrupted",
}

TITLES: Mapping[Outcome, str] = {
    "fail": "Expectations that failed",
    "unstable": "Unstable: repetitions disagree",
    "error": "Errors of the harness",
    "blocked": "Blocked: the control failed, so nothing can be said",
    "unavailable": "Unavailable here",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Cells that share an outcome and its reason. `why` is what the matrix file says the expectation rests on."""

    cells: tuple[str, ...]
    reason: str
    why: str | None = None


def counts(results: Sequence[Result]) -> Mapping[Outcome, int]:
    """Return how many cells ended in each outcome that occurs."""
    counter = Counter(result.outcome for result in results)
    return {outcome: counter[outcome] for outcome in get_args(Outcome) if counter[outcome]}


def exit_status(results: Sequence[Result]) -> int:
    """Return the exit status that results call for; our own faults outrank failed expectations."""
    outcomes = {result.outcome for result in results}
    if not outcomes:
        return 5
    if outcomes & {"error", "blocked"}:
        return 3
    return 1 if outcomes & {"fail", "unstable"} else 0


def line(results: Sequence[Result], status: int | None = None) -> str:
    """Return the run in one line."""
    said = ", ".join(f"{number} {outcome}" for outcome, number in counts(results).items())
    code = exit_status(results) if status is None else status
    meaning = EXIT_MEANINGS.get(code, "")
    cells = words.counted(len(results), "cell") + (f": {said}" if said else "")
    return f"{cells}. Exit status {code}: {meaning}."


def problems(results: Sequence[Result]) -> Mapping[Outcome, Sequence[Problem]]:
    """Return what went wrong by outcome; cells that did so for the same reason are told together."""
    alike: dict[tuple[Outcome, str, str | None], list[str]] = {}
    for result in results:
        if result.outcome in TITLES:
            why = result.expectation.why if result.expectation and result.outcome == "fail" else None
            alike.setdefault((result.outcome, _without(result.reason, why), why), []).append(result.id)
    found: dict[Outcome, list[Problem]] = {outcome: [] for outcome in TITLES}
    for (outcome, reason, why), cells in alike.items():
        found[outcome].append(Problem(tuple(cells), reason, why))
    return {outcome: some for outcome, some in found.items() if some}


def _without(reason: str, why: str | None) -> str:
    """Return a reason without the `why` that it may end in, which is told on a line of its own."""
    return reason.removesuffix(why).rstrip(": ") if why else reason
