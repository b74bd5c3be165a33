"""A chain without sockets, processes or clocks: one pure hop between the real lockstep machine and the real decoders.

Time is a number that the simulation moves. What comes out is a Trace, as the recorder would have written it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from harness.backends.emitter import LINGER_S
from harness.formats import CODECS, coding
from harness.measure.lockstep import Grant, Lockstep, Phase
from harness.model import Plan, Read, Sent, Trace
from tests.hops import Hop

TICK_NS = 20_000


@dataclass(frozen=True)
class Link:
    """How far apart client and emitter are. Half a round trip is spent on a grant and half on the data; `chain_ms` is
    what a small request through the chain takes, `clock_off_ms` how wrong the emitter's clock is.
    """

    round_trip_ms: float = 0.05
    chain_ms: float = 0.3
    clock_off_ms: float = 0.0

    @property
    def half_ns(self) -> int:
        return int(self.round_trip_ms * 1e6 / 2)


class Simulation:
    """One stream through one hop. Use `simulate`."""

    def __init__(self, told: Plan, hop: Hop, link: Link, patient: bool) -> None:
        self.now_ns = 1_000_000_000
        self.hop = hop
        self.plan = told
        self.link = link
        self.emission = told.emission
        ends = self.emission.body == "length"
        self.machine = Lockstep(self.emission.workload, last_token_ends=ends, patient=patient)
        self.sent: list[Sent] = []
        self.reads: list[Read] = []
        self.body = b""
        self.ended_ns: int | None = None
        self._codec = CODECS[self.emission.format]
        self._decoder = self._codec.decoder()
        self._content = coding.decoder(hop.content_coding)
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
            head_ns=(self.reads[0].at_ns if self.reads else closed_ns) if self.hop.holds_head else opened_ns,
            status=200,
            headers=(("Content-Encoding", self.hop.content_coding),) if self.hop.content_coding else (),
            reads=tuple(self.reads),
            body=self.body,
            sent=tuple(self.sent),
            sent_headers=(),
            ended_ns=self.ended_ns + int(self.link.clock_off_ms * 1e6),
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
                if not self._until(self.now_ns + int(self.link.chain_ms * 1e6)):
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
        self.now_ns += self.link.half_ns
        while len(self.sent) <= grant.through:
            self._send(len(self.sent))
        if grant.end and self.ended_ns is None:
            self._end()

    def _send(self, seq: int) -> None:
        self.now_ns += TICK_NS
        at_ns = self.now_ns + int(self.link.clock_off_ms * 1e6)
        event = self._codec.token(self.emission.workload, seq, at_ns)
        if self.emission.padding:
            event += self._codec.filling(self.emission.padding, f"padding:{seq}")
        self._bytes += len(event)
        self.sent.append(Sent(seq, at_ns, self._bytes))
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
        self.now_ns += TICK_NS + self.link.half_ns
        data = b"".join(self._under_way)
        self._under_way.clear()
        self.reads.append(Read(self.now_ns, len(data)))
        self.body += data
        for token in self._decoder.feed(self._content.feed(data)):
            self._through = token.seq
        if self.emission.pace == "lockstep":
            self._say(self.machine.arrived(self._through, self.now_ns))


def simulate(told: Plan, hop: Hop, link: Link = Link(), patient: bool = False) -> Trace:
    """Run one stream through the hop."""
    return Simulation(told, hop, link, patient).run()
