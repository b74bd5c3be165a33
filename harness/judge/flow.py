"""How tokens came that were sent one after another without waiting for any: a flow. Pure.

It tells apart what tokens that are waited for one by one cannot: a lag, a timer, and a timer that waits for a pause.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.reading import Reader, alike
from harness.judge.rules import ALIKE, FLOW_MS, FLOW_SHARE, SHARE


@dataclass(frozen=True, slots=True)
class Flow:
    """How tokens came that were sent one after another without waiting for any.

    `spaced`: as far apart as they were sent, each as late as one before them that was alone. `period_ms`: else in
    bursts, at whole multiples of so long, counted from those that were alone, as a clock lets go; 0 if there is no such
    time. `quickest_ms` is how long the token took that took the least, over the round trip. After the last one of each
    burst nothing was sent for `quiets_ms`, until it came at most. Sending all of it took `sent_ms`, with `pauses_ms`
    between two of them.
    """

    spaced: bool
    period_ms: float
    quickest_ms: float
    quiets_ms: Sequence[float]
    sent_ms: float
    pauses_ms: Sequence[float]

    def idle(self, wait_ms: float) -> bool:
        """Tell whether a timer that takes so long waits for a pause: then no token is quicker, as lateness only adds.

        One that does not wait lets the last of a burst go at once, or as soon as its time is up, if the flow is over by
        then. Before a lag it is as slow, but in no pause; a few may have been the hop's alone.
        """
        slow = self.quickest_ms > wait_ms - min(wait_ms, self.sent_ms) / 2
        without = sum(quiet_ms <= wait_ms / 2 for quiet_ms in self.quiets_ms)
        return slow and without <= SHARE * len(self.quiets_ms) and not self.spaced

    def is_unsure(self, wait_ms: float) -> bool:
        """Tell whether what `idle` says may be by a machine that stood still, or by a lag that came in bursts for that.

        A timer that does not wait lets some token go before two more are sent. Where none was as quick the wait may be
        overrated, the hop may have had pauses, or it is a lag; of a flow that was over before, only a lag makes several
        bursts. A timer that waits lets go less than half as often as another, which may have gone off in pauses only.
        """
        bursts = len(self.quiets_ms)
        if self.idle(wait_ms):
            return max(self.pauses_ms) > wait_ms / 2 and 2 * bursts * wait_ms > self.sent_ms
        quick = self.quickest_ms <= max(2 * FLOW_MS, ALIKE * wait_ms)
        return not quick and (self.sent_ms >= wait_ms or bursts > 2)


def last_flow(reader: Reader) -> Flow | None:
    """Return how the last flow came; None if there was none, or it is not here. A stretch sent at once is none."""
    here = (stretch for stretch in reversed(reader.stretches) if stretch.stop <= len(reader.arrived_ns))
    stretch = next((one for one in here if _lasts(reader, one)), None)
    if stretch is None:
        return None
    came_ns = [reader.arrived_ns[seq] for seq in (*_waited_for_before(reader, stretch), *stretch)]
    gaps_ms = [(b - a) / 1e6 for a, b in itertools.pairwise(came_ns)]
    lasts = [seq for seq in stretch if seq == stretch[-1] or _gap_ms(reader, seq) > FLOW_MS / 2]
    alone_ms = reader.trip_ms(_waited_for_before(reader, stretch)[-1])
    off = sum(not alike(reader.trip_ms(seq), alone_ms) for seq in stretch)
    apart = (reader.arrived_ns[stretch[-1]] - reader.arrived_ns[stretch[0]]) / 1e6 > _sent_ms(reader, stretch) / 2
    return Flow(
        spaced=apart and off < SHARE * len(stretch),
        period_ms=_period_ms([gap_ms for gap_ms in gaps_ms if gap_ms > FLOW_MS / 2]),
        quickest_ms=min(map(reader.trip_ms, stretch)) - reader.round_trip_ms,
        quiets_ms=[_pause_ms(reader, seq) for seq in lasts],
        sent_ms=_sent_ms(reader, stretch),
        pauses_ms=[(b - a) / 1e6 for a, b in itertools.pairwise(reader.granted_ns[seq] for seq in stretch)],
    )


def _lasts(reader: Reader, stretch: range) -> bool:
    """Tell whether sending it took long enough to tell of a timer that lets go as late as the token before it."""
    alone_ms, sent_ms = reader.trip_ms(_waited_for_before(reader, stretch)[-1]), _sent_ms(reader, stretch)
    return sent_ms >= FLOW_SHARE * alone_ms and not alike(alone_ms, alone_ms + sent_ms)


def _sent_ms(reader: Reader, stretch: range) -> float:
    return (reader.granted_ns[stretch[-1]] - reader.granted_ns[stretch[0]]) / 1e6


def _waited_for_before(reader: Reader, stretch: range) -> list[int]:
    """Return the last two tokens that were waited for before a stretch."""
    return [one.seq for one in reader.seen if one.seq < stretch[0]][-2:]


def _pause_ms(reader: Reader, seq: int) -> float:
    """Return for how long nothing was sent after a token, until it came at most."""
    here_ms = reader.trip_ms(seq) - reader.round_trip_ms
    if seq + 1 >= len(reader.granted_ns):
        return here_ms
    return min(here_ms, (reader.granted_ns[seq + 1] - reader.granted_ns[seq]) / 1e6)


def _gap_ms(reader: Reader, seq: int) -> float:
    """Return how long it was from a token's arrival to that of the next one."""
    return (reader.arrived_ns[seq + 1] - reader.arrived_ns[seq]) / 1e6


def _period_ms(gaps_ms: Sequence[float]) -> float:
    """Return the time that all of several gaps are whole multiples of; 0 if there is none. One gap tells of no time."""
    least_ms = min(gaps_ms, default=0.0)
    counted = [(gap_ms, round(gap_ms / least_ms)) for gap_ms in gaps_ms]
    if len(counted) < 2 or not all(alike(gap_ms - (n - 1) * least_ms, least_ms) for gap_ms, n in counted):
        return 0.0
    return statistics.median(gap_ms / n for gap_ms, n in counted)
