"""From a trace to a verdict. Pure.

Verdicts, worst last, are of the steady state that one reading of the conversation finds (`steady.steady`):

- `streamed`: tokens come by themselves, fewer than a quarter of them 50 ms late or more over the control.
- `delayed`: they come by themselves, a quarter or more late: a lag, of any length, or a timer of `HOLD_MS` at most.
- `coalesced`: they are held, and more bytes or a longer timer let them go.
- `buffered`: neither `SPAN_BYTES` after a held token nor `TIME_MS` of silence let it go; the end does.
- `broken`: tokens lost, repeated, reordered, altered or replayed; wrong status, reset, time-out, undecodable body.

What was before the steady state is the `start`, what only the end lets go the tail; neither turns a verdict. Where a
length is fixed and nothing of this can be told, the stream is *too short*.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.judge import shows
from harness.judge.counted import counted
from harness.judge.doubt import is_doubtful
from harness.judge.facts import facts
from harness.judge.flow import last_flow
from harness.judge.metrics import Delivery, delivery, expected_status, gist, measure, usual_ms
from harness.judge.reading import Alone, Hold, Observation, Reader, alike, read, span_tokens
from harness.judge.release import needed_tokens, release_by_bytes, release_by_end, release_by_time
from harness.judge.rules import FAR_MS, FLOW_TOKENS, HOLD_MS, LATE_MS, SHARE, TIME_MS
from harness.judge.steady import Steady, held_tokens, steady, turns_late
from harness.model import Emission, Facts, Judgement, Metrics, Plan, Shows, Start, Trace, Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one cell's streams say. `unstable` tells how a second stream disagreed with the first, if it did.

    `too_short` says, of a length that is fixed and does not tell, that `would_do` tokens would: then the judgement is
    no verdict.
    `shows` is None of a stream that is broken, and of one in lockstep that is too short.
    `doubtful`: a busy machine may have made it, as some tokens were late and some not, or as it is too short to tell
    though nothing fixed its length.
    `facts` are of the stream that was judged and, if a second one was refused, of that refusal. `seen` is what the
    conversation came to, in order. `pulsed`: of the last stream, tokens came after their time, and only when the guard
    had sent a pulse through the chain. `turns_late`: its last tokens came by themselves, and late. `held_tokens`: so
    many were sent, in the median, while one was held that bytes let go.
    """

    metrics: Metrics
    judgement: Judgement
    unstable: str | None = None
    facts: Facts = field(default_factory=Facts)
    shows: Shows | None = None
    too_short: str | None = None
    would_do: int | None = None
    doubtful: bool = False
    seen: Sequence[Observation] = ()
    pulsed: bool = False
    turns_late: bool = False
    held_tokens: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What it comes to, if that can be told."""
        return None if self.too_short else self.judgement.verdict

    @property
    def unsure(self) -> str | None:
        """Why nothing can be held against it, if so."""
        return self.unstable or self.too_short


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Another stream of the same cell, that the first ones ask for: longer, or without pulses (`quiet`)."""

    plan: Plan
    quiet: bool


def follow_up(traces: Sequence[Trace], assessed: Assessment) -> FollowUp | None:
    """Return what other stream would tell more; None if these tell all.

    Within one announced length a hop may do what it does to that length only, so a longer one is only asked for where
    this was too short to tell. What came only after a pulse is looked at without.
    """
    plan = traces[-1].plan
    if assessed.would_do and plan.emission.body == "length" and not plan.emission.workload.exact:
        return FollowUp(replace(plan, emission=replace(plan.emission, announced_tokens=assessed.would_do)), quiet=False)
    once = len(traces) == 1 or traces[-1].plan != traces[-2].plan
    return FollowUp(plan, quiet=True) if once and assessed.pulsed else None


def assess(traces: Sequence[Trace], control: Metrics | None = None) -> Assessment:
    """Measure and judge those of a cell's streams that count, as far as there are several: `follow_up` says why.

    A longer one is judged in place of one that was too short. One without pulses is right where another saw something
    else; that only one of them is broken is `unstable`.
    """
    return combined([assess_one(trace, control) for trace in counted(traces)])


def combined(assessments: Sequence[Assessment]) -> Assessment:
    """Return what streams of one cell that count say together, each assessed already."""
    assessed, *others = assessments
    for other in others:
        if assessed.too_short or other.judgement.verdict == assessed.judgement.verdict:
            assessed = other
        elif "broken" not in (assessed.judgement.verdict, other.judgement.verdict):
            reason = f"{other.judgement.reason}; in a first stream, other requests through the chain let tokens go"
            assessed = replace(other, judgement=replace(other.judgement, reason=reason))
        else:
            unstable = f"first {_in_brief(assessed)}, then {_in_brief(other)}"
            told = _with_refusal(assessed.facts, other.facts)
            assessed = replace(assessed, unstable=unstable, facts=told, pulsed=other.pulsed)
    return assessed


