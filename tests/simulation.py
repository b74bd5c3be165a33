"""A chain without sockets, processes or clocks: one pure hop between the real lockstep machine and the real decoders.

Time is a number that the simulation moves. What comes out is a Trace, as the recorder would have written it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from harness.backends.emitter import LINGER_S
from harness.formats import CODECS
from harness.measure.lockstep import Grant, Lockstep, Phase
from harness.model import Plan, Read, Sent, Trace

TICK_NS = 20_000
BARRIER_NS = 300_000


class Hop(Protocol):
    """What happens to bytes between the emitter and the client."""

    def push(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes; return those that go on at once."""

    def due_ns(self) -> int | None:
        """Return when a timer lets something go, if one runs."""

    def fire(self, now_ns: int) -> bytes:
        """Return what the timer lets go."""

    def end(self) -> bytes:
        """Return what the end of the stream lets go."""

    def closes_ns(self, now_ns: int) -> int:
        """Return when the end, which left now, comes out at the earliest."""


@dataclass
class Passes:
    """Holds nothing. The other hops are made of it."""

    held: bytes = b""

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
    """Holds the first `size_bytes`, then passes everything."""

    size_bytes: int = 1
    full: bool = False

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.held += data
        self.full = self.full or len(self.held) >= self.size_bytes
        return self.end() if self.full else b""


@dataclass
class Timer(Passes):
    """Lets everything go `after_ms` after the first byte came, when `size_bytes` are there, or at the end."""

    after_ms: float = 1.0
    size_bytes: float = float("inf")
    first_ns: int | None = None

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
class Lag(Passes):
    """Lets everything go, each piece `lag_ms` after it came."""

    lag_ms: float = 1.0
    pieces: deque[tuple[int, bytes]] = field(default_factory=deque)

    def push(self, data: bytes, now_ns: int) -> bytes:
        self.pieces.append((now_ns + int(self.lag_ms * 1e6), data))
        return b""

    def due_ns(self) -> int | None:
        return self.pieces[0][0] if self.pieces else None

    def fire(self, now_ns: int) -> bytes:
        return self.pieces.popleft()[1]

    def closes_ns(self, now_ns: int) -> int:
        return now_ns + int(self.lag_ms * 1e6)


class Simulation:
    """One stream through one hop. Use `simulate`."""

    def __init__(self, told: Plan, hop: Hop, patient: bool) -> None:
        self.now_ns = 1_000_000_000
        self.hop = hop
        self.plan = told
        self.emission = told.emission
        ends = self.emission.body == "length"
        self.machine = Lockstep(self.emission.workload, last_token_ends=ends, patient=patient)
        self.sent: list[Sent] = []
        self.reads: list[Read] = []
        self.body = b""
        self.ended_ns: int | None = None
        self._codec = CODECS[self.emission.format]
        self._decoder = self._codec.decoder()
        self._under_way: deque[bytes] = deque()
        self._bytes = 0
        self._through = -1

    def run(self) -> Trace:
        """Return what the stream left behind."""
        opened_ns = self.now_ns
        if prelude := self.emission.prelude:
            self._forward(self._codec.filling(prelude, "prelude"))
        if self.emission.pace == "lockstep":
            self._lockstep()
        else:
            self._paced()
        self._read_all()
        while (due_ns := self.hop.due_ns()) is not None:  # what is late comes even after the end
            self._pass_time(due_ns)
        assert self.ended_ns is not None
        closed_ns = max(self.now_ns, self.hop.closes_ns(self.ended_ns)) + TICK_NS
        lockstep = self.emission.pace == "lockstep"
        return Trace(
            cell_id="simulated",
            plan=self.plan,
            request_headers=(),
            opened_ns=opened_ns,
            head_ns=opened_ns,
            status=200,
            headers=(),
            reads=tuple(self.reads),
            body=self.body,
            sent=tuple(self.sent),
            sent_headers=(),
            ended_ns=self.ended_ns,
            closed_ns=closed_ns,
            steps=tuple(self.machine.steps) if lockstep else (),
        )

    def _lockstep(self) -> None:
        machine = self.machine
        self._say(machine.begin(self.now_ns))
        while machine.phase is not Phase.ENDED:
            if self._under_way:
                self._read()
            elif machine.phase in (Phase.PROBING, Phase.DRAINING):
                if not self._until(self.now_ns + BARRIER_NS):
                    self._say(machine.stepped(self.now_ns))
            elif not self._until(machine.progress_ns + machine.silence_ns):
                self._say(machine.outwaited(self.now_ns))

    def _paced(self) -> None:
        gap_ns = int(self.emission.workload.interval_ms * 1e6)
        start_ns = self.now_ns
        for seq in range(self.emission.workload.tokens):
            self._pass_time(start_ns + seq * gap_ns)
            self._send(seq)
            self._read_all()
        if self.emission.body != "length":
            self._pass_time(self.now_ns + max(gap_ns, int(LINGER_S * 1e9)))
        self._end()

    def _pass_time(self, until_ns: int) -> None:
        while self._until(until_ns):
            self._read_all()

    def _until(self, instant_ns: int) -> bool:
        """Move time to the instant, or to the timer that fires before it; tell whether one did."""
        due_ns = self.hop.due_ns()
        if due_ns is not None and due_ns <= instant_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self._forward(self.hop.fire(self.now_ns))
            return True
        self.now_ns = max(self.now_ns, instant_ns)
        return False

    def _say(self, grant: Grant | None) -> None:
        if grant is None:
            return
        while len(self.sent) <= grant.through:
            self._send(len(self.sent))
        if grant.end and self.ended_ns is None:
            self._end()

    def _send(self, seq: int) -> None:
        self.now_ns += TICK_NS
        event = self._codec.token(self.emission.workload, seq, self.now_ns)
        if self.emission.padding:
            event += self._codec.filling(self.emission.padding, f"padding:{seq}")
        self._bytes += len(event)
        self.sent.append(Sent(seq, self.now_ns, self._bytes))
        self._forward(self.hop.push(event, self.now_ns))

    def _end(self) -> None:
        self.now_ns += TICK_NS
        self.ended_ns = self.now_ns
        self._forward(self.hop.end())

    def _forward(self, data: bytes) -> None:
        if data:
            self._under_way.append(data)

    def _read_all(self) -> None:
        while self._under_way:
            self._read()

    def _read(self) -> None:
        """Let the client receive all that is under way, in one read, as a socket would."""
        self.now_ns += TICK_NS
        data = b"".join(self._under_way)
        self._under_way.clear()
        self.reads.append(Read(self.now_ns, len(data)))
        self.body += data
        for token in self._decoder.feed(data):
            self._through = token.seq
        if self.emission.pace == "lockstep":
            self._say(self.machine.arrived(self._through, self.now_ns))


def simulate(told: Plan, hop: Hop, patient: bool = False) -> Trace:
    """Run one stream through the hop."""
    return Simulation(told, hop, patient).run()
