"""The nouns of the harness, from the cell that is asked for to the result that is reported. Read this first.

Rules: frozen plain data and its names, nothing else; no import of ours.
Units are in the names: `_ns` is an instant of CLOCK_MONOTONIC, `_ms` a duration, `_s` a time-out, `_bytes` a size.
Words: a *read* is what the client got in one receive, a *token* is what the backend meant, a *hop* is one
proxy of a chain, *upstream* is towards the backend. Chains are written client side first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["sse", "ndjson", "text", "websocket", "openai"]
Body = Literal["chunked", "length", "close"]
RequestProfile = Literal["curl", "browser"]
Pace = Literal["lockstep", "paced"]
Payload = Literal["repetitive", "random"]
Fill = Literal["spaces", "random"]
Method = Literal["GET", "POST"]
HttpVersion = Literal["1.1", "2"]
Verdict = Literal["streamed", "delayed", "coalesced", "buffered", "broken"]
Effect = Literal["defeats", "reduces", "no effect", "not needed", "harms"]
Outcome = Literal["pass", "fail", "observed", "unstable", "blocked", "unavailable", "error"]
ReleasedBy = Literal["bytes", "timer", "end", "unknown"]
Fault = Literal["configuration", "proxy", "harness"]
DEFAULT_CLIENT = "aiohttp"
Cost = Literal["header", "request", "format", "bytes", "latency", "config", "architecture"]


# ---------------------------------------------------------------- what is asked for


@dataclass(frozen=True, slots=True, order=True)
class Hop:
    """One proxy (or application) of a chain, in one of its variants (or emulator profiles).

    `variant` is all that follows the colon: `plain`, or with options `plain@uvloop,PAUSE_S=0`.
    """

    proxy: str
    variant: str

    @property
    def name(self) -> str:
        """The variant without its options."""
        return self.variant.partition("@")[0]

    @property
    def options(self) -> str:
        """What follows the `@`; empty if there is none."""
        return self.variant.partition("@")[2]

    @property
    def bare(self) -> Hop:
        """The hop without its options: what a file stands for."""
        return Hop(self.proxy, self.name)

    def __str__(self) -> str:
        return f"{self.proxy}:{self.variant}"


Chain = tuple[Hop, ...]
"""Hops, client side first. The empty chain is the control, written `direct`."""


def chain_text(chain: Chain) -> str:
    """Return the chain as people write it: `nextjs:dev>nginx:default`, or `direct`."""
    return ">".join(map(str, chain)) or "direct"


@dataclass(frozen=True, slots=True)
class Workload:
    """What the backend emits.

    `token_bytes` is the whole event on the wire, framing of the format included and padding excluded.
    `interval_ms` only matters when paced. `patience_ms` is how long lockstep waits before a token counts as held.
    """

    name: str
    tokens: int
    token_bytes: int
    interval_ms: float = 50.0
    payload: Payload = "repetitive"
    seed: int = 1
    patience_ms: float = 300.0


@dataclass(frozen=True, slots=True)
class Cell:
    """A frozen address: everything that decides what is measured. `id` names it everywhere."""

    chain: Chain
    workload: Workload
    format: Format = "sse"
    body: Body = "chunked"
    request: RequestProfile = "curl"
    client: str = DEFAULT_CLIENT
    mitigations: tuple[str, ...] = ()
    pace: Pace = "lockstep"

    @property
    def id(self) -> str:
        """CLI filter, pytest id and JSON key at once."""
        applied = "+".join(self.mitigations) or "none"
        address = (chain_text(self.chain), self.format, self.body, self.request, self.client)
        return "/".join((*address, self.workload.name, applied, self.pace))

    @property
    def layer(self) -> str:
        """The row of the table: what a mitigation is up against."""
        return f"{chain_text(self.chain)}/{self.format}/{self.body}/{self.request}/{self.workload.name}"


@dataclass(frozen=True, slots=True)
class Filler:
    """Bytes that mean nothing: a prelude before the first token, or padding in every event."""

    bytes: int
    fill: Fill = "spaces"


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One claimed fix as the catalogue tells it: what it claims, who says so, what it changes.

    `chain` is None (leave it), the word `direct`, or a mapping from one hop to another (`nginx:default` to
    `nginx:buffering-off`). `scale` n means n times the tokens, each 1/n of the size, at n times the rate.
    A request header with value None is removed. `client` reads instead of the default one; another stays.
    """

    name: str
    claim: str
    source: str
    cost: Cost
    response_headers: Mapping[str, str] = field(default_factory=dict)
    request_headers: Mapping[str, str | None] = field(default_factory=dict)
    content_type: str | None = None
    format: Format | None = None
    method: Method | None = None
    prelude: Filler | None = None
    padding: Filler | None = None
    heartbeat_ms: float | None = None
    delay_ms: float | None = None
    scale: int | None = None
    client: str | None = None
    chain: Literal["direct"] | Mapping[str, str] | None = None