def assess_one(trace: Trace, control: Metrics | None = None) -> Assessment:
    """Measure and judge one stream."""
    delivered, reader = delivery(trace), read(trace.steps, emission=trace.plan.emission)
    figures = measure(trace, delivered, reader, control)
    reader.count_over(_over_ms(trace, figures))
    judgement, would_do = judge(trace, delivered, reader)
    short = (
        f"{_tokens(len(trace.sent))} too few to tell ({judgement.reason}); at most {would_do} would do"
        if would_do
        else None
    )
    told = facts(trace, delivered, figures, judgement, reader)
    seen, pulsed = tuple(reader.seen), bool(reader.pulsed)
    if judgement.verdict == "broken":
        return Assessment(figures, judgement, facts=told, seen=seen, pulsed=pulsed)
    if trace.plan.emission.pace == "paced":
        shown = shows.seen(trace, delivered.arrivals, usual_ms(figures) if control else None)
    elif would_do:
        shown = None  # how it goes on would have to be known
    else:
        shown = shows.computed(trace, judgement, reader, figures.over_control_ms or 0.0)
    doubtful = is_doubtful(judgement, reader, trace) or (
        would_do is not None and trace.plan.emission.most_tokens is None
    )
    late = turns_late(seen, max(reader.round_trip_ms, trace.guard_slow_ms or 0.0))
    held = held_tokens(seen)
    return Assessment(figures, judgement, None, told, shown, short, would_do, doubtful, seen, pulsed, late, held)


def _with_refusal(first: Facts, other: Facts) -> Facts:
    """Return what is known of two streams that disagree: if one was refused, that is what has to be looked into."""
    return replace(first, refusal=other.refusal, answered_by=other.answered_by) if other.refusal else first


def _tokens(number: int) -> str:
    return "1 token is" if number == 1 else f"{number} tokens are"


def _in_brief(assessed: Assessment) -> str:
    return f"{assessed.judgement.verdict} ({assessed.judgement.reason})"


def judge(trace: Trace, delivered: Delivery, reader: Reader) -> tuple[Judgement, int | None]:
    """Return the verdict on one trace, given what it delivered and the reading of its conversation.

    If it is too short to tell, the number of tokens that would do comes along, and the judgement is only what it looks
    like.
    """
    if broken := _broken(trace, delivered):
        return Judgement("broken", broken), None
    if trace.plan.emission.pace == "paced":
        return Judgement("streamed", "it came whole and in order; what the hop does, its lockstep twin tells"), None
    found = _Found(trace, reader)
    judgement, would_do = found.told()
    tail_tokens = found.tail_tokens(judgement.verdict)
    start = None if would_do else found.start()  # nothing is known of what it would be the start of
    around = replace(judgement, start=start, head_held=bool(reader.head_held), tail_tokens=tail_tokens)
    return around, would_do


def _over_ms(trace: Trace, figures: Metrics) -> float:
    """Return over how long a trip counts: the control's, or the control stream's while this one ran, and a delay.

    Where no token came by itself nothing was held against the control, so it takes a reading to know it.
    """
    over = (figures.hold_p50_ms or 0.0) - (figures.over_control_ms or 0.0)
    return max(over, trace.guard_ms or 0.0) + (trace.plan.emission.delay_ms or 0.0)


