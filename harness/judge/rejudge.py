"""Judges stored results again. Pure: results and traces in, results out.

`rejudge` applies today's rules to yesterday's traces; `held_against` turns another run's verdicts into expectations,
which is how a change of a proxy's config is checked for regressions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.errors import SelectionError
from harness.judge.counted import counted
from harness.judge.metrics import header_changes
from harness.judge.outcome import as_in_lockstep, conclude, outcome
from harness.judge.verdict import Assessment, assess
from harness.model import FACTS, Expectation, Facts, Result, Trace


def rejudge(results: Sequence[Result], traces: Mapping[str, Sequence[Trace]]) -> list[Result]:
    """Return the results as today's rules see them; those without a trace stay as they are.

    So do paced ones whose lockstep twin left none, for it is the twin that tells their verdict.
    """
    controls = {r.id: assess(traces[r.id]) for r in results if r.control_id is None and r.id in traces}

    def assessed(result: Result) -> Assessment:
        control = controls.get(result.control_id or result.id)
        return assess(traces[result.id], control.metrics if control and result.control_id else None)

    everything = {r.id: assessed(r) for r in results if r.id in traces and r.cell.pace != "paced"}
    paced = (r for r in results if r.id in traces and r.twin_id in everything)
    everything |= {r.id: as_in_lockstep(assessed(r), everything[r.twin_id or ""]) for r in paced}
    return [_concluded(r, everything, traces) if r.id in everything else r for r in results]


def held_against(
    results: Sequence[Result], earlier: Sequence[Result], name: str, allow_missing: bool = False
) -> list[Result]:
    """Return the results with the verdicts of an earlier run as expectations; cells it did not have are observed.

    Cells with a verdict that are gone have failed, unless they may be missing. Raises SelectionError if all are gone,
    for then nothing would be checked.
    """
    known = {result.id: result for result in earlier if result.verdict and result.outcome != "unstable"}
    here = {result.id for result in results}
    if not here & known.keys():
        raise SelectionError(f"{name} has no verdict on any cell of this run: there is nothing to compare")
    held = []
    for result in results:
        verdict = known[result.id].verdict if result.id in known else None
        expectation = _as_it_was(known[result.id], name) if result.id in known else None
        if result.outcome in ("unstable", "too short", "blocked"):
            held.append(replace(result, expectation=expectation))
            continue
        if result.verdict is None and verdict:
            reason = f"was {verdict} in {name}, is {result.outcome}: {result.reason}"
            held.append(replace(result, expectation=expectation, outcome="fail", reason=reason))
            continue
        if result.verdict is None:
            held.append(replace(result, expectation=expectation))
            continue
        ending, misfit = outcome(
            result.verdict, result.shows, result.effect, expectation, mitigated=bool(result.cell.mitigations)
        )
        held.append(replace(result, expectation=expectation, outcome=ending, reason=misfit or result.reason))
    gone = [result for result in known.values() if result.id not in here and not allow_missing]
    return held + [_gone(result, name) for result in gone]


def _as_it_was(result: Result, name: str) -> Expectation:
    """Return an earlier result as an expectation; what a paced stream showed is a matter of its day."""
    shows = result.shows
    manners = (shows.manner,) if shows and not shows.seen else ()
    verdicts = (result.verdict,) if result.verdict else ()
    return Expectation(result.id, f"as it was in {name}", verdicts, shows=manners)


def _gone(result: Result, name: str) -> Result:
    """Return what a run comes to that lacks a cell of an earlier one."""
    return Result(
        id=result.id,
        cell=result.cell,
        outcome="fail",
        reason=f"was {result.verdict} in {name}, is not in this run",
        baseline_id=result.baseline_id,
        control_id=result.control_id,
        facts=result.facts,
    )


def _concluded(result: Result, everything: Mapping[str, Assessment], traces: Mapping[str, Sequence[Trace]]) -> Result:
    assessed = everything[result.id]
    assessed = replace(assessed, facts=_of_the_run(result.facts, assessed.facts))
    control: Assessment | str | None = None
    if result.control_id:
        control = everything.get(result.control_id, f"{result.control_id} left no trace")
    baseline: Assessment | str | None = None
    if result.baseline_id:
        baseline = everything.get(result.baseline_id, f"{result.baseline_id} left no trace")
    ending, reason, effect = conclude(assessed, control, baseline, result.expectation)
    return replace(
        result,
        outcome=ending,
        reason=reason,
        verdict=assessed.verdict,
        effect=effect,
        release=assessed.judgement.release,
        shows=assessed.shows,
        metrics=assessed.metrics,
        header_changes=header_changes(counted(traces[result.id])[-1]),
        facts=assessed.facts,
    )


def _of_the_run(kept: Facts, found: Facts) -> Facts:
    """Return what the traces tell, with what only the run itself knew."""
    return replace(found, **{name: getattr(kept, name) for name, fact in FACTS.items() if fact.of_run})
