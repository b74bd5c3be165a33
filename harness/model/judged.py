"""What a cell's streams mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.asked import HopKind
from harness.model.axes import Cell
from harness.model.deployed import ServedBy
from harness.model.recorded import Answerer, Remark
from harness.model.words import TransportName

Verdict = Literal["streamed", "delayed", "coalesced", "buffered", "broken"]
Gravity = Literal["good", "fair", "bad", "worst"]
Effect = Literal["defeats", "reduces", "no effect", "not needed", "harms"]
Outcome = Literal["pass", "fail", "observed", "unstable", "too short", "blocked", "unavailable", "error"]
ReleasedBy = Literal["bytes", "timer", "end", "unknown"]
LetThrough = Literal["it", "only its baseline", "nothing"]
Fault = Literal["configuration", "proxy", "harness"]
Manner = Literal["one by one", "in bursts", "at the end"]
Change = Literal["worse", "gone", "another cell", "not measured", "other", "better", "another version", "new"]

VERDICTS: Mapping[Verdict, Gravity] = {
    "streamed": "good",
    "delayed": "fair",
    "coalesced": "fair",
    "buffered": "bad",
    "broken": "worst",
}
"""The verdicts, worst last, and how bad each is for who reads: that is what colours it. What each means stands with its
rule, in `harness.judge.verdict`."""


MANNERS: Mapping[Manner, Gravity] = {"one by one": "good", "in bursts": "fair", "at the end": "bad"}
"""How tokens come to a person, worst last. What each means stands with its rule, in `harness.judge.shows`."""


@dataclass(frozen=True, slots=True)
class Release:
    """What let a held token go; a result tells it of the last hold, which is closest to the steady state.

    `after_bytes` is how many more body bytes had been sent when it came, `after_tokens` how many more tokens. `wait_ms`
    is what a person waits: as long as sending those takes at the workload's pace, or as long as a timer. `held_ms` is
    how long it was under way, `resolution_bytes` how many of these may not have been needed: the last probing step, or
    what stayed behind. `unknown` is bytes or a timer: a stream with heartbeats in its silences cannot tell them apart,
    and two streams of a cell can disagree.
    `idle`: the timer counts from the last byte that came, so that a stream without pauses keeps it from running out.
    """

    seq: int
    by: ReleasedBy
    after_bytes: int
    after_tokens: int
    wait_ms: float
    held_ms: float | None
    resolution_bytes: int
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """What happened before the steady state, in bytes of the body from its first one.

    So many passed before anything was held, or so many had been sent when the first token came: a start buffer. It may
    have been less that was held, or more that passed, by the step in which it was found: `resolution_bytes`, 0 if an
    earlier harness did not write it down. Whoever takes some milliseconds to let go is found a step or two later.
    """

    passed_bytes: int = 0
    held_bytes: int = 0
    resolution_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Shows:
    """What a person sees of the stream as asked: of its own length, at its own pace.

    `bursts` is in how many lumps tokens come that left apart, `wait_ms` the longest that one waits after it was sent.
    `seen`: a paced stream showed it; else it is computed from what the hop does.
    """

    manner: Manner
    bursts: int
    wait_ms: float
    seen: bool


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one trace. Durations in ms; None where the stream gave nothing to measure.

    From the request's start: `head_ms` to the whole head of the response (what others call TTFB is at most that),
    `ttfb_ms` to the first byte of its body, be it padding, `ttft_ms` to the first whole token.
    `hold_*`: how long each token was under way: from its grant in lockstep, from its emission when paced, by one clock
    (None where the emitter's is its own). `over_control_ms`: median hold minus the control's.
    A burst is two or more tokens that came in one receive; `burst_tokens_max` is the largest. `holds`: how often a
    token was held past its time (lockstep), or came in a burst with tokens emitted much later (paced).
    `reads_merged`: reads in which more than one message begins, a message being what an app would parse (an event, a
    line); `reads_split`: reads that begin or end inside one. Both are of what content coding leaves: a read that gives
    nothing of it is none, and a read in a coding is judged by the bytes that it makes known.
    `first_read_bytes` is the size of the first read as it came. `pause_max_ms`: the longest time between two reads, or
    from the request to the first. `source_span_ms`: from when the first token left the emitter to when the last did.
    `beside_max_ms`: the longest that another small request through the same application waited for its answer (paced).
    `painted_p50_ms` is the median time that the same takes to the frame that shows a token, `frames` how many different
    frames showed new tokens; None and 0 where there is no screen.
    """

    ttfb_ms: float | None
    ttft_ms: float | None
    inter_token_p50_ms: float | None
    inter_token_p99_ms: float | None
    hold_p50_ms: float | None
    hold_p99_ms: float | None
    hold_max_ms: float | None
    over_control_ms: float | None
    reads: int
    tokens_expected: int
    tokens_received: int
    tokens_per_read: float | None
    bursts: int
    burst_tokens_max: int
    holds: int
    wire_bytes: int
    emitted_bytes: int
    head_ms: float | None = None
    painted_p50_ms: float | None = None
    frames: int = 0
    reads_merged: int | None = None
    reads_split: int | None = None
    first_read_bytes: int | None = None
    pause_max_ms: float | None = None
    source_span_ms: float | None = None
    beside_max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its ground: a sentence a person can check against the trace.

    Beside it, what happened before and after the steady state: the start; whether the head of the response was held
    until a token had been sent; how many tokens only the end let go.
    """

    verdict: Verdict
    reason: str
    release: Release | None = None
    start: Start | None = None
    head_held: bool = False
    tail_tokens: int = 0


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """A response header that the chain added, removed or changed. None stands for absent."""

    name: str
    sent: str | None
    received: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no stream, as its status tells.

    `expected` is the status of a stream. `not_served` is the transport of the request, if an application answers so
    that has nothing for it (None: no application was in the chain, or this is no answer of such a one).
    """

    status: int
    expected: int
    not_served: TransportName | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """The most tokens that a screen showed together although they had come over `over_ms`."""

    tokens: int
    over_ms: float