class _Found:
    """What a reading comes to, and the words for it."""

    def __init__(self, trace: Trace, reader: Reader) -> None:
        self._trace = trace
        self._reader = reader
        self._over_ms = reader.round_trip_ms
        self._late_ms = LATE_MS + max(self._over_ms, trace.guard_slow_ms or 0.0)
        self._far = (trace.distance_ms or 0.0) > FAR_MS
        last = reader.seen[-1] if reader.seen else None
        self._kept = last if isinstance(last, Hold) and last.let_go == "end" else None
        self._outlasted = self._kept if self._kept and _outlasted(self._kept, trace.plan.emission) else None
        self._state = None if self._outlasted else steady(reader.seen[:-1] if self._kept else reader.seen)

    def told(self) -> tuple[Judgement, int | None]:
        """Return the judgement, and how many tokens would do if these were too few for one."""
        kept, state = self._kept, self._state
        if self._outlasted:
            return self._buffered(self._outlasted), None
        if state is None or (state.how == "alone" and kept and kept.after_tokens):
            return self._too_short()
        if state.how == "alone":
            found = self._alone(state)
            unsure = found.verdict == "delayed" and self._fixed and not self._exact and last_flow(self._reader) is None
            return self._too_short() if unsure else (found, None)  # nothing says whether it is a lag or a timer
        holds = [one for one in self._reader.seen[state.since :] if isinstance(one, Hold) and one is not kept]
        if state.how == "bytes":
            return (self._by_bytes(holds), None) if self._confirmed or not self._fixed else self._too_short()
        if state.how == "time":
            flow = last_flow(self._reader)
            if flow is None and self._fixed:
                return self._too_short()  # a timer looks like a lag where little follows
            lag = flow.spaced if flow else any(self._reader.spaced(hold) for hold in holds)
            return (self._lag(holds) if lag else self._by_time(holds)), None
        return self._by_both(holds), None

    @property
    def _fixed(self) -> bool:
        """Whether the length is: then a conversation may have had no room for what confirms it."""
        return self._trace.plan.emission.most_tokens is not None

    @property
    def _exact(self) -> bool:
        """Whether no longer stream may be asked for."""
        return self._trace.plan.emission.workload.exact

    def start(self) -> Start | None:
        """Return what was before the steady state; None if that began at once, or nothing is known of it."""
        seen, ends = self._reader.seen, [token.end_bytes for token in self._trace.sent]
        first = seen[0] if seen else None
        if isinstance(first, Hold):
            if first.let_go != "bytes" or self._is_usual(first):
                return None
            held, less = ends[first.seq + first.after_tokens], ends[first.seq + needed_tokens(first, self._reader)]
            return Start(held_bytes=held, resolution_bytes=held - less)
        passed = list(itertools.takewhile(lambda one: isinstance(one, Alone), seen))
        if not passed or self._alone_at_last:
            return None
        through, held = ends[passed[-1].seq], ends[seen[len(passed)].seq]
        return Start(passed_bytes=through, resolution_bytes=held - through)

    def tail_tokens(self, verdict: Verdict) -> int:
        """Return how many tokens only the end let go: those that time would have, had it been waited for, are none."""
        by_time = self._state is not None and self._state.how in ("time", "both")
        outlasted_by_lag = self._outlasted is not None and verdict == "delayed"
        return 0 if by_time or outlasted_by_lag else len(self._reader.tail)

    @property
    def _confirmed(self) -> bool:
        """Whether a token was still held, and let go, behind a stretch: start buffers are over."""
        holds = [one for one in self._reader.seen if isinstance(one, Hold) and not one.stalled]
        let_go = [one for one in holds if one.let_go != "end"]
        return any(one.seq >= stretch.start for one in let_go for stretch in self._reader.stretches[-1:])

    @property
    def _alone_at_last(self) -> bool:
        return self._state is not None and self._state.how == "alone"

    def _is_usual(self, first: Hold) -> bool:
        """Tell whether a hold, which bytes ended, took no more of them than one in the steady state takes."""
        if self._state is None or self._state.how == "alone":
            return False
        holds = [one for one in self._reader.seen[self._state.since :] if isinstance(one, Hold)]
        return self._state.how != "bytes" or any(first.before_tokens < one.after_tokens for one in holds)

    def _buffered(self, kept: Hold) -> Judgement:
        tail = self._reader.tail
        trips = [self._reader.trip_ms(seq) for seq in tail]
        sent_ms = (self._reader.granted_ns[tail[-1]] - self._reader.granted_ns[tail[0]]) / 1e6
        if max(trips) - min(trips) <= LATE_MS < sent_ms:
            return Judgement("delayed", f"tokens came as far apart as they were sent, {min(trips):.0f} ms late")
        emission = self._trace.plan.emission
        more = emission.bytes_through(kept.seq + kept.after_tokens) - emission.bytes_through(kept.seq)
        reason = f"token {kept.seq} was held while {more} more bytes were sent, and {TIME_MS:.0f} ms of silence after"
        return Judgement("buffered", f"{reason}; the end let it go", release_by_end(self._trace, kept.seq))

    def _too_short(self) -> tuple[Judgement, int]:
        emission, seen = self._trace.plan.emission, self._reader.seen
        holds = [one for one in seen if isinstance(one, Hold) and one is not self._kept]
        would_do = max((one.seq + 8 * (one.after_tokens + 1) for one in holds), default=0) + FLOW_TOKENS
        if self._kept:
            would_do = max(would_do, self._kept.seq + span_tokens(emission) + 2)
            reason = f"token {self._kept.seq} was held until the end"
            looks = Judgement("buffered", reason, release_by_end(self._trace, self._kept.seq))
        else:
            reason = f"{len(seen) - len(holds)} by themselves, {len(holds)} held"
            looks = Judgement("coalesced" if holds else "streamed", reason)
        return looks, max(would_do, 2 * len(self._trace.sent))

    def _alone(self, state: Steady) -> Judgement:
        run = [one for one in self._reader.seen[state.since :] if isinstance(one, Alone)]
        late = [one for one in run if one.trip_ms >= self._late_ms]
        held = len(self._reader.seen[state.since :]) - len(run) - bool(self._kept)
        flow, seq = last_flow(self._reader), run[-1].seq
        period_ms = flow.period_ms if self._far and flow and not flow.spaced and _by_clock(run) else 0.0
        if period_ms > HOLD_MS:
            release = release_by_time(seq, period_ms, idle=False)
            return Judgement("coalesced", f"a steady flow came in bursts {period_ms:.0f} ms apart", release)
        of_run = (len(late) + held) / (len(run) + held)
        of_flow = max(1 - LATE_MS / period_ms, 0.0) if period_ms else 0.0
        if max(of_flow, of_run) < SHARE:
            of = f"each of {len(run)} tokens" if not late else f"{len(run) - len(late)} of {len(run)} tokens"
            return Judgement("streamed", f"{of} came before the next was sent, less than {LATE_MS:.0f} ms late")
        trips = sorted(one.trip_ms for one in late or run)
        median_ms = trips[len(trips) // 2] - self._over_ms
        timer = None
        if flow and not flow.spaced:
            timer = release_by_time(seq, median_ms, idle=flow.idle(median_ms))
        reason = f"{len(late)} of {len(run)} tokens came by themselves, but {median_ms:.0f} ms late in the median"
        if late and all(_met_by_heartbeat(self._trace, one) for one in late):
            reason += ", each after a heartbeat: that or a timer let it go"
        elif timer and timer.idle:
            reason += ", and those that were sent without a pause only when one came: it lets them go"
        return Judgement("delayed", reason, timer)

    def _by_bytes(self, holds: Sequence[Hold]) -> Judgement:
        *_, before, last = holds
        best = min((last, before), key=lambda hold: hold.after_tokens - needed_tokens(hold, self._reader))
        release = release_by_bytes(self._trace, best, self._reader)
        after = "1 token" if release.after_tokens == 1 else f"{release.after_tokens} tokens"
        what = f"{release.after_bytes} more bytes ({after}) had been sent"
        return Judgement("coalesced", f"token {best.seq} was held until {what}", release)

    def _by_time(self, holds: Sequence[Hold]) -> Judgement:
        seq, flow = holds[-1].seq, last_flow(self._reader)
        longest_ms = max(hold.trip_ms if hold.in_silence else hold.quiet_ms for hold in holds) - self._over_ms
        release = release_by_time(seq, longest_ms, idle=bool(flow and flow.idle(longest_ms)))
        reason = f"token {seq} came after {longest_ms:.0f} ms in which nothing was sent: a timer let it go"
        return Judgement("coalesced", reason, release)

    def _lag(self, holds: Sequence[Hold]) -> Judgement:
        median_ms = sorted(hold.trip_ms for hold in holds)[len(holds) // 2] - self._over_ms
        return Judgement("delayed", f"tokens came as far apart as they were sent, {median_ms:.0f} ms late")

    def _by_both(self, holds: Sequence[Hold]) -> Judgement:
        ways = ", ".join(f"token {hold.seq} by {hold.let_go}" for hold in holds)
        least = min(holds, key=lambda hold: hold.trip_ms)
        release = replace(release_by_bytes(self._trace, least, self._reader), by="unknown")
        return Judgement("coalesced", f"tokens were held, and let go by different things: {ways}", release)


def _by_clock(run: Sequence[Alone]) -> bool:
    """Tell whether tokens waited for times of any length between two, as what a clock lets go does."""
    trips = sorted(one.trip_ms for one in run)
    return any(not alike(trip_ms, trips[0]) and not alike(trip_ms, trips[-1]) for trip_ms in trips)


def _outlasted(hold: Hold, emission: Emission) -> bool:
    """Tell whether a hold outlasted all that is tried, bytes and silence."""
    return hold.tried and hold.after_tokens >= span_tokens(emission)


def _met_by_heartbeat(trace: Trace, token: Alone) -> bool:
    """Tell whether a heartbeat left while the token was under way: it may have pushed it out.

    Both durations are one side's: from the token to the heartbeat the emitter's, from the grant on the client's.
    """
    left_ns = trace.sent[token.seq].at_ns
    return any(0 < (beat.at_ns - left_ns) / 1e6 < token.trip_ms for beat in trace.heartbeats)


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
