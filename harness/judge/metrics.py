"""From a trace to figures. Pure: the same trace gives the same figures, today and from disk.

Rules: what arrived is read back from the recorded bytes, never from what the client thought at the time; durations
are differences of CLOCK_MONOTONIC instants of one machine; a figure that cannot be had is None, never 0.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from html import unescape

from harness.errors import StreamError
from harness.formats import CODECS, TRANSPORTS
from harness.formats.base import Transport
from harness.formats.coding import content_coding, decoder
from harness.formats.payload import matches
from harness.formats.replayed import decoder_of
from harness.judge.reading import Reader
from harness.judge.rules import LATE_MS
from harness.model import EMITTER_HEADER, HeaderChange, Heartbeat, Metrics, Sent, Trace

SHRUNK = 10

GIST_CHARS = 320
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)

NOT_COMPARED = frozenset({"date", "connection", "keep-alive", "sec-websocket-accept", EMITTER_HEADER.lower()})
"""Headers of one connection, or one answer: that they differ says nothing of what a hop does to headers."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One token's way: when it left, how many bytes had then left in all, when it came and in which read."""

    seq: int
    sent_ns: int
    end_bytes: int
    at_ns: int
    read: int

    @property
    def hold_ms(self) -> float:
        """How long it was under way."""
        return (self.at_ns - self.sent_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a stream delivered: the arrivals in order, and the first thing that was wrong with them, if anything."""

    arrivals: tuple[Arrival, ...]
    problem: str | None


def delivery(trace: Trace) -> Delivery:
    """Read the tokens back from the recorded bytes, and check each against what was sent."""
    workload = trace.plan.emission.workload
    says_itself = workload.recording is None
    sent = {token.seq: token for token in trace.sent}
    arrivals: list[Arrival] = []
    try:
        content = decoder(None if trace.decoded else content_coding(trace.headers))
        tokens = decoder_of(trace.plan.emission, len(trace.sent))
        at = 0
        for number, read in enumerate(trace.reads):
            data, at = trace.body[at : at + read.size_bytes], at + read.size_bytes
            for token in tokens.feed(content.feed(data)):
                expected = len(arrivals)
                if token.seq < expected:
                    return Delivery(tuple(arrivals), f"token {token.seq} came twice")
                if token.seq > expected:
                    return Delivery(tuple(arrivals), f"token {token.seq} came in place of token {expected}")
                if token.seq not in sent or (says_itself and token.emitted_ns != sent[token.seq].at_ns):
                    return Delivery(tuple(arrivals), f"token {token.seq} is not the one that was sent (replayed?)")
                if says_itself and not matches(token, workload):
                    return Delivery(tuple(arrivals), f"the text of token {token.seq} was altered on the way")
                origin = sent[token.seq]
                arrivals.append(Arrival(token.seq, origin.at_ns, origin.end_bytes, read.at_ns, number))
        if trace.closed_ns is not None:
            tokens.feed(content.finish())
            tokens.finish()
    except StreamError as error:
        return Delivery(tuple(arrivals), str(error))
    lost = expected_tokens(trace) - len(arrivals)
    return Delivery(tuple(arrivals), f"the last {lost} of {len(arrivals) + lost} tokens never came" if lost else None)


def expected_tokens(trace: Trace) -> int:
    """Return how many tokens have to come: all that were sent, which the workload's are to be at least."""
    return max(trace.plan.emission.workload.tokens, len(trace.sent))


def transport(trace: Trace) -> Transport:
    """Return what carried the stream."""
    return TRANSPORTS[trace.plan.emission.transport]


def expected_status(trace: Trace) -> int:
    """Return the status of a response that went well."""
    return transport(trace).status


def gist(trace: Trace) -> str:
    """Return what a body that is no stream says, in a line: of HTML its title, or all that is no tag."""
    try:
        content = decoder(None if trace.decoded else content_coding(trace.headers))
        text = content.feed(trace.body).decode(errors="replace")
    except StreamError as error:
        return str(error)
    if text.lstrip().startswith("<"):
        title = _TITLE.search(text)
        text = unescape(title[1] if title else _TAGS.sub(" ", text))
    return " ".join(text.split())[:GIST_CHARS]


def alone_ms(trace: Trace, arrivals: Sequence[Arrival], reader: Reader) -> list[float]:
    """Return how long each token was under way that tells of lateness: that came alone, or any of a paced stream.

    In lockstep these were sent when all before them had come, and came before anything else was sent, however late.
    """
    left_ns = let_go_ns(trace, reader)
    alone = left_ns.keys() if trace.plan.emission.pace == "paced" else reader.by_themselves
    return [(a.at_ns - left_ns[a.seq]) / 1e6 for a in arrivals if a.seq in alone]


def let_go_ns(trace: Trace, reader: Reader) -> Mapping[int, int]:
    """Return when each token was let go, by the clock that arrivals are told by; none where no such clock tells.

    In lockstep that is when the client granted it and the emitter's delay was over, whatever the emitter's clock is.
    """
    if trace.plan.emission.pace == "paced":
        return {sent.seq: sent.at_ns for sent in trace.sent} if trace.emitter_clock == "ours" else {}
    return dict(enumerate(reader.left_ns(round((trace.plan.emission.delay_ms or 0) * 1e6))))


def bursts(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Return the groups of two or more tokens that came in one receive, be it as messages of their own."""
    groups: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault(arrival.at_ns, []).append(arrival)
    return [group for group in groups.values() if len(group) > 1]


def late_bursts(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Return the groups of tokens that came together although the last was emitted `LATE_MS` or more after the first.

    Together is a tenth of the time apart in which they were emitted: large tokens that are let go at once come in
    reads of their own.
    """
    groups = [[arrival] for arrival in arrivals[:1]]
    for before, arrival in itertools.pairwise(arrivals):
        if (arrival.at_ns - before.at_ns) * SHRUNK <= arrival.sent_ns - before.sent_ns:
            groups[-1].append(arrival)
        else:
            groups.append([arrival])
    return [g for g in groups if (g[-1].sent_ns - g[0].sent_ns) / 1e6 >= LATE_MS]


def sent_bytes(trace: Trace) -> int:
    """Return how many body bytes left the emitter, heartbeats included."""
    left: tuple[Sent | Heartbeat, ...] = (*trace.sent, *trace.heartbeats)
    return max((event.end_bytes for event in left), default=0)


def painted(trace: Trace, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Return the tokens that were painted, on their way from the reader to the frame that showed them."""
    frames = trace.painted_ns
    return [replace(a, sent_ns=a.at_ns, at_ns=frames[a.read]) for a in arrivals if a.read < len(frames)]


def source_span_ms(trace: Trace) -> float | None:
    """Return how long it took the emitter to send all tokens; None if it sent none."""
    return (trace.sent[-1].at_ns - trace.sent[0].at_ns) / 1e6 if trace.sent else None


def merged_and_split(trace: Trace) -> tuple[int, int] | None:
    """Return in how many reads more than one message begins, and how many begin or end inside one.

    A content coding comes off read by read, as whoever decodes on the way does; reads from where it is corrupt are not
    counted. None if there is no stream to look at.
    """
    if not trace.reads or trace.status != expected_status(trace):
        return None
    boundaries = CODECS[trace.plan.emission.format].boundaries()
    merged = split = at = 0
    with suppress(StreamError):
        content = decoder(None if trace.decoded else content_coding(trace.headers))
        for read in trace.reads:
            data, at = content.feed(trace.body[at : at + read.size_bytes]), at + read.size_bytes
            if data:
                was_open = boundaries.open
                merged += boundaries.feed(data) > 1
                split += was_open or boundaries.open
    return merged, split


def usual_ms(figures: Metrics) -> float | None:
    """Return how long a token is under way that nothing holds; None if no token tells."""
    if figures.hold_p50_ms is None or figures.over_control_ms is None:
        return None
    return figures.hold_p50_ms - figures.over_control_ms


def _pause_max_ms(trace: Trace) -> float | None:
    instants = [trace.opened_ns, *(read.at_ns for read in trace.reads)]
    return max(((b - a) / 1e6 for a, b in itertools.pairwise(instants)), default=None)


def measure(trace: Trace, delivered: Delivery, reader: Reader, control: Metrics | None = None) -> Metrics:
    """Return the figures of a trace; `control` is those of the direct control.

    What it is over is the direct control's median hold or, if that was larger while this stream ran, the round trip
    of the run's control stream: on a starved machine both grow, and neither is the chain's fault.
    """
    arrivals, left_ns = delivered.arrivals, let_go_ns(trace, reader)
    under_way_ms = {a.seq: (a.at_ns - left_ns[a.seq]) / 1e6 for a in arrivals if a.seq in left_ns}
    holds = alone_ms(trace, arrivals, reader)
    gaps = [(b.at_ns - a.at_ns) / 1e6 for a, b in itertools.pairwise(arrivals)]
    grouped = bursts(arrivals)
    median = statistics.median(holds) if holds else None
    over = None
    if median is not None:
        over = median - max(control.hold_p50_ms or 0.0 if control else 0.0, trace.guard_ms or 0.0)
    held = len(reader.outwaited if trace.plan.emission.pace == "lockstep" else late_bursts(arrivals))
    shown = painted(trace, arrivals)
    receives = len({arrival.at_ns for arrival in arrivals})
    merged, split = merged_and_split(trace) or (None, None)
    return Metrics(
        ttfb_ms=(trace.reads[0].at_ns - trace.opened_ns) / 1e6 if trace.reads else None,
        ttft_ms=(arrivals[0].at_ns - trace.opened_ns) / 1e6 if arrivals else None,
        inter_token_p50_ms=_percentile(gaps, 50),
        inter_token_p99_ms=_percentile(gaps, 99),
        hold_p50_ms=median,
        hold_p99_ms=_percentile(holds, 99),
        hold_max_ms=max(under_way_ms.values(), default=None),
        over_control_ms=over,
        reads=len(trace.reads),
        tokens_expected=expected_tokens(trace),
        tokens_received=len(arrivals),
        tokens_per_read=len(arrivals) / receives if receives else None,
        bursts=len(grouped),
        burst_tokens_max=max(map(len, grouped), default=1 if arrivals else 0),
        holds=held,
        wire_bytes=len(trace.body),
        emitted_bytes=sent_bytes(trace),
        head_ms=(trace.head_ns - trace.opened_ns) / 1e6 if trace.head_ns is not None else None,
        painted_p50_ms=_percentile([(a.at_ns - left_ns[a.seq]) / 1e6 for a in shown if a.seq in left_ns], 50),
        frames=len({a.at_ns for a in shown}),
        reads_merged=merged,
        reads_split=split,
        first_read_bytes=trace.reads[0].size_bytes if trace.reads else None,
        pause_max_ms=_pause_max_ms(trace),
        source_span_ms=source_span_ms(trace),
        beside_max_ms=max(trace.beside_ns) / 1e6 if trace.beside_ns else None,
    )


def header_changes(trace: Trace) -> tuple[HeaderChange, ...]:
    """Return the response headers that the chain added, removed or changed; names in lower case, sorted."""
    if trace.status is None:
        return ()
    sent, received = _by_name(trace.sent_headers), _by_name(trace.headers)
    names = sorted((sent.keys() | received.keys()) - NOT_COMPARED)
    pairs = ((name, sent.get(name), received.get(name)) for name in names)
    return tuple(HeaderChange(name, before, after) for name, before, after in pairs if before != after)


def _by_name(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        merged[key] = f"{merged[key]}, {value}" if key in merged else value
    return merged


def _percentile(values: Sequence[float], percent: int) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]
