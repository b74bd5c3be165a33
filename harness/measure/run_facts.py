"""What only a run knows of its streams: which programs they went through, and what these are. Pure."""

from __future__ import annotations

from dataclasses import replace

from harness.matrix.references import StandIns
from harness.measure.bench import StartedChain
from harness.model import Facts, HopKind, Plan, Trace, versions_met, without_query

WAITED = frozenset(("hold", "wait", "pulse", "drain"))
"""Steps of a conversation that rest on the guard."""


def versions(plan: Plan, entry: StartedChain, client: str) -> dict[str, str]:
    """Return the version of each program of a chain and of the client, by name."""
    hops = ({hop.program: running.version} for hop, running in zip(plan.chain, entry.hops, strict=True))
    return versions_met([{plan.client: client}, *hops])


def facts_of_run(trace: Trace, entry: StartedChain, stand_ins: StandIns, told: Facts) -> Facts:
    """Return what a stream tells beside its verdict, and what only the run knows."""

    def about(kind: HopKind) -> tuple[str, ...]:
        hops = zip(entry.kinds, entry.hops, strict=True)
        return tuple(hop.about for of_kind, hop in hops if of_kind == kind and hop.about)

    return replace(
        told,
        emulates=about("emulator"),
        applications=about("application"),
        served_by=tuple(
            replace(hop.served_by, hop=str(of.unedited), path=without_query(hop.served_by.path))
            for of, hop in zip(trace.plan.chain, entry.hops, strict=True)
            if hop.served_by
        ),
        stand_in=stand_ins.get(trace.plan.client),
        unguarded=entry.guard.pulse.lost and not WAITED.isdisjoint(step.kind for step in trace.steps),
    )
