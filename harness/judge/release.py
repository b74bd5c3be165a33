"""What let held tokens go, in figures. Pure."""

from __future__ import annotations

from harness.judge.reading import Hold, Reader
from harness.model import Release, Trace


def needed_tokens(hold: Hold, reader: Reader) -> int:
    """Return how many tokens had to follow a held one at the least: before, it had not come yet.

    Whoever takes its time to let go is sent more meanwhile. What of that stays behind may not have been needed.
    """
    return min(hold.before_tokens, hold.after_tokens - reader.left_behind(hold.seq, hold.after_tokens))


def release_by_bytes(trace: Trace, hold: Hold, reader: Reader) -> Release:
    """Return the release of a token that came when so many others had been sent after it.

    Bytes are counted by the emitter, in the order in which they left; what else had left by then counts, too.
    """
    through = hold.seq + hold.after_tokens
    after_bytes = _bytes_between(trace, hold.seq, through)
    return Release(
        seq=hold.seq,
        by="bytes",
        after_bytes=after_bytes,
        after_tokens=hold.after_tokens,
        wait_ms=hold.after_tokens * trace.plan.emission.gap_ms,
        held_ms=hold.trip_ms,
        resolution_bytes=_bytes_between(trace, hold.seq + needed_tokens(hold, reader), through),
    )


def release_by_time(seq: int, wait_ms: float, idle: bool) -> Release:
    """Return the release of a token that a timer let go after so long; an `idle` one counts from the last byte."""
    return Release(seq, "timer", 0, 0, wait_ms, wait_ms, 0, idle)


def release_by_end(trace: Trace, seq: int) -> Release:
    """Return the release of a token that waits for the end of the stream as asked."""
    emission = trace.plan.emission
    after = max(emission.workload.tokens - 1 - seq, 0)
    after_bytes = _bytes_between(trace, seq, min(emission.workload.tokens, len(trace.sent)) - 1) if after else 0
    return Release(seq, "end", after_bytes, after, after * emission.gap_ms, None, 0)


def _bytes_between(trace: Trace, seq: int, through: int) -> int:
    return trace.sent[through].end_bytes - trace.sent[seq].end_bytes