@dataclass(frozen=True, slots=True)
class StandIn:
    """Who read a cell's control in place of its own client, and why.

    `holder` is what of that client may hold lines itself, as a layer does, while a control must stream. None: it cannot
    ask the emitter, which speaks HTTP/1.1 only.
    """

    reader: str
    holder: str | None = None


LIMITS = (429, 503)
"""Too Many Requests, and what most say instead of it (RFC 6585, 4; RFC 9110, 15.6.4)."""


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Streams that a hop answered by itself, or hung up on, and whom it let through when asked again.

    It was then asked alone, after pauses that grow, without pulses, and for the cell's baseline in the same manner.
    `times` is how many of the cell's own streams it turned away, `status` that of its last such answer (None: there was
    none), `words` the last line that the hops' logs then had of it.
    """

    times: int
    status: int | None
    let_through: LetThrough
    words: str | None = None

    @property
    def is_by_limit(self) -> bool:
        """Whether a limit did, that lets through who asks more slowly."""
        return self.let_through == "it" and self.status in LIMITS


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person has to know beside a verdict. None of it turns one, and only reports make sentences of it.

    - `hops`: the kinds of the chain's hops, client side first (empty: there are none, or an earlier harness measured)
    - `emulates`, `applications`: what emulated hops play, and what applications say they are, client side first
    - `served_by`: what of configs of the user's answers, client side first (empty: no hop can tell)
    - `answered_by`: whose answer the client got (None: an earlier harness took no note)
    - `refusal`: what it got was no stream
    - `turned_away`: a hop had an answer of its own, and had to be asked again
    - `beside_others`: what it was beside others through its chain, if it was something else alone, which counts
    - `remark`, `clock_uncertainty_ms`: what is particular about the client, and how much later than it happened an
      instant of it may be told (None: its clock is ours)
    - `screen`: what had come one by one was painted together
    - `stand_in`: who read the control in the client's place
    - `unguarded`: the chain answered no pulse, or refused it: only the direct control stream guarded the silences
    - `sampled_after`: after so many tokens time was up, and the rest was sent without waiting
    - `start`, `head_held`, `tail_tokens`: what happened before and after the steady state (None: nothing did)
    - `late_tokens`: so many tokens came by themselves, but late, of a stream in which most did not
    """

    hops: tuple[HopKind, ...] = ()
    emulates: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    served_by: tuple[ServedBy, ...] = ()
    answered_by: Answerer | None = None
    refusal: Refusal | None = None
    turned_away: TurnedAway | None = None
    beside_others: Verdict | None = None
    remark: Remark | None = None
    clock_uncertainty_ms: float | None = None
    screen: Screen | None = None
    stand_in: StandIn | None = None
    unguarded: bool = False
    sampled_after: int | None = None
    start: Start | None = None
    head_held: bool = False
    tail_tokens: int | None = None
    late_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a matrix file expects of the cells that match a glob, and why. `head_held` None: either will do."""

    cells: str
    why: str
    verdict: tuple[Verdict, ...] = ()
    effect: tuple[Effect, ...] = ()
    shows: tuple[Manner, ...] = ()
    head_held: bool | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a cell since a baseline was written: `differences` are sentences, the worst first. `fails`: that
    is a failure.

    `files` are the configs of its hops that are others since, `versions` its programs that are, as `nginx 1.22.1, was
    1.28.0`.
    """

    kind: Change
    differences: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    fails: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One finished cell: a line of results.jsonl. `fault` says whose an outcome `error` is.

    `shows` is None where the stream is broken, or an earlier harness measured. The verdict of a paced cell is that of
    the same cell in lockstep, `twin_id`. `measured` is what its streams showed, where the reason is about something
    else, as what was expected. `changed` is None where nothing was held against a baseline, or nothing is another.
    """

    id: str
    cell: Cell
    outcome: Outcome
    reason: str
    measured: str | None = None
    fault: Fault | None = None
    verdict: Verdict | None = None
    effect: Effect | None = None
    release: Release | None = None
    shows: Shows | None = None
    metrics: Metrics | None = None
    baseline_id: str | None = None
    control_id: str | None = None
    twin_id: str | None = None
    expectation: Expectation | None = None
    changed: Changed | None = None
    header_changes: tuple[HeaderChange, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    evidence: str | None = None
    started_at: str = ""
    duration_ms: float = 0.0


def streams(verdict: Verdict | None, shows: Shows | None) -> bool:
    """Tell whether nothing is held, neither of a long stream nor of the one that was asked for.

    What an earlier harness did not tell of that one is not held against it.
    """
    return verdict == "streamed" and (shows is None or shows.manner == "one by one")
