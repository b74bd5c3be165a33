"""Which of a cell's streams count: whose answer each was, and whether it ran alone. Pure.

Rules: the first take is of the cell itself; those with another id are of its baseline, asked beside it. A stream that
a hop turned away tells nothing of streams, if another was let through. One that ran alone tells more than one that ran
beside others, and a brief one nothing but whether it begins as another does.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.metrics import delivery, expected_status
from harness.model import Trace

GAVE_UP = ("time-out: ", "the response did not end")
"""How failures begin that are of our own waiting: nobody refused anything, and asked again it would take as long."""


def turned_away(trace: Trace) -> bool:
    """Tell whether a hop answered by itself, or hung up, and no token of the stream came."""
    if trace.answered_by not in ("hop", "nobody") or (trace.failure or "").startswith(GAVE_UP):
        return False
    return trace.status != expected_status(trace) or not delivery(trace).arrivals


def counted(traces: Sequence[Trace]) -> Sequence[Trace]:
    """Return those of a cell's takes, in the order of recording, that it is judged by: one or more."""
    own = [trace for trace in traces if trace.cell_id == traces[0].cell_id and not trace.brief]
    through = [trace for trace in own if not turned_away(trace)]
    return [trace for trace in through if trace.alone] or through or own[-1:]
