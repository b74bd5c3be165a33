"""Simulated hops: what happens to bytes between an emitter and a client, without sockets, processes or clocks.

A hop that nothing has gone through yet is its own description: its fields are its parameters, and `fresh` makes
another like it. What each does to a stream's verdict, `tests/oracle.py` says.
"""

from __future__ import annotations

import copy
import math
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

WBITS = {"gzip": 31, "deflate": 15}
"""What zlib calls the content codings that it makes."""


class Hop(Protocol):
    """What happens to bytes between the emitter and the client. Instants are in ns of the simulation's own clock."""

    @property
    def holds_head(self) -> bool:
        """Whether the head of the response goes with the first bytes of its body only."""

    @property
    def content_coding(self) -> str | None:
        """What it puts on the body, as Content-Encoding names it."""

    def push(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes that the emitter wrote at once; return those that go on at once."""

    def due_ns(self) -> int | None:
        """Return when a timer lets something go, if one runs."""

    def fire(self, now_ns: int) -> bytes:
        """Return what the timer lets go."""

    def end(self) -> bytes:
        """Return what the end of the stream lets go."""

    def closes_ns(self, now_ns: int) -> int:
        """Return when the end, which left now, comes out at the earliest."""


AnyHop = TypeVar("AnyHop", bound=Hop)


def fresh(hop: AnyHop) -> AnyHop:
    """Return another hop like one that nothing has gone through yet."""
    return copy.deepcopy(hop)


@dataclass
class Passes:
    """Holds nothing. The other hops are made of it."""

    held: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def holds_head(self) -> bool:
        return False

    @property
    def content_coding(self) -> str | None:
        return None

    def push(self, data: bytes, now_ns: int) -> bytes:
        return data

    def due_ns(self) -> int | None:
        return None

    def fire(self, now_ns: int) -> bytes:
        raise AssertionError("there is no timer")

    def end(self) -> bytes:
        data, self.held = self.held, b""
        return data

    def closes_ns(self, now_ns: int) -> int:
        return now_ns


# ---------------------------------------------------------------- bytes let go


@dataclass
class HoldsToEnd(Passes):
    """Lets nothing go before the end, once `free_bytes` have passed."""

    free_bytes: int = 0

    def push(self, data: bytes, now_ns: int) -> bytes:
        free, self.held = data[: self.free_bytes], self.held + data[self.free_bytes :]
        self.free_bytes -= len(free)
        return free


@dataclass
class Blocks(Passes):
    """Lets go in whole blocks of `size_bytes`, cut wherever a block ends."""

    size_bytes: int = 1

    def push(self, data: bytes, now_ns: int) -> bytes:
        data = self.held + data
        whole = len(data) - len(data) % self.size_bytes
        self.held = data[whole:]
        return data[:whole]


@dataclass
class Empties(Passes):
    """Lets everything go whenever `size_bytes` are there."""

    size_bytes: int = 1

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.held += data
        return self.end() if len(self.held) >= self.size_bytes else b""


@dataclass
class StartBuffer(Passes):
    """Holds the first `size_bytes`, then as many as each of `then` says, then passes everything."""

    size_bytes: int = 1
    then: tuple[int, ...] = ()
    full: int = field(default=0, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        sizes_bytes = (self.size_bytes, *self.then, 0)
        self.held += data
        if len(self.held) < sizes_bytes[self.full]:
            return b""
        self.full = min(self.full + 1, len(sizes_bytes) - 1)
        return self.end()


@dataclass
class LastHeld(Passes):
    """Keeps the last `size_bytes` back, as who looks ahead for something does: they wait for as many to follow."""

    size_bytes: int = 1

    def push(self, data: bytes, now_ns: int) -> bytes:
        data = self.held + data
        ahead = max(len(data) - self.size_bytes, 0)
        self.held = data[ahead:]
        return data[:ahead]


# ---------------------------------------------------------------- writes let go


@dataclass
class Pieces(Passes):
    """Lets go `count` writes at a time: pairs, if it is 2."""

    count: int = 2
    taken: int = field(default=0, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.held += data
        self.taken = (self.taken + 1) % self.count
        return b"" if self.taken else self.end()


@dataclass
class FirstHeld(Passes):
    """Holds the first write until anything follows, then passes everything."""

    taken: int = field(default=0, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.held += data
        self.taken += 1
        return b"" if self.taken == 1 else self.end()


# ---------------------------------------------------------------- time lets go


@dataclass
class Timer(Passes):
    """Lets everything go `after_ms` after the first byte came, when `size_bytes` are there, or at the end."""

    after_ms: float = 1.0
    size_bytes: float = math.inf
    first_ns: int | None = field(default=None, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        if self.first_ns is None:
            self.first_ns = now_ns
        self.held += data
        return self.fire(now_ns) if len(self.held) >= self.size_bytes else b""

    def due_ns(self) -> int | None:
        return None if self.first_ns is None else self.first_ns + int(self.after_ms * 1e6)

    def fire(self, now_ns: int) -> bytes:
        return self.end()

    def end(self) -> bytes:
        self.first_ns = None
        return super().end()


@dataclass
class Idle(Timer):
    """Lets everything go `after_ms` after the last byte came, when `size_bytes` are there, or at the end."""

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.first_ns = now_ns
        return super().push(data, now_ns)


@dataclass
class Periodic(Passes):
    """Lets everything go at every `period_ms` of the clock, `phase_ms` after its full periods."""

    period_ms: float = 1.0
    phase_ms: float = 0.0
    flush_ns: int | None = field(default=None, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        if self.flush_ns is None:
            periods = math.floor((now_ns / 1e6 - self.phase_ms) / self.period_ms) + 1
            self.flush_ns = max(now_ns + 1, round((periods * self.period_ms + self.phase_ms) * 1e6))
        self.held += data
        return b""

    def due_ns(self) -> int | None:
        return self.flush_ns

    def fire(self, now_ns: int) -> bytes:
        return self.end()

    def end(self) -> bytes:
        self.flush_ns = None
        return super().end()


@dataclass
class Lag(Passes):
    """Lets everything go, each piece `lag_ms` after it came."""

    lag_ms: float = 1.0
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.pieces.append((now_ns + int(self.lag_ms * 1e6), data))
        return b""

    def due_ns(self) -> int | None:
        return self.pieces[0][0] if self.pieces else None

    def fire(self, now_ns: int) -> bytes:
        return self.pieces.popleft()[1]

    def closes_ns(self, now_ns: int) -> int:
        return now_ns + int(self.lag_ms * 1e6)


@dataclass
class Stumbles(Lag):
    """Lets everything go at once, but every `every`th write and what comes behind it only `lag_ms` after that came."""

    every: int = 2
    taken: int = field(default=0, init=False, repr=False, compare=False)

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.taken += 1
        if self.taken % self.every == 0:
            return super().push(data, now_ns)
        if self.pieces:
            self.pieces.append((self.pieces[-1][0], data))
            return b""
        return data

    def closes_ns(self, now_ns: int) -> int:
        return max([now_ns, *(due_ns for due_ns, _ in self.pieces)])


# ---------------------------------------------------------------- made of others


@dataclass
class Compresses(Passes):
    """Puts a content coding on the body; without flush the compressor keeps what it likes until it has more."""

    coding: str = "gzip"
    flushes: bool = False
    compressor: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.compressor = zlib.compressobj(wbits=WBITS[self.coding])

    @property
    def content_coding(self) -> str | None:
        return self.coding

    def push(self, data: bytes, now_ns: int) -> bytes:
        coded: bytes = self.compressor.compress(data)
        return coded + self.compressor.flush(zlib.Z_SYNC_FLUSH) if self.flushes else coded

    def end(self) -> bytes:
        coded: bytes = self.compressor.flush()
        return coded


@dataclass
class Chain(Passes):
    """Several hops, the emitter's side first. A hop hears of the end once all that was before it has come."""

    hops: tuple[Hop, ...] = ()
    head: bool = False
    now_ns: int = field(default=0, init=False, repr=False, compare=False)
    ended: int | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def holds_head(self) -> bool:
        return self.head or any(hop.holds_head for hop in self.hops)

    @property
    def content_coding(self) -> str | None:
        return ", ".join(hop.content_coding for hop in self.hops if hop.content_coding) or None

    def push(self, data: bytes, now_ns: int) -> bytes:
        return self._onward(0, data, now_ns)

    def due_ns(self) -> int | None:
        return min((due_ns for hop in self.hops if (due_ns := hop.due_ns()) is not None), default=None)

    def fire(self, now_ns: int) -> bytes:
        at = next(at for at, hop in enumerate(self.hops) if hop.due_ns() == self.due_ns())
        data = self._onward(at + 1, self.hops[at].fire(now_ns), now_ns)
        return data if self.ended is None else data + self._end(self.ended)

    def end(self) -> bytes:
        return self._end(0)

    def _end(self, ended: int) -> bytes:
        data = b""
        while ended < len(self.hops) and all(hop.due_ns() is None for hop in self.hops[:ended]):
            ended += 1
            data += self._onward(ended, self.hops[ended - 1].end(), self.now_ns)
        self.ended = ended
        return data

    def closes_ns(self, now_ns: int) -> int:
        for hop in self.hops:
            now_ns = hop.closes_ns(now_ns)
        return now_ns

    def _onward(self, at: int, data: bytes, now_ns: int) -> bytes:
        self.now_ns = now_ns
        for hop in self.hops[at:]:
            data = hop.push(data, now_ns) if data else b""
        return data


@dataclass
class Begins(Passes):
    """Start buffers, and once they are over another hop in their place."""

    start: StartBuffer = field(default_factory=StartBuffer)
    then: Hop = field(default_factory=Passes)

    @property
    def holds_head(self) -> bool:
        return self.then.holds_head

    def push(self, data: bytes, now_ns: int) -> bytes:
        if self.start.full > len(self.start.then):
            return self.then.push(data, now_ns)
        return self.start.push(data, now_ns)

    def due_ns(self) -> int | None:
        return self.then.due_ns()

    def fire(self, now_ns: int) -> bytes:
        return self.then.fire(now_ns)

    def end(self) -> bytes:
        return self.start.end() + self.then.end()

    def closes_ns(self, now_ns: int) -> int:
        return self.then.closes_ns(now_ns)


def head_held(hop: Hop) -> Chain:
    """Return a hop that does the same, and keeps the head until the first bytes go."""
    return Chain((hop,), head=True)
