"""What one stream left behind; every later stage is a function of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model.asked import HopKind
from harness.model.planned import Plan

Answerer = Literal["emitter", "hop", "nobody"]

EMITTER_HEADER = "X-Harness-Emitter"
"""The response header by which the emitter marks every answer that is its own: so nobody has to guess whose it was.

It says which answer it is: the id of the stream that was asked for, `PULSE_MARK`, or `NO_STREAM_MARK` where nothing
is. An answer that a hop kept and gives to somebody else has the mark of another, and is the hop's.
"""
NO_STREAM_MARK = "no-stream"

Clock = Literal["ours", "its own"]
"""Whose clock an instant of the backend's was read from. Instants of two clocks cannot be compared."""


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


StepKind = Literal["head", "grant", "arrive", "hold", "pulse", "wait", "stretch", "drain", "end"]


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the lockstep conversation, in the order in which the client lived it.

    `head`: the head is here. `grant` n: the emitter may send tokens up to n. `arrive` n: all tokens up to n are here.
    `hold` n: token n has not come in time. `wait`: all that was to be tried has been sent after it, and silence begins.
    `pulse` n: token n has outwaited its time, and a request of the guard's own follows it through the chain.
    `stretch` n: tokens up to n are sent without waiting for any. `drain` n: so is all from token n on. `end`: the
    emitter was told to end the stream. No clock orders these.
    """

    kind: StepKind
    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Remark:
    """What is particular about what a reader shows. `reader` is what people call it: `EventSource`, `awk`.

    `rewritten`: it shows no bytes, so its messages were written anew, and padding is not counted.
    `printed_by`: what counts is what it has printed, and this is the program that it is here (`mawk 1.3.4 20200120`);
    `keeps_lines` tells whether that keeps a line until more has come (None: nobody here can tell who waits).
    """

    reader: str
    rewritten: bool = False
    printed_by: str | None = None
    keeps_lines: bool | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything one stream left behind; every later stage is a function of it.

    `body` is the response body as it came, `reads` cut it; `decoded` says that the client itself took the content
    coding off before. `distance_ms` is the shortest round trip of the direct control stream of late: how far away the
    backend is, load apart. `guard_ms` is the median one while this stream ran, or of questions to a reader in another
    process if those took longer, `guard_slow_ms` what a quarter of them took at least. `failure` says why the client
    or the emitter gave up, if one did.
    `painted_ns` tells when each read was on the screen, as far as there is one: the first of `painted_ns` is that of
    the first read. `clock_uncertainty_ms` is how much later than it happened an instant of the client may be told
    (None: its clock is ours), `remark` what is particular about what this client shows. `beside_ns` is how long each
    small request took that was sent through an application while it streamed (paced). `hops` are the kinds of the
    chain's hops, client side first. `answered_by` tells whose answer the client got: the emitter's to this very
    request, as its mark says, however a hop handed it on; a `hop`'s own; or nobody's, if there was none (None: nobody
    took note). `emitter_clock` is whose clock the instants of `sent`, `ended_ns` and `heartbeats` are of; those of all
    else are ours, of a conversation without the time in which the machine stood still: if there was any, the emitter's
    are of another clock. `alone` says that no other stream ran beside it, through its chain at least, `brief` that it
    ended with its first hold: it tells whether it begins as another did.
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
    guard_slow_ms: float | None = None
    distance_ms: float | None = None
    failure: str | None = None
    heartbeats: tuple[Heartbeat, ...] = ()
    decoded: bool = False
    painted_ns: tuple[int, ...] = ()
    clock_uncertainty_ms: float | None = None
    remark: Remark | None = None
    beside_ns: tuple[int, ...] = ()
    hops: tuple[HopKind, ...] = ()
    answered_by: Answerer | None = None
    emitter_clock: Clock = "ours"
    alone: bool = False
    brief: bool = False
