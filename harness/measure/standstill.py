"""The time in which the machine stood still, and traces without it. No I/O, no clock.

Rule: time passes for a conversation as long as the control stream goes round. Where it does not, the emitter or we were
not scheduled, and a token that came late says nothing of a hop: so what goes beyond the usual is in no step, in no wait
and in no instant of the trace. A little of each standstill stays, which makes a token late, and none held.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, replace

from harness.judge.rules import HOLD_MS
from harness.model import Trace

ALLOWED_NS = int(HOLD_MS * 1e6 / 2)
"""So long nothing may go round at the least: half of what makes a hold."""

USUAL = 3
"""So many times the usual it may take: where everything is slow, nothing stands still."""

REMEMBERED = 31
STANDSTILLS = 4096


@dataclass(frozen=True, slots=True)
class _Lost:
    """One standstill, and how long those before it were together."""

    from_ns: int
    to_ns: int
    before_ns: int


class Standstill:
    """Hears of every sign of life, and tells how much time was lost by an instant."""

    def __init__(self) -> None:
        self._lost: deque[_Lost] = deque(maxlen=STANDSTILLS)
        self._gaps_ns: deque[int] = deque(maxlen=REMEMBERED)
        self._allowed_ns = ALLOWED_NS
        self._since_ns: int | None = None
        self._total_ns = 0

    def begins(self, at_ns: int) -> None:
        """Take note that signs of life are to come from now on."""
        self._since_ns = at_ns

    def sign(self, at_ns: int) -> None:
        """Take note of one."""
        if self._since_ns is None:
            return
        if (from_ns := self._since_ns + self._allowed_ns) < at_ns:
            self._lost.append(_Lost(from_ns, at_ns, self._total_ns))
            self._total_ns += at_ns - from_ns
        self._gaps_ns.append(at_ns - self._since_ns)
        self._allowed_ns = max(ALLOWED_NS, int(USUAL * statistics.median(self._gaps_ns)))
        self._since_ns = at_ns

    def ends(self) -> None:
        """Take note that none is to come."""
        self._since_ns = None

    def lost_ns(self, at_ns: int) -> int:
        """Return how much time was lost by an instant: in what was told of, and in what goes on."""
        if self._since_ns is not None and at_ns >= self._since_ns:
            return self._total_ns + max(0, at_ns - self._since_ns - self._allowed_ns)
        for lost in reversed(self._lost):
            if at_ns >= lost.from_ns:
                return lost.before_ns + min(at_ns, lost.to_ns) - lost.from_ns
        return self._lost[0].before_ns if self._lost else 0


class Clock:
    """The time of one stream: as ours when it begins, and without what was lost from then on. It never goes back."""

    def __init__(self, standstill: Standstill, begins_ns: int) -> None:
        self._standstill = standstill
        self._before_ns = standstill.lost_ns(begins_ns)
        self._differs = False

    def at_ns(self, ours_ns: int) -> int:
        """Return what time it was for the stream at an instant of ours."""
        told_ns = self._told_ns(ours_ns)
        self._differs |= told_ns != ours_ns
        return told_ns

    def told(self, trace: Trace) -> Trace:
        """Return a trace of the stream by its own time, which its steps are told by already.

        What the emitter told stays as it is, as tokens say it, too: where time was lost, that is another clock's.
        """
        if not self._differs:
            return trace
        return replace(
            trace,
            opened_ns=self._told_ns(trace.opened_ns),
            head_ns=self._maybe_ns(trace.head_ns),
            reads=tuple(replace(read, at_ns=self._told_ns(read.at_ns)) for read in trace.reads),
            closed_ns=self._maybe_ns(trace.closed_ns),
            painted_ns=tuple(map(self._told_ns, trace.painted_ns)),
            emitter_clock="its own",
        )

    def _told_ns(self, ours_ns: int) -> int:
        return ours_ns - max(0, self._standstill.lost_ns(ours_ns) - self._before_ns)

    def _maybe_ns(self, ours_ns: int | None) -> int | None:
        return None if ours_ns is None else self._told_ns(ours_ns)
