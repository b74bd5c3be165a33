"""From a trace to a verdict. Pure.

Verdicts, worst last. In lockstep the order of events decides, not the clock:

- `streamed`: every token was here before the next was sent, and the median hold over the control is under 50 ms.
- `delayed`: every token came before the next was sent, but 50 ms late or more in the median: something timed it.
- `coalesced`: a token was held past the patience and came only after more bytes, before the end.
- `buffered`: from some token on, nothing came until the emitter ended the stream.
- `broken`: tokens lost, repeated, reordered, altered or replayed; wrong status, reset, time-out, undecodable body.

What let held tokens go is told in `release`. A tail that only the end releases makes a stream `buffered`, unless two
holds before it show that it coalesces and the tail is no longer than they were: a last, partly filled buffer is part
of coalescing.
Heartbeats are bytes that leave by the clock: what came after nothing but them was let go by them or by a timer.

Paced streams mirror this: a token is held when it comes together with one emitted 50 ms or more after it, and a
tenth of the tokens must be held before the stream counts as coalesced or buffered.

A burst at the source is no hold: where all tokens were due, or left, within 50 ms, what came together was sent
together. Such a stream is `buffered` from the token on that came with the end, which leaves well after the last token;
`delayed` if tokens are 50 ms late over the control in the median; else `streamed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.judge import shows
from harness.judge.facts import facts
from harness.judge.metrics import (
    HELD_MS,
    Arrival,
    Delivery,
    delivery,
    expected_status,
    gist,
    late_bursts,
    measure,
    met_by_heartbeat,
    sent_alone,
    sent_together,
    source_span_ms,
    usual_ms,
)
from harness.judge.release import (
    event_bytes,
    kept_for_end,
    lockstep_releases,
    paced_releases,
    probed,
    pulsed,
    release_of,
    self_released,
    tail_of,
)
from harness.model import Facts, Judgement, Metrics, Release, ReleasedBy, Shows, Trace

STEADY = 2
"""How many holds have to end before the stream does to make coalescing its steady state: padding at the start of a
stream can push its first tokens out of a buffer that then holds all others to the end."""

TAIL = 2.0
"""How much longer than what released earlier holds a tail must be to count as buffered."""

LAG = "a lag or timer longer than the patience looks like this too, and more patience_ms would tell"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one cell's streams say. `unstable` tells how a second stream disagreed with the first, if it did.

    `shows` is None of a stream that is broken.
    `facts` are of the stream that was judged and, if a second one was refused, of that refusal.
    """

    metrics: Metrics
    judgement: Judgement
    unstable: str | None = None
    facts: Facts = field(default_factory=Facts)
    shows: Shows | None = None


def assess(traces: Sequence[Trace], control: Metrics | None = None) -> Assessment:
    """Measure and judge a cell's trace and, if there is one, the second that is to confirm it.

    Two verdicts are `unstable`, unless the second stream, which is more patient and sends no pulses if those seemed to
    help, shows what the first mistook. Two ways to be released are one of a hop that has both, a size and a timer, of
    which the first to be reached lets go: the verdict stands, and neither way is claimed.
    """
    first, *others = [_assess(trace, control) for trace in traces]
    for other, trace in zip(others, traces[1:], strict=True):
        if other.judgement.verdict != first.judgement.verdict:
            if mistaken := _mistaken(traces[0], trace):
                reason = f"{other.judgement.reason}; {mistaken}"
                return replace(other, judgement=replace(other.judgement, reason=reason))
            unstable = f"first {_in_brief(first)}, then {_in_brief(other)}"
            return replace(first, unstable=unstable, facts=_with_refusal(first.facts, other.facts))
        if _released_by(other) != _released_by(first):
            return replace(first, judgement=_either(first.judgement, other.judgement))
    return first


def _assess(trace: Trace, control: Metrics | None) -> Assessment:
    delivered = delivery(trace)
    figures = measure(trace, delivered, control)
    judgement = judge(trace, delivered, figures)
    told = facts(trace, delivered, figures, judgement)
    if judgement.verdict == "broken":
        return Assessment(figures, judgement, facts=told)
    if trace.plan.emission.pace == "paced":
        shown = shows.seen(trace, delivered.arrivals, usual_ms(figures) if control else None)
    else:
        shown = shows.computed(trace, judgement, figures.over_control_ms or 0.0)
    return Assessment(figures, judgement, facts=told, shows=shown)


def _with_refusal(first: Facts, other: Facts) -> Facts:
    """Return what is known of two streams that disagree: if one was refused, that is what has to be looked into."""
    return replace(first, refusal=other.refusal, answered_by=other.answered_by) if other.refusal else first


def _mistaken(first: Trace, second: Trace) -> str | None:
    """Return what a first stream took for something else, as a second one of the same cell shows."""
    held, held_again = ({step.seq for step in trace.steps if step.kind == "hold"} for trace in (first, second))
    if pulsed(first) & held_again:
        return "in a first stream, other requests through the chain let tokens go"
    if held & {token.seq for token in self_released(second, delivery(second).arrivals)}:
        return "in a first stream, a timer ran out while more bytes were sent"
    return None


def _released_by(assessed: Assessment) -> ReleasedBy | None:
    release = assessed.judgement.release
    return release.by if release else None


def _either(first: Judgement, second: Judgement) -> Judgement:
    """Return one judgement of two streams whose tokens were released in different ways: a person waits the less."""
    releases = [judgement.release for judgement in (first, second) if judgement.release]
    least = min(releases, key=lambda release: release.wait_ms)
    reason = f"{first.reason}; in a second stream, {second.reason}"
    return replace(first, reason=reason, release=replace(least, by="unknown"))


def _in_brief(assessed: Assessment) -> str:
    return f"{assessed.judgement.verdict} ({assessed.judgement.reason})"