# ---------------------------------------------------------------- what is done about it


@dataclass(frozen=True, slots=True)
class Emission:
    """What the emitter is told to send; travels over the control connection as JSON."""

    workload: Workload
    format: Format = "sse"
    body: Body = "chunked"
    pace: Pace = "lockstep"
    content_type: str = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    prelude: Filler | None = None
    padding: Filler | None = None
    heartbeat_ms: float | None = None
    delay_ms: float | None = None

    @property
    def gap_ms(self) -> float:
        """The time from one token to the next when paced."""
        return self.workload.interval_ms + (self.delay_ms or 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A cell with its mitigations applied: what the chain is, who asks for what, what is emitted.

    `path` is asked for below the stream's own path, `request_body` is sent along with it.
    """

    chain: Chain
    method: Method
    request_headers: tuple[tuple[str, str], ...]
    emission: Emission
    client: str = DEFAULT_CLIENT
    path: str = ""
    request_body: str | None = None

    @property
    def status(self) -> int:
        """The status of a response that went well."""
        return 101 if self.emission.format == "websocket" else 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where something listens. `path` is a prefix that every request through it starts with.

    `http` are the versions it speaks. `authority` is the file (PEM) of the certificate authority that signed what it
    presents; None: it does without TLS.
    """

    port: int
    path: str = ""
    host: str = "127.0.0.1"
    http: tuple[HttpVersion, ...] = ("1.1",)
    authority: str | None = None

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        return f"{'https' if self.authority else 'http'}://{self.host}:{self.port}{self.path}"


# ---------------------------------------------------------------- what was recorded


@dataclass(frozen=True, slots=True)
class Read:
    """One receive of the client: when, and how many body bytes (transfer coding removed, content coding not).

    Of a WebSocket it is one message, any compression removed; those that came in one receive have the same instant.
    """

    at_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One token as it left the emitter: when, and how many body bytes had then been sent in all."""

    seq: int
    at_ns: int
    end_bytes: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat as it left the emitter: when, and how many body bytes had then been sent in all."""

    at_ns: int
    end_bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the lockstep conversation, in the order in which the client lived it.

    `grant` n: the emitter may send tokens up to n. `arrive` n: all tokens up to n are here. `hold` n: token n was
    held past the patience. `wait`: all tokens are granted and silence begins, to see whether a timer releases what
    is missing. `pulse` n: token n has outwaited the patience, and a request of the guard's own follows it through the
    chain. `drain` n: from token n on they are sent without waiting for any. `end`: the emitter was told to end
    the stream. No clock orders these.
    """

    kind: Literal["grant", "arrive", "hold", "wait", "pulse", "drain", "end"]
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything one stream left behind; every later stage is a function of it.

    `body` is the response body as it came, `reads` cut it; `decoded` says that the client itself took the content
    coding off before. `guard_ms` is the median round trip of the direct
    control stream while this stream ran, or of questions to a reader in another process if those took longer;
    `failure` says why the client or the emitter gave up, if one did.
    `painted_ns` tells when each read was on the screen, as far as there is one: the first of `painted_ns` is that of
    the first read. `clock_uncertainty_ms` is how much later than it happened an instant of the client may be told
    (None: its clock is ours), `remark` what a person has to know about what this client shows. `beside_ns` is how long
    each small request took that was sent through an application while it streamed (paced).
    """

    cell_id: str
    plan: Plan
    request_headers: tuple[tuple[str, str], ...]
    opened_ns: int
    head_ns: int | None
    status: int | None
    headers: tuple[tuple[str, str], ...]
    reads: tuple[Read, ...]
    body: bytes
    sent: tuple[Sent, ...]
    sent_headers: tuple[tuple[str, str], ...]
    ended_ns: int | None
    closed_ns: int | None
    steps: tuple[Step, ...]
    guard_ms: float | None = None
    failure: str | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    decoded: bool = False
    painted_ns: tuple[int, ...] = ()
    clock_uncertainty_ms: float | None = None
    remark: str | None = None
    beside_ns: tuple[int, ...] = ()


# ---------------------------------------------------------------- what it means


@dataclass(frozen=True, slots=True)
class Release:
    """What let a held token go; a result tells it of the last hold, which is closest to the steady state.

    `after_bytes` is how many more body bytes had been sent when it came, `after_tokens` how many more tokens. `wait_ms`
    is what a person waits: as long as sending those takes at the workload's pace, or as long as a timer. `held_ms` is
    how long it was under way, `resolution_bytes` the size of one probing step. `unknown` is bytes or a timer: a paced
    stream cannot tell them apart, nor one with heartbeats in its silences, and two streams of a cell can disagree.
    """

    seq: int
    by: ReleasedBy
    after_bytes: int
    after_tokens: int
    wait_ms: float
    held_ms: float | None
    resolution_bytes: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one trace. Durations in ms; None where the stream gave nothing to measure.

    From the request's start: `head_ms` to the whole head of the response (what others call TTFB is at most that),
    `ttfb_ms` to the first byte of its body, be it padding, `ttft_ms` to the first whole token.
    `hold_*`: arrival minus emission of each token, same clock. `over_control_ms`: median hold minus the control's.
    A burst is two or more tokens that came in one receive; `burst_tokens_max` is the largest. `holds`: how often a
    token was held past the patience (lockstep), or came in a burst with tokens emitted much later (paced).
    `reads_merged`: reads in which more than one message begins, a message being what an app would parse (an event, a
    line); `reads_split`: reads that begin or end inside one. Both are of what content coding leaves: a read that gives
    nothing of it is none, and a read in a coding is judged by the bytes that it makes known.
    `first_read_bytes` is the size of the first read as it came. `pause_max_ms`: the longest time between two reads, or
    from the request to the first. `source_span_ms`: from when the first token left the emitter to when the last did.
    `beside_max_ms`: the longest that another small request through the same application waited for its answer (paced).
    `painted_p50_ms` is the median time from a token's emission to the frame that shows it, `frames` how many different
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
    """A verdict with its ground: a sentence a person can check against the trace."""

    verdict: Verdict
    reason: str
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """A response header that the chain added, removed or changed. None stands for absent."""

    name: str
    sent: str | None
    received: str | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a matrix file expects of the cells that match a glob, and why."""

    cells: str
    why: str
    verdict: tuple[Verdict, ...] = ()
    effect: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One finished cell: a line of results.jsonl. `fault` says whose an outcome `error` is."""

    id: str
    cell: Cell
    outcome: Outcome
    reason: str
    fault: Fault | None = None
    verdict: Verdict | None = None
    effect: Effect | None = None
    release: Release | None = None
    metrics: Metrics | None = None
    baseline_id: str | None = None
    control_id: str | None = None
    expectation: Expectation | None = None
    header_changes: tuple[HeaderChange, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    evidence: str | None = None
    started_at: str = ""
    duration_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The head of a run: what was asked for, and where, when and with what it was measured.

    `name` is the matrix's, `cells` how many were to be measured, `matrix_text` its file's content, `mitigations` the
    catalogue that was used.
    Times are ISO 8601 in UTC; `finished_at` is None as long as the run goes on, and for ever if it was killed.
    """

    name: str
    title: str
    started_at: str
    harness_version: str
    python: str
    platform: str
    cells: int = 0
    matrix_file: str = ""
    matrix_text: str = ""
    options: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    mitigations: Mapping[str, Mitigation] = field(default_factory=dict)
    finished_at: str | None = None
