"""Judges stored results again, by today's rules of yesterday's traces. Pure: results and traces in, results out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.judge.counted import counted
from harness.judge.metrics import header_changes
from harness.judge.outcome import as_in_lockstep, conclude, unsaid
from harness.judge.verdict import Assessment, assess
from harness.model import FACTS, Facts, Result, Trace


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
        measured=unsaid(assessed, reason),
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
