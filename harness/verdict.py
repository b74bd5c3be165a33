"""From a trace to a verdict, and from two verdicts to an effect. Pure.

Verdicts, worst last. In lockstep the order of events decides, not the clock:

- `streamed`: every token was here before the next was sent, and the median hold over the control is under 50 ms.
- `delayed`: every token came before the next was sent, but 50 ms late or more in the median: something timed it.
- `coalesced`: a token was held past the patience and came only after more bytes, before the end.
- `buffered`: from some token on, nothing came until the emitter ended the stream.
- `broken`: tokens lost, repeated, reordered, altered or replayed; wrong status, reset, time-out, undecodable body.

*Late is not held*: a held token that came before any further token had left the emitter was not released by one.
A tail that only the end releases makes a stream `buffered`, unless two holds before it show that it coalesces and the
tail is no longer than they were: a last, partly filled buffer is part of coalescing.
Heartbeats are bytes that leave by the clock: what came after nothing but them was let go by them or by a timer.

Paced streams mirror this: a token is held when it comes together with one emitted 50 ms or more after it, and a
tenth of the tokens must be held before the stream counts as coalesced or buffered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import takewhile

from harness.lockstep import probe_step_tokens
from harness.metrics import HELD_MS, Arrival, Delivery, delivery, late_bursts, measure, remarks, sent_bytes, singles
from harness.model import (
    Effect,
    Expectation,
    Judgement,
    Metrics,
    Outcome,
    Release,
    ReleasedBy,
    Sent,
    Trace,
    Verdict,
)

SEVERITY: dict[Verdict, int] = {"streamed": 0, "delayed": 1, "coalesced": 2, "buffered": 3, "broken": 4}
PACED_HELD_SHARE = 0.1
STEADY = 2
"""How many holds have to end before the stream does to make coalescing its steady state: padding at the start of a
stream can push its first tokens out of a buffer that then holds all others to the end."""

TAIL = 2.0
"""How much longer than what released earlier holds a tail must be to count as buffered."""

SHORTER = 2.0
"""A mitigation that changes no verdict reduces (or harms) when it halves (or doubles) how long tokens wait."""

LAG = "a lag or timer longer than the patience looks like this too, and more patience_ms would tell"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one cell's streams say. `unstable` tells how a second stream disagreed with the first, if it did.

    `notes` are what a person has to know about how the first was read.
    """

    metrics: Metrics
    judgement: Judgement
    unstable: str | None = None
    notes: tuple[str, ...] = ()


def assess(traces: Sequence[Trace], control: Metrics | None = None) -> Assessment:
    """Measure and judge a cell's trace and, if there is one, the second that is to confirm it.

    Two verdicts are `unstable`. Two ways to be released are one of a hop that has both, a size and a timer, of which
    the first to be reached lets go: the verdict stands, and neither way is claimed.
    """
    first, *others = [_assess(trace, control) for trace in traces]
    for other in others:
        if other.judgement.verdict != first.judgement.verdict:
            unstable = f"first {_told_briefly(first)}, then {_told_briefly(other)}"
            return replace(first, unstable=unstable)
        if _released_by(other) != _released_by(first):
            return replace(first, judgement=_either(first.judgement, other.judgement))
    return first


def _assess(trace: Trace, control: Metrics | None) -> Assessment:
    delivered = delivery(trace)
    figures = measure(trace, delivered, control)
    return Assessment(figures, judge(trace, delivered, figures), notes=remarks(trace, delivered))


def _released_by(assessed: Assessment) -> ReleasedBy | None:
    release = assessed.judgement.release
    return release.by if release else None


def _either(first: Judgement, second: Judgement) -> Judgement:
    """Return one judgement of two streams whose tokens were released in different ways: a person waits the less."""
    least = min((told.release for told in (first, second) if told.release), key=lambda release: release.wait_ms)
    reason = f"{first.reason}; in a second stream, {second.reason}"
    return replace(first, reason=reason, release=replace(least, by="unknown"))


def _told_briefly(assessed: Assessment) -> str:
    return f"{assessed.judgement.verdict} ({assessed.judgement.reason})"


def judge(trace: Trace, delivered: Delivery, figures: Metrics) -> Judgement:
    """Return the verdict on one trace, given what it delivered and its figures (both from `metrics`)."""
    if broken := _broken(trace, delivered):
        return Judgement("broken", broken)
    arrivals = delivered.arrivals
    paced = trace.plan.emission.pace == "paced"
    releases = _paced_releases(trace, arrivals) if paced else _lockstep_releases(trace, arrivals)
    tail = _tail(trace, arrivals)
    if not releases and not (tail and any(step.kind == "wait" for step in trace.steps)):
        return _in_time(trace, arrivals, figures)
    if not releases:  # drained without a hold, and then silent
        return _buffered(trace, tail)
    release = _steady(releases, paced)
    early = [r.after_bytes + r.resolution_bytes for r in releases if r.by != "end"]
    if tail and (len(early) < STEADY or len(tail) * _event_bytes(trace) > TAIL * max(early)):
        return _buffered(trace, tail, timed=release.by == "timer")
    return Judgement("coalesced", _sentence(release, paced), release)


