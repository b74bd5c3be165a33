"""What a trace tells beside its verdict: whose answer it was, what the reader is like, what its screen held. Pure."""

from __future__ import annotations

from harness.judge.metrics import (
    Delivery,
    alone_ms,
    expected_status,
    late_bursts,
    painted,
    transport,
    usual_ms,
)
from harness.judge.reading import Reader
from harness.judge.rules import LATE_MS
from harness.model import Facts, Judgement, Metrics, Refusal, Screen, Trace, TransportName

UNPAINTED_SHARE = 0.5
"""What share of the tokens has to wait for a later one's frame before a screen counts as holding them."""


AROUND = ("start", "head_held")
"""What is before the steady state: of a paced cell, its lockstep twin tells it."""


def facts(trace: Trace, delivered: Delivery, figures: Metrics, judgement: Judgement, reader: Reader) -> Facts:
    """Return what a stream tells of itself; what only the run knows (the claims that are played, say) is left out."""
    return Facts(
        hops=trace.hops,
        answered_by=trace.answered_by,
        refusal=_refusal(trace),
        remark=trace.remark,
        clock_uncertainty_ms=trace.clock_uncertainty_ms,
        screen=_screen(trace, delivered),
        sampled_after=reader.sampled_after,
        start=judgement.start,
        head_held=judgement.head_held,
        tail_tokens=judgement.tail_tokens or None,
        late_tokens=_late_tokens(trace, delivered, figures, judgement, reader),
    )


def _refusal(trace: Trace) -> Refusal | None:
    if trace.status is None or trace.status == expected_status(trace):
        return None
    return Refusal(trace.status, expected_status(trace), _not_served(trace))


def _not_served(trace: Trace) -> TransportName | None:
    """Return the transport of the request if an application refused it as one that has nothing for it."""
    if "application" not in trace.hops or trace.answered_by == "emitter":
        return None
    return transport(trace).name if trace.status in transport(trace).refusals else None


def _screen(trace: Trace, delivered: Delivery) -> Screen | None:
    """Return the most tokens that were painted together after they had come apart, if a screen held half of all so."""
    held = late_bursts(painted(trace, delivered.arrivals))
    if not held or sum(map(len, held)) < UNPAINTED_SHARE * len(delivered.arrivals):
        return None
    largest = max(held, key=len)
    return Screen(len(largest), (largest[-1].sent_ns - largest[0].sent_ns) / 1e6)


def _late_tokens(
    trace: Trace, delivered: Delivery, figures: Metrics, judgement: Judgement, reader: Reader
) -> int | None:
    if judgement.verdict != "streamed" or trace.plan.emission.pace == "paced":
        return None
    late_ms = LATE_MS + (usual_ms(figures) or 0.0)
    return sum(under_way_ms >= late_ms for under_way_ms in alone_ms(trace, delivered.arrivals, reader)) or None
