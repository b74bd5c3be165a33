"""A chain without sockets, processes or clocks: one pure hop between the real lockstep machine and the real decoders.

Time is a number that the simulation moves. What comes out is a Trace, as the recorder would have written it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from harness.backends.emitter import LINGER_S
from harness.formats.body import EmittedBody
from harness.formats.coding import decoder
from harness.formats.replayed import decoder_of
from harness.measure import limits
from harness.measure.grants import Grant, Phase
from harness.measure.lockstep import Lockstep
from harness.model import Plan, Read, Sent, Trace
from tests.hops import Hop

TICK_NS = 20_000


@dataclass(frozen=True)
class Link:
    """How far apart they are. A round trip lies between client and emitter, half of it on a grant and half on the data;
    `chain_ms` is what a small request through the chain takes beside it; `clock_off_ms` how wrong the emitter's clock
    is."""

    round_trip_ms: float = 0.05
    chain_ms: float = 0.3
    clock_off_ms: float = 0.0

    @property
    def half_ns(self) -> int:
        return int(self.round_trip_ms * 1e6 / 2)

    @property
    def barrier_ns(self) -> int:
        return int((self.chain_ms + self.round_trip_ms) * 1e6)


class Simulation:
    """One stream through one hop. Use `simulate`."""

    def __init__(self, told: Plan, hop: Hop, link: Link) -> None:
        self.now_ns = 10_000_000_000_000
        self.hop = hop
        self.plan = told
        self.emission = told.emission
        self.link = link
        self.machine = Lockstep(self.emission, round_trip_ns=2 * link.half_ns)
        self.sent: list[Sent] = []
        self.reads: list[Read] = []
        self.body = bytearray()
        self.head_ns: int | None = None
        self.ended_ns: int | None = None
        self._clock_off_ns = int(link.clock_off_ms * 1e6)
        self._pieces = EmittedBody(self.emission)
        self._content = decoder(hop.content_coding)
        self._decoder = decoder_of(self.emission)
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._emitted_ns = 0
        self._delay_ns = int((self.emission.delay_ms or 0) * 1e6)
        self._told = self._free_ns = 0
        self._told_end = False
        self._heard_ns = 0
        self._given_up = False
        self._bytes = 0
        self._through = -1

    def run(self) -> Trace:
        """Return what the stream left behind."""
        opened_ns = self.now_ns
        lockstep = self.emission.pace == "lockstep"
        if not self.hop.holds_head:
            self._at(self.now_ns + self.link.half_ns, self._head)
        if opening := self._pieces.opening():
            self._emit(opening)
        if lockstep:
            self._lockstep()
        else:
            self._paced()
        while self._next_ns() is not None and not self._given_up:
            self._happen()
        assert self._given_up or self.ended_ns is not None
        ended_ns = self.now_ns if self.ended_ns is None else self.ended_ns
        closes_ns = self.hop.closes_ns(ended_ns) + self.link.half_ns
        coding = self.hop.content_coding
        return Trace(
            cell_id="simulated",
            plan=self.plan,
            request_headers=(),
            opened_ns=opened_ns,
            head_ns=self.head_ns,
            status=200,
            headers=(("Content-Encoding", coding),) if coding else (),
            reads=tuple(self.reads),
            body=bytes(self.body),
            sent=tuple(self.sent),
            sent_headers=(),
            ended_ns=None if self._given_up else ended_ns + self._clock_off_ns,
            closed_ns=max(self.now_ns, closes_ns) + TICK_NS,
            steps=tuple(self.machine.steps) if lockstep else (),
            guard_ms=self.link.round_trip_ms,
            distance_ms=self.link.round_trip_ms,
        )

    def _lockstep(self) -> None:
        machine, since = self.machine, (Phase.ENDED, -1)
        began_ns = self._heard_ns = self.now_ns
        machine.begin(self.now_ns)
        if self.head_ns is not None:
            self._say(machine.head(self.now_ns))
        while machine.phase is not Phase.ENDED:
            if since != (since := (machine.phase, machine.progress_ns)):
                began_ns = self.now_ns
            due = machine.due
            until_ns = machine.progress_ns + due.ns
            if due.what == "barrier":
                until_ns = max(until_ns, began_ns, self._emitted_ns) + self.link.barrier_ns
            next_ns = self._next_ns()
            if min(until_ns, until_ns if next_ns is None else next_ns) > self._gives_up_ns:
                self.now_ns, self._given_up = max(self.now_ns, self._gives_up_ns), True
                return
            if next_ns is not None and next_ns <= until_ns:
                self._happen()
                continue
            self.now_ns = max(self.now_ns, until_ns)
            self._say(machine.outwaited(self.now_ns) if due.what == "silence" else machine.stepped(self.now_ns))

    @property
    def _gives_up_ns(self) -> int:
        """When the emitter breaks the stream off, as nobody has granted anything for long."""
        return self._heard_ns + int(limits.EMITTER.abandoned_s * 1e9)

    def _paced(self) -> None:
        gap_ns = int(self.emission.workload.interval_ms * 1e6)
        start_ns = self.now_ns
        for seq in range(self.emission.workload.tokens):
            self._pass_time(start_ns + int(self.emission.sent_ms(seq) * 1e6))
            self._send(seq)
        if self.emission.body != "length":
            self._pass_time(self.now_ns + max(gap_ns, int(LINGER_S * 1e9)))
        self._end()

    def _pass_time(self, until_ns: int) -> None:
        while (next_ns := self._next_ns()) is not None and next_ns <= until_ns:
            self._happen()
        self.now_ns = max(self.now_ns, until_ns)

    def _at(self, at_ns: int, what: Callable[[], None]) -> None:
        heapq.heappush(self._later, (at_ns, next(self._order), what))

    def _next_ns(self) -> int | None:
        """Return when the next thing happens: something that is under way arrives, or a timer of the hop's fires."""
        due_ns, later_ns = self.hop.due_ns(), self._later[0][0] if self._later else None
        known = [at_ns for at_ns in (due_ns, later_ns) if at_ns is not None]
        return min(known, default=None)

    def _happen(self) -> None:
        due_ns = self.hop.due_ns()
        if due_ns is not None and (not self._later or due_ns <= self._later[0][0]):
            self.now_ns = max(self.now_ns, due_ns)
            self._forward(self.hop.fire(self.now_ns))
            return
        at_ns, _, what = heapq.heappop(self._later)
        self.now_ns = max(self.now_ns, at_ns)
        what()

    def _say(self, grant: Grant | None) -> None:
        if grant is None:
            return

        def obey() -> None:
            self._heard_ns = self.now_ns
            if self._delay_ns:
                self._send_slowly(grant)
                return
            while len(self.sent) <= grant.through:
                self._send(len(self.sent))
            if grant.end and self.ended_ns is None:
                self._end()
            self._emitted_ns = self.now_ns  # a small request is answered after what was granted before it

        self._at(self.now_ns + self.link.half_ns, obey)

    def _send_slowly(self, grant: Grant) -> None:
        """Send each token after a delay. Small requests are answered meanwhile."""
        for seq in range(self._told, grant.through + 1):
            self._free_ns = max(self._free_ns, self.now_ns) + self._delay_ns
            self._at(self._free_ns, partial(self._send, seq))
        self._told = grant.through + 1
        if grant.end and not self._told_end:
            self._told_end = True
            self._at(max(self._free_ns, self.now_ns), self._end)

    def _send(self, seq: int) -> None:
        self.now_ns += TICK_NS
        at_ns = self.now_ns + self._clock_off_ns
        event = self._pieces.token(seq, at_ns)
        self._bytes += len(event)
        self.sent.append(Sent(seq, at_ns, self._bytes))
        self._emit(event, counted=True)

    def _emit(self, data: bytes, counted: bool = False) -> None:
        if not counted:
            self._bytes += len(data)
        self._forward(self.hop.push(data, self.now_ns))

    def _end(self) -> None:
        self.now_ns += TICK_NS
        if closing := self._pieces.closing():
            self._emit(closing)
        self.ended_ns = self.now_ns
        self._forward(self.hop.end())

    def _forward(self, data: bytes) -> None:
        if data:
            self._at(self.now_ns + self.link.half_ns + TICK_NS, lambda: self._read(data))

    def _head(self) -> None:
        self.head_ns = self.now_ns
        if self.emission.pace == "lockstep":
            self._say(self.machine.head(self.now_ns))

    def _read(self, data: bytes) -> None:
        """Let the client receive it."""
        if self.head_ns is None:
            self._head()
        self.reads.append(Read(self.now_ns, len(data)))
        self.body += data
        for token in self._decoder.feed(self._content.feed(data)):
            self._through = token.seq
        if self.emission.pace == "lockstep":
            self._say(self.machine.arrived(self._through, self.now_ns))


def simulate(told: Plan, hop: Hop, link: Link = Link()) -> Trace:
    """Run one stream through the hop."""
    return Simulation(told, hop, link).run()
