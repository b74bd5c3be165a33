"""What is right to say of a simulated hop, by its parameters alone: an oracle.

Every hop gives a token in its steady state some *ways out*: so many bytes that have to follow it, and so long it then
has to wait. The best way decides the verdict. Nothing here knows how long a stream is, what a timer's phase is, how
far the client is, or how anybody measures.
"""

from __future__ import annotations

import functools
import itertools
import math
import zlib
from dataclasses import dataclass, replace

from harness.formats import CODECS
from harness.model import Emission, Release, Verdict
from tests.hops import (
    WBITS,
    Begins,
    Blocks,
    Chain,
    Compresses,
    Empties,
    HoldsToEnd,
    Hop,
    Idle,
    Lag,
    LastHeld,
    Periodic,
    Pieces,
    StartBuffer,
    Stumbles,
    Timer,
)

NOW_MS = 50.0
HOLD_MS = 300.0
ASKED_BYTES = 200 * 1024
TIME_MS = 2500.0
LATE_SHARE = 0.25

CLEAR = 1.2
"""How many times smaller or larger than a constant a parameter is at least: what is nearer may fall on either side."""
CLEAR_CODED = 1.5
"""A compressor's block is as many symbols: how many bytes these are is never twice the same."""
UNCLEAR_NOW_MS = (40.0, 80.0)
"""A flush every 67 ms is where a quarter of the tokens are late, so that its margin reaches beyond that of 50 ms."""
UNCLEAR_TIME_MS = (TIME_MS / CLEAR, 6000.0)
"""A timer that nobody waits for runs on while bytes are tried, which over a slow chain takes seconds."""


@dataclass(frozen=True)
class Way:
    """A way out: so many bytes follow, and it is held for so long. A lag moves all tokens alike and holds none."""

    bytes: int = 0
    held_ms: float = 0.0
    lag_ms: float = 0.0

    @property
    def late_ms(self) -> float:
        return self.held_ms + self.lag_ms

    def then(self, other: Way) -> Way:
        """Return the way through two hops, one behind the other."""
        return Way(self.bytes + other.bytes, self.held_ms + other.held_ms, self.lag_ms + other.lag_ms)


def ways(hop: Hop, emission: Emission) -> set[Way]:
    """Return the ways out of a hop for a token once all that is only at the start of a stream is over."""
    size = emission.workload.token_bytes
    match hop:
        case Chain(hops=hops):
            parts = itertools.product(*(ways(one, emission) for one in hops))
            return {functools.reduce(Way.then, part, Way()) for part in parts}
        case HoldsToEnd():
            return set()
        case Begins(start=start, then=then):
            return ways(then, emission) if ways(start, emission) else set()
        case StartBuffer(size_bytes=first, then=then) if max(first, *then, 0) > ASKED_BYTES:
            return set()
        case Blocks(size_bytes=block):
            return {Way(block if size % block else 0)}
        case Empties(size_bytes=full):
            return {Way((math.ceil(full / size) - 1) * size)}
        case LastHeld(size_bytes=back):
            return {Way(back)}
        case Pieces(count=count):
            return {Way((count - 1) * size)}
        case Compresses(flushes=False, coding=coding):
            return {Way(compressed_bytes(coding, told(emission)))}
        case Timer(after_ms=after_ms, size_bytes=full):
            return {Way(held_ms=after_ms)} | ({Way((math.ceil(full / size) - 1) * size)} if full < math.inf else set())
        case Periodic(period_ms=period_ms):
            return {Way(held_ms=period_ms)}
        case Stumbles(lag_ms=lag_ms, every=every):
            return {Way(lag_ms=lag_ms if 1 / every >= LATE_SHARE else 0.0)}
        case Lag(lag_ms=lag_ms):
            return {Way(lag_ms=lag_ms)}
    return {Way()}


def right(hop: Hop, emission: Emission) -> Verdict:
    """Return the verdict that is right."""
    out = ways(hop, emission)
    by_itself = [way for way in out if not way.bytes]
    if any(way.late_ms < NOW_MS for way in by_itself):
        return "streamed"
    if any(way.held_ms <= HOLD_MS for way in by_itself):
        return "delayed"
    if any(way.bytes <= ASKED_BYTES and way.held_ms <= TIME_MS for way in out):
        return "coalesced"
    return "buffered"