def judge(trace: Trace, delivered: Delivery, figures: Metrics) -> Judgement:
    """Return the verdict on one trace, given what it delivered and its figures (both from `metrics`)."""
    if broken := _broken(trace, delivered):
        return Judgement("broken", broken)
    arrivals = delivered.arrivals
    paced = trace.plan.emission.pace == "paced"
    releases = paced_releases(trace, arrivals) if paced else lockstep_releases(trace, arrivals)
    if kept := kept_for_end(trace, arrivals, _late_ms(figures)):
        return _buffered(trace, kept, burst=_burst(trace))
    tail = tail_of(trace, arrivals)
    if not releases and not (tail and any(step.kind == "wait" for step in trace.steps)):
        return _in_time(trace, arrivals, figures)
    if not releases:  # drained without a hold that tells, and then silent
        return _buffered(trace, tail, timed=bool(self_released(trace, arrivals)))
    release = _steady(releases, paced)
    early = [r.after_bytes + r.resolution_bytes for r in releases if r.by != "end"]
    if tail and (len(early) < STEADY or len(tail) * event_bytes(trace) > TAIL * max(early)):
        return _buffered(trace, tail, timed=release.by == "timer")
    return Judgement("coalesced", _sentence(release, paced), release)


def _buffered(trace: Trace, tail: Sequence[Arrival], timed: bool = False, burst: str = "") -> Judgement:
    reason = f"from token {tail[0].seq} on, nothing came before the end"
    if burst:
        reason += f", although {burst}"
    elif timed or _as_far_apart_as_sent(tail):
        reason += f"; {LAG}"
    return Judgement("buffered", reason, release_of(trace, tail[0], "end"))


def _as_far_apart_as_sent(tail: Sequence[Arrival]) -> bool:
    """Tell whether the end cannot have let all of them go at once."""
    return (tail[-1].sent_ns - tail[0].sent_ns) / 1e6 >= HELD_MS and not late_bursts(tail)


def _steady(releases: Sequence[Release], paced: bool) -> Release:
    """Return the release that stands for the stream, not for its end: the last, or of many the one of median wait."""
    before_end = [release for release in releases if release.by != "end"] or releases
    return sorted(before_end, key=lambda release: release.wait_ms)[len(before_end) // 2] if paced else before_end[-1]


def isolated(trace: Trace, judgement: Judgement) -> bool:
    """Say whether a second stream has to confirm the verdict: it rests on a lone hold, a clock or another request."""
    if judgement.verdict == "delayed":
        return True
    if judgement.verdict == "streamed":
        return bool(probed(trace) or pulsed(trace))
    holds = sum(step.kind == "hold" for step in trace.steps)
    return judgement.verdict == "coalesced" and (trace.plan.emission.pace == "paced" or holds == 1)


def _broken(trace: Trace, delivered: Delivery) -> str | None:
    if trace.status is not None and trace.status != expected_status(trace):
        return f"status {trace.status} instead of {expected_status(trace)}: {gist(trace)}"
    if trace.closed_ns is not None and trace.ended_ns is None and trace.plan.emission.body != "length":
        return "the response ended before the emitter ended it"
    if trace.failure:
        return trace.failure
    if trace.closed_ns is None:
        return "the response never ended"
    return delivered.problem


def _in_time(trace: Trace, arrivals: Sequence[Arrival], figures: Metrics) -> Judgement:
    over, alone = figures.over_control_ms, sent_alone(trace, arrivals)
    late = [token for token in alone if token.hold_ms >= _late_ms(figures)]
    if over is not None and over >= HELD_MS:
        reason = f"tokens came by themselves, but {over:.0f} ms late in the median"
        if all(met_by_heartbeat(trace, token) for token in late):  # a single one without would prove a timer
            reason = f"tokens came {over:.0f} ms late in the median, each after a heartbeat: that or a timer let it go"
        if sent_together(trace):
            reason = f"tokens came {over:.0f} ms late in the median, although {_burst(trace)}"
        return Judgement("delayed", reason)
    lateness = f"; {len(late)} of {len(alone)} came {HELD_MS:.0f} ms late or more" if late else ""
    if sent_together(trace):
        return Judgement("streamed", f"{_burst(trace)}: what came together was sent together{lateness}")
    if trace.plan.emission.pace == "paced":
        return Judgement("streamed", f"hardly a token waited {HELD_MS:.0f} ms or more for another{lateness}")
    sampled = next((step.seq for step in trace.steps if step.kind == "drain"), None)
    tokens = "every token" if sampled is None else f"each of the first {sampled} tokens"
    tokens += "".join(f" but {seq}" for seq in sorted(probed(trace)))
    return Judgement("streamed", f"{tokens} came before the next was sent{lateness}")


def _late_ms(figures: Metrics) -> float:
    """Return from when on a token is late: `HELD_MS` over the control."""
    return HELD_MS + (usual_ms(figures) or 0.0)


def _burst(trace: Trace) -> str:
    """Tell of a burst at the source, which a chain that takes no more for a while can stretch."""
    span_ms = max(1, math.ceil(source_span_ms(trace) or 0.0))
    if span_ms > HELD_MS:
        return f"all {len(trace.sent)} tokens were due at once and left the source over {span_ms} ms"
    return f"all {len(trace.sent)} tokens left the source within {span_ms} ms"


def _sentence(release: Release, paced: bool) -> str:
    what = {
        "bytes": f"{release.after_bytes} more bytes ({release.after_tokens} tokens) had been sent",
        "timer": "a timer, longer than the patience, let it go",
        "end": "the stream ended",
        "unknown": f"{release.after_tokens} more tokens had been sent" if paced else "a heartbeat or a timer let it go",
    }[release.by]
    return f"token {release.seq} was held until {what}"
