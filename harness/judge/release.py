"""What let held tokens go. Pure.

*Late is not held*: a token that came before any further byte had left the emitter was not released by one. And a hold
proves nothing about bytes that had been waited out for less long than another token of its stream needed to come by
itself: a timer may have come while it was probed for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from harness.judge.metrics import Arrival, late_bursts, sent_alone, sent_bytes, sent_together
from harness.model import Release, ReleasedBy, Sent, Trace

PACED_HELD_SHARE = 0.1
PROBE_FRACTION = 16
END_SHRUNK = 2
"""How many times closer to the end a token must come than it left, to count as let go by the end."""


def probe_step_tokens(since: int) -> int:
    """Return how many tokens the probing step after `since` others grants: 1 at first, then a sixteenth more each time.

    So what released a token is known to 6 %, and a workload of N tokens takes 16 ln N steps at most.
    """
    return 1 + since // PROBE_FRACTION


def self_released(trace: Trace, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return the tokens that came by themselves although their patience had passed."""
    patience_ms = trace.plan.emission.workload.patience_ms
    return [token for token in sent_alone(trace, arrivals) if token.hold_ms >= patience_ms]


def pulsed(trace: Trace) -> set[int]:
    """Return the tokens that came after their patience, and only when the guard had sent a pulse through the chain."""
    tokens = set()
    for at, step in enumerate(trace.steps):
        if step.kind == "pulse":
            then = next((s for s in trace.steps[at:] if s.kind in ("arrive", "hold")), None)
            if then and then.kind == "arrive" and then.at_ns >= step.at_ns:
                tokens.add(step.seq)
    return tokens


def probed(trace: Trace) -> set[int]:
    """Return the held tokens after which others were sent before they came."""
    holds = ((at, step.seq) for at, step in enumerate(trace.steps) if step.kind == "hold")
    return {seq for at, seq in holds if "grant" in _kinds_until_arrival(trace, at, seq)}


def lockstep_releases(trace: Trace, arrivals: Sequence[Arrival]) -> list[Release]:
    """Return what is known to have released tokens that were held, in order; late ones were not held."""
    longest_ms = max((token.hold_ms for token in self_released(trace, arrivals)), default=0.0)
    releases = []
    for at, step in enumerate(trace.steps):
        if step.kind == "hold":
            token = arrivals[step.seq]
            release = _release(trace, token, _kinds_until_arrival(trace, at, token.seq))
            proven = (step.at_ns - token.sent_ns) / 1e6 >= longest_ms
            if release and (proven or release.by == "end"):
                releases.append(release)
    return releases


def _kinds_until_arrival(trace: Trace, position: int, seq: int) -> set[str]:
    rest = trace.steps[position + 1 :]
    return {s.kind for s in takewhile(lambda s: not (s.kind == "arrive" and s.seq >= seq), rest)}


def _release(trace: Trace, token: Arrival, meanwhile: set[str]) -> Release | None:
    """Return what released a token that was not here when its patience ended; None if it was only late."""
    by: ReleasedBy
    if token.at_ns >= _end_ns(trace) and not _ends(trace, token):
        by = "end"
    elif not _sent_after(trace, token):
        return None
    elif "wait" in meanwhile and _sent_after(trace, token)[-1].at_ns < (wait_ns := _wait_ns(trace)):
        by = "unknown" if any(wait_ns < beat.at_ns < token.at_ns for beat in trace.heartbeats) else "timer"
    else:
        by = "bytes"
    return release_of(trace, token, by)


def _wait_ns(trace: Trace) -> int:
    """Return when the last silence began: what was sent later can still have released something."""
    return next(step.at_ns for step in trace.steps if step.kind == "wait")


def paced_releases(trace: Trace, arrivals: Sequence[Arrival]) -> list[Release]:
    """Return what let go of tokens that came together, if enough of them did."""
    if sent_together(trace):
        return []
    late = late_bursts(arrivals)
    if sum(map(len, late)) < PACED_HELD_SHARE * len(arrivals):
        return []
    return [release_of(trace, b[0], "end" if b[0].at_ns >= _end_ns(trace) else "unknown") for b in late]


def kept_for_end(trace: Trace, arrivals: Sequence[Arrival], late_ms: float) -> list[Arrival]:
    """Return the tokens of a burst at the source that came with the end, if enough did, and as late as `late_ms`.

    The end is one more thing that was sent: who lags by so much lags with the end, too, and brings it as much later.
    """
    if not sent_together(trace):
        return []
    kept = [
        token
        for token in tail_of(trace, arrivals)
        if token.hold_ms >= late_ms and _until_closed_ms(trace, token) * END_SHRUNK <= _until_end_ms(trace, token)
    ]
    return kept if len(kept) >= PACED_HELD_SHARE * len(arrivals) else []


def _until_closed_ms(trace: Trace, token: Arrival) -> float:
    assert trace.closed_ns is not None, "a response that did not end is broken"
    return (trace.closed_ns - token.at_ns) / 1e6


def _until_end_ms(trace: Trace, token: Arrival) -> float:
    return (_end_ns(trace) - token.sent_ns) / 1e6


def release_of(trace: Trace, token: Arrival, by: ReleasedBy) -> Release:
    """Return a token's release with its figures."""
    emission, after = trace.plan.emission, _sent_after(trace, token)
    in_silence = by == "timer" or (by == "unknown" and emission.pace == "lockstep") or sent_together(trace)
    return Release(
        seq=token.seq,
        by=by,
        after_bytes=sent_bytes(trace, token.at_ns) - token.end_bytes,
        after_tokens=len(after),
        wait_ms=token.hold_ms if in_silence else len(after) * emission.gap_ms,
        held_ms=token.hold_ms,
        resolution_bytes=probe_step_tokens(max(len(after) - 1, 0)) * event_bytes(trace),
    )


def event_bytes(trace: Trace) -> int:
    """Return the size of one token on the wire, padding included."""
    emission = trace.plan.emission
    return emission.workload.token_bytes + (emission.padding.bytes if emission.padding else 0)


def _sent_after(trace: Trace, token: Arrival) -> list[Sent]:
    return [sent for sent in trace.sent if sent.seq > token.seq and sent.at_ns < token.at_ns]


def _end_ns(trace: Trace) -> int:
    """Return when the body was complete; with `length` framing the last token completes it."""
    if trace.plan.emission.body == "length":
        return trace.sent[-1].at_ns
    assert trace.ended_ns is not None, "a stream that did not end is broken and has no releases"
    return trace.ended_ns


def _ends(trace: Trace, token: Arrival) -> bool:
    """Tell whether the token is itself the end, so that no end can have released it."""
    return trace.plan.emission.body == "length" and token.seq == trace.sent[-1].seq


def tail_of(trace: Trace, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """Return the tokens at the end of the stream that only its end let go."""
    return [arrival for arrival in arrivals if arrival.at_ns >= _end_ns(trace) and not _ends(trace, arrival)]
