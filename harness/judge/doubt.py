"""Whether a busy machine may have made a verdict, so that the stream is to be measured once more, alone. Pure."""

from __future__ import annotations

from harness.judge.flow import last_flow
from harness.judge.reading import Alone, Hold, Reader
from harness.judge.rules import HOLD_MS, LATE_MS, LONGER, SHARE
from harness.model import Judgement, Trace


def is_doubtful(judgement: Judgement, reader: Reader, trace: Trace) -> bool:
    """Tell whether a busy machine may have made a verdict of lateness: by what tokens that came by themselves say.

    A lag or a timer delays them all, so some were not to be on time. A stream counts as one that streams though a
    quarter is late over what a trip takes usually, if a quarter of those trips is as slow. A timer that was waited for
    barely longer than what is no hold yet may be one that is none. And a flow may not tell whether it waits for a
    pause, or is one at all.
    """
    verdict, release = judgement.verdict, judgement.release
    if release and release.by == "timer" and (flow := last_flow(reader)) and flow.is_unsure(release.wait_ms):
        return True
    alone_ms = [one.trip_ms for one in reader.seen if isinstance(one, Alone)]
    match verdict:
        case "coalesced" if release and release.by == "timer":
            longer_ms = LONGER * HOLD_MS + reader.round_trip_ms
            sure = sum(isinstance(one, Hold) and one.trip_ms > longer_ms for one in reader.seen)
            return sure <= SHARE * len(reader.seen)
        case "delayed":
            return sum(trip_ms < LATE_MS + reader.round_trip_ms for trip_ms in alone_ms) > SHARE * len(alone_ms)
        case "streamed":
            late = sum(trip_ms >= LATE_MS + _over_ms(reader, trace) for trip_ms in alone_ms)
            return bool(alone_ms) and late >= SHARE * len(alone_ms)
    return False


def _over_ms(reader: Reader, trace: Trace) -> float:
    """Return over what a token of a stream that streams is late: what a trip takes usually, or at best, if the usual
    one would itself be late over that: behind it a hop that is as late would hide.
    """
    if trace.distance_ms is None:
        return reader.round_trip_ms
    best_ms = trace.distance_ms + (trace.plan.emission.delay_ms or 0.0)
    return best_ms if reader.round_trip_ms >= LATE_MS + best_ms else reader.round_trip_ms