def _buffered(trace: Trace, tail: Sequence[Arrival], timed: bool = False) -> Judgement:
    reason = f"from token {tail[0].seq} on, nothing came before the end"
    if timed or _as_far_apart_as_sent(tail):
        reason += f"; {LAG}"
    return Judgement("buffered", reason, _told(trace, tail[0], "end"))


def _as_far_apart_as_sent(tail: Sequence[Arrival]) -> bool:
    """Tell whether the end cannot have let all of them go at once."""
    return (tail[-1].sent_ns - tail[0].sent_ns) / 1e6 >= HELD_MS and not late_bursts(tail)


def _steady(releases: Sequence[Release], paced: bool) -> Release:
    """Return the release that stands for the stream, not for its end: the last, or of many the one of median wait."""
    before_end = [release for release in releases if release.by != "end"] or releases
    return sorted(before_end, key=lambda release: release.wait_ms)[len(before_end) // 2] if paced else before_end[-1]


def isolated(trace: Trace, judgement: Judgement) -> bool:
    """Say whether a second stream has to confirm the verdict: it rests on a lone hold, or on a clock."""
    if judgement.verdict not in ("delayed", "coalesced"):
        return False
    if trace.plan.emission.pace == "paced" or judgement.verdict == "delayed":
        return True
    kinds = [step.kind for step in trace.steps]
    return kinds.count("hold") == 1


def effect(mitigated: Assessment, baseline: Assessment) -> Effect:
    """Return what a mitigation did to the layer whose baseline is given. The first line that fits holds:

    - it streamed before: `not needed`, or `harms` if it does no more
    - it streams now: `defeats`
    - the verdict changed: `reduces` if it is milder, `harms` if it is worse
    - tokens wait half as long or less: `reduces`; twice as long or more: `harms`
    - else: `no effect`

    How long tokens wait is compared within `delayed`, by the median lateness, and within `coalesced`, by `wait_ms` of
    what releases them. Who is `buffered` waits for the end, however much passed at the start.
    """
    after, before = SEVERITY[mitigated.judgement.verdict], SEVERITY[baseline.judgement.verdict]
    if before == 0:
        return "not needed" if after == 0 else "harms"
    if after == 0:
        return "defeats"
    if after != before:
        return "reduces" if after < before else "harms"
    wait_ms, was_ms = _waits_ms(mitigated, baseline), _waits_ms(baseline, mitigated)
    if wait_ms is None or was_ms is None or wait_ms == was_ms:
        return "no effect"
    if wait_ms * SHORTER <= was_ms:
        return "reduces"
    return "harms" if wait_ms >= was_ms * SHORTER else "no effect"


def _waits_ms(of: Assessment, beside: Assessment) -> float | None:
    """Return how long tokens wait. A timer that shows in one of the two lets go in the other too, if it is sooner."""
    if of.judgement.verdict == "delayed":
        return of.metrics.over_control_ms
    release, other = of.judgement.release, beside.judgement.release
    if of.judgement.verdict != "coalesced" or not release or not other:
        return None
    return min(release.wait_ms, other.wait_ms) if release.by == "bytes" != other.by else release.wait_ms


def expected(cell_id: str, expectations: Sequence[Expectation]) -> Expectation | None:
    """Return the expectation for a cell: the last whose glob matches, so that a file reads from general to special."""
    return next((row for row in reversed(expectations) if fnmatchcase(cell_id, row.cells)), None)


def outcome(verdict: Verdict, effect: Effect | None, expectation: Expectation | None) -> tuple[Outcome, str | None]:
    """Hold a verdict and an effect against an expectation; the sentence says what did not fit."""
    if expectation is None:
        return "observed", None
    if expectation.verdict and verdict not in expectation.verdict:
        return "fail", f"expected {' or '.join(expectation.verdict)}, got {verdict}: {expectation.why}"
    if expectation.effect and effect not in expectation.effect:
        return "fail", f"expected effect {' or '.join(expectation.effect)}, got {effect}: {expectation.why}"
    return "pass", None


def conclude(
    assessed: Assessment,
    control: Assessment | str | None,
    baseline: Assessment | str | None,
    expectation: Expectation | None,
) -> tuple[Outcome, str, Effect | None]:
    """Return outcome, reason and effect of a cell.

    `control` is that of its direct control, a sentence if that could not be measured, or None if the cell is one.
    `baseline` is that of the same cell without mitigation, likewise. Without a sure baseline there is no effect; an
    expected one is then blocked, not failed.
    """
    if fault := _fault(control):
        return "blocked", fault, None
    if assessed.unstable:
        return "unstable", assessed.unstable, None
    judgement = assessed.judgement
    unsure = baseline.unstable if isinstance(baseline, Assessment) else baseline
    change = effect(assessed, baseline) if isinstance(baseline, Assessment) and not unsure else None
    if unsure and expectation and expectation.effect:
        return "blocked", f"its baseline is not known: {unsure}", None
    ending, misfit = outcome(judgement.verdict, change, expectation)
    return ending, misfit or judgement.reason, change


def _fault(control: Assessment | str | None) -> str | None:
    if control is None or isinstance(control, str):
        return control
    judgement = control.judgement
    if judgement.verdict == "streamed":
        return None
    return f"its direct control is {judgement.verdict}: {judgement.reason}"


def _broken(trace: Trace, delivered: Delivery) -> str | None:
    if trace.status is not None and trace.status != trace.plan.status:
        excerpt = trace.body[:320].decode(errors="replace").split("\n")[0]
        return f"status {trace.status} instead of {trace.plan.status}: {excerpt}"
    if trace.closed_ns is not None and trace.ended_ns is None and trace.plan.emission.body != "length":
        return "the response ended before the emitter ended it"
    if trace.failure:
        return trace.failure
    if trace.closed_ns is None:
        return "the response never ended"
    return delivered.problem


def _in_time(trace: Trace, arrivals: Sequence[Arrival], figures: Metrics) -> Judgement:
    late = figures.over_control_ms
    if late is not None and late >= HELD_MS:
        reason = f"tokens came by themselves, but {late:.0f} ms late in the median"
        if _beaten(trace, arrivals):
            reason = f"tokens came {late:.0f} ms late in the median, each after a heartbeat: that or a timer let it go"
        return Judgement("delayed", reason)
    if trace.plan.emission.pace == "paced":
        return Judgement("streamed", f"hardly a token waited {HELD_MS:.0f} ms or more for another")
    sampled = next((step.seq for step in trace.steps if step.kind == "drain"), None)
    tokens = "every token" if sampled is None else f"each of the first {sampled} tokens"
    return Judgement("streamed", f"{tokens} came before the next was sent")


def _beaten(trace: Trace, arrivals: Sequence[Arrival]) -> bool:
    """Tell whether no token was late without a heartbeat; one that was shows that there is a timer."""
    late = [token for token in singles(trace, arrivals) if token.hold_ms >= HELD_MS]
    return all(any(token.sent_ns < beat.at_ns < token.at_ns for beat in trace.heartbeats) for token in late)


def _lockstep_releases(trace: Trace, arrivals: Sequence[Arrival]) -> list[Release]:
    """Return what released each token that was held, in order; late ones were not held."""
    holds = ((at, arrivals[step.seq]) for at, step in enumerate(trace.steps) if step.kind == "hold")
    releases = (_release(trace, token, _kinds_until_arrival(trace, at, token.seq)) for at, token in holds)
    return [release for release in releases if release]


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
    return _told(trace, token, by)


def _wait_ns(trace: Trace) -> int:
    """Return when the last silence began: what was sent later can still have released something."""
    return next(step.at_ns for step in trace.steps if step.kind == "wait")


def _paced_releases(trace: Trace, arrivals: Sequence[Arrival]) -> list[Release]:
    late = late_bursts(arrivals)
    if sum(map(len, late)) < PACED_HELD_SHARE * len(arrivals):
        return []
    return [_told(trace, b[0], "end" if b[0].at_ns >= _end_ns(trace) else "unknown") for b in late]


def _told(trace: Trace, token: Arrival, by: ReleasedBy) -> Release:
    emission, after = trace.plan.emission, _sent_after(trace, token)
    in_silence = by == "timer" or (by == "unknown" and emission.pace == "lockstep")
    return Release(
        seq=token.seq,
        by=by,
        after_bytes=sent_bytes(trace, token.at_ns) - token.end_bytes,
        after_tokens=len(after),
        wait_ms=token.hold_ms if in_silence else len(after) * emission.gap_ms,
        held_ms=token.hold_ms,
        resolution_bytes=probe_step_tokens(max(len(after) - 1, 0)) * _event_bytes(trace),
    )


def _event_bytes(trace: Trace) -> int:
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


def _tail(trace: Trace, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """Return the tokens at the end of the stream that only its end let go."""
    return [arrival for arrival in arrivals if arrival.at_ns >= _end_ns(trace) and not _ends(trace, arrival)]


def _sentence(release: Release, paced: bool) -> str:
    what = {
        "bytes": f"{release.after_bytes} more bytes ({release.after_tokens} tokens) had been sent",
        "timer": "a timer, longer than the patience, let it go",
        "end": "the stream ended",
        "unknown": f"{release.after_tokens} more tokens had been sent" if paced else "a heartbeat or a timer let it go",
    }[release.by]
    return f"token {release.seq} was held until {what}"
