"""What a trace tells beside its verdict: whose answer it was, what the reader is like, what its screen held. Pure."""

from __future__ import annotations

from typing import Literal

from harness.judge.metrics import Delivery, late_bursts, painted
from harness.model import Facts, Refusal, Screen, Trace

UNPAINTED_SHARE = 0.5
"""What share of the tokens has to wait for a later one's frame before a screen counts as holding them."""

NO_ROUTE = (404, 405)
NO_WEBSOCKET = (400, 403, 404, 405)
"""What application servers answer to a request, or to a handshake, that nothing in the application is there for."""


def facts(trace: Trace, delivered: Delivery) -> Facts:
    """Return what a stream tells of itself; what only the run knows (the claims that are played, say) is left out."""
    return Facts(
        hops=trace.hops,
        answered_by=trace.answered_by,
        refusal=_refusal(trace),
        remark=trace.remark,
        clock_uncertainty_ms=trace.clock_uncertainty_ms,
        screen=_screen(trace, delivered),
        sampled_after=_sampled_after(trace),
    )


def _refusal(trace: Trace) -> Refusal | None:
    if trace.status is None or trace.status == trace.plan.status:
        return None
    return Refusal(trace.status, trace.plan.status, _served_instead(trace))


def _served_instead(trace: Trace) -> Literal["http", "websocket"] | None:
    """Return what an application seems to serve that refused what it was asked for."""
    if "application" not in trace.hops or trace.answered_by == "emitter":
        return None
    if trace.plan.emission.format == "websocket":
        return "http" if trace.status in NO_WEBSOCKET else None
    return "websocket" if trace.status in NO_ROUTE else None


def _screen(trace: Trace, delivered: Delivery) -> Screen | None:
    """Return the most tokens that were painted together after they had come apart, if a screen held half of all so."""
    held = late_bursts(painted(trace, delivered.arrivals))
    if not held or sum(map(len, held)) < UNPAINTED_SHARE * len(delivered.arrivals):
        return None
    largest = max(held, key=len)
    return Screen(len(largest), (largest[-1].sent_ns - largest[0].sent_ns) / 1e6)


def _sampled_after(trace: Trace) -> int | None:
    """Return after how many tokens time was up. A stream that was drained after a hold shows its pattern: no sample."""
    kinds = [step.kind for step in trace.steps]
    return trace.steps[kinds.index("drain")].seq if "drain" in kinds and "hold" not in kinds else None