def wrong_release(release: Release | None, hop: Hop, emission: Emission) -> str | None:
    """Return what is wrong with what is said to let tokens go; None if nothing is, or if several things could be.

    Nothing is said of bytes through two buffers: what the first lets go at once fills much of the second.
    """
    if right(hop, emission) != "coalesced":
        return None
    if release is None:
        return "nothing is said to let go"
    out = [way for way in ways(hop, emission) if way.bytes <= ASKED_BYTES and way.held_ms <= TIME_MS]
    if len(out) > 1 or len(needs(hop, emission)) > 1 or (out[0].bytes and out[0].late_ms):
        return None
    size = emission.workload.token_bytes
    if need := out[0].bytes:
        least, most = (need / 2, need * CLEAR_CODED) if coded(hop) else (need, need)
        slack = 2 * size + release.resolution_bytes
        fits = least - slack <= release.after_bytes <= most + slack
        return None if release.by == "bytes" and fits else f"not {need} bytes: {release}"
    least_ms = HOLD_MS if flushed_by_the_clock(hop) else out[0].held_ms
    fits = least_ms / CLEAR <= release.wait_ms <= out[0].late_ms * CLEAR
    if release.by != "timer" or not fits:
        return f"not a timer of {out[0].late_ms} ms: {release}"
    timers = [one for one in flat(hop) if isinstance(one, Timer | Periodic)]
    idle = isinstance(timers[0], Idle)
    if len(timers) > 1 or (isinstance(timers[0], Timer) and timers[0].size_bytes < math.inf):
        return None  # a steady flow may fill it, and comes after no pause then
    return None if release.idle is idle else f"{'not ' if idle else ''}told as idle: {release}"


def is_clear(hop: Hop, emission: Emission) -> bool:
    """Whether all parameters are so far from the constants that only one verdict is right.

    Who keeps step with a flush waits for its period, and not for what is behind it as well. A stretch gets over no more
    start buffers than it has bytes.
    """
    near_bytes, near_hold = around(ASKED_BYTES), around(HOLD_MS)
    out, need = ways(hop, emission), needs(hop, emission)
    slack = CLEAR_CODED if coded(hop) else CLEAR
    clocks = [one for one in flat(hop) if isinstance(one, Periodic)]
    begun = [(one.start.size_bytes, *one.start.then) for one in all_of(hop) if isinstance(one, Begins)]
    starts = [size for one in flat(hop) if isinstance(one, StartBuffer) for size in (one.size_bytes, *one.then)]
    return not (
        any(between(size, near_bytes) for size in starts)
        or between(ASKED_BYTES, (max(need, default=0) / slack, sum(need) * slack))
        or any(between(way.late_ms, UNCLEAR_NOW_MS) for way in out)
        or any(between(way.held_ms, near_hold) or between(way.held_ms, UNCLEAR_TIME_MS) for way in out)
        or any(0 < way.held_ms < most_ms < way.late_ms * CLEAR for way in out for most_ms in (HOLD_MS, TIME_MS))
        or any(one.period_ms > TIME_MS or between(one.period_ms, UNCLEAR_NOW_MS) for one in clocks)
        or any(one.period_ms < HOLD_MS * CLEAR < way.held_ms * CLEAR for one in clocks for way in out)
        or any(sum(sizes) > ASKED_BYTES for sizes in begun)
    )


def needs(hop: Hop, emission: Emission) -> list[int]:
    """Return how many bytes each of the hops wants that lets go by bytes: together less than the sum, unless alone."""
    return [max(found) for one in flat(hop) if (found := [way.bytes for way in ways(one, emission) if way.bytes])]


def flat(hop: Hop) -> list[Hop]:
    """Return the hops that a hop is made of."""
    return [one for one in all_of(hop) if not isinstance(one, Chain | Begins)]


def all_of(hop: Hop) -> list[Hop]:
    """Return a hop, and the hops that it is made of."""
    parts = hop.hops if isinstance(hop, Chain) else (hop.start, hop.then) if isinstance(hop, Begins) else ()
    return [hop, *(one for part in parts for one in all_of(part))]


def coded(hop: Hop) -> bool:
    """Whether a compressor is in it, whose own buffer is never twice the same."""
    return any(isinstance(one, Compresses) and not one.flushes for one in flat(hop))


def flushed_by_the_clock(hop: Hop) -> bool:
    """Whether tokens wait for different times, since its timer does not start with them."""
    return any(isinstance(one, Periodic) for one in flat(hop))


def around(constant: float) -> tuple[float, float]:
    """Return what is near a constant."""
    return constant / CLEAR, constant * CLEAR


def between(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] < value < ends[1]


def told(emission: Emission) -> Emission:
    """Return an emission without what a compressor does not see, so that of alike ones one is computed."""
    load = emission.workload
    same = replace(load, name="", tokens=1, interval_ms=0.0)
    return Emission(same, transport=emission.transport, format=emission.format)


@functools.cache
def compressed_bytes(coding: str, emission: Emission) -> int:
    """Return how many bytes follow a token before a compressor without flush has let go of all of it.

    That is up to its block: so many symbols, which are a few bytes each or a few hundred. So it is asked.
    """
    codec, load = CODECS[emission.format], emission.workload
    compressor, client = zlib.compressobj(wbits=WBITS[coding]), zlib.decompressobj(wbits=WBITS[coding])
    taken = given = 0
    while given < load.token_bytes and taken <= 2 * ASKED_BYTES:
        event = codec.token(load, taken // load.token_bytes, 1_000_000_007 * (taken + 1))
        taken += len(event)
        given += len(client.decompress(compressor.compress(event)))
    return taken - load.token_bytes
