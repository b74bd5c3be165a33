"""What is done about a cell: who asks whom for what, and what is emitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.model.asked import DEFAULT_CLIENT, Filler, Pace, Workload
from harness.model.hops import Chain
from harness.model.words import Body, CodecName, Method, TransportName

HttpVersion = Literal["1.1", "2"]

ASKED_QUERY = "harness-stream"
"""What a query says which stream it asks for, where the path is an app's own; `PULSE_MARK` asks for the pulse."""
PULSE_MARK = "pulse"
"""How an answer is marked that is no stream's but the pulse."""


@dataclass(frozen=True, slots=True)
class Emission:
    """What the emitter is told to send; travels over the control connection as JSON.

    `announced_tokens`: of how many tokens the length that body `length` announces consists (None: of the workload's).
    """

    workload: Workload
    transport: TransportName = "http"
    format: CodecName = "sse"
    body: Body = "chunked"
    pace: Pace = "lockstep"
    content_type: str = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    prelude: Filler | None = None
    padding: Filler | None = None
    heartbeat_ms: float | None = None
    delay_ms: float | None = None
    announced_tokens: int | None = None

    @property
    def most_tokens(self) -> int | None:
        """How many tokens can be sent at most; None: in lockstep, as many as are granted before the end."""
        if self.pace == "paced" or self.workload.exact:
            return self.workload.tokens
        return (self.announced_tokens or self.workload.tokens) if self.body == "length" else None

    @property
    def event_bytes(self) -> int:
        """The size of one token on the wire, padding included; the mean of those of a recording."""
        recording, padding = self.workload.recording, self.padding.bytes if self.padding else 0
        if recording:
            last = recording.closing - 1
            padding = padding * recording.wholes_through(last) // (last + 1)
        return self.workload.token_bytes + padding

    @property
    def largest_bytes(self) -> int:
        """The size of the largest token on the wire."""
        if not (recording := self.workload.recording):
            return self.event_bytes
        return recording.largest_bytes + (self.padding.bytes if self.padding else 0)

    def bytes_through(self, seq: int) -> int:
        """Return how many bytes there are with token `seq` and all before it, but for what a format opens with."""
        recording, padding = self.workload.recording, self.padding.bytes if self.padding else 0
        tokens = (seq + 1) * self.event_bytes
        if recording:
            tokens = recording.bytes_through(seq) + padding * recording.wholes_through(seq)
        return (self.prelude.bytes if self.prelude else 0) + tokens

    def sent_ms(self, seq: int) -> float:
        """Return how long after the first token `seq` leaves when paced: a recorded one as it was recorded."""
        if recording := self.workload.recording:
            return recording.at_ms(seq) + seq * (self.delay_ms or 0)
        return seq * self.gap_ms

    @property
    def gap_ms(self) -> float:
        """The time from one token to the next when paced."""
        return self.workload.interval_ms + (self.delay_ms or 0)


class Turn(NamedTuple):
    """Of a stream that is announced as a whole: after so long a silence, tokens up to `through` leave."""

    wait_ms: float
    through: int


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where something listens. `path` is a prefix that every request through it starts with.

    `http` are the versions it speaks. `authority` is the file (PEM) of the certificate authority that signed what it
    presents; None: it does without TLS.

    `asked` is what streams and the pulse are asked for there, told apart by a query, if not for paths of their own;
    `name` is the host that requests are for, if not this one. `knows_streams_only` says that an application is there,
    or behind it, which knows streams by their own path.
    """

    port: int
    path: str = ""
    host: str = "127.0.0.1"
    http: tuple[HttpVersion, ...] = ("1.1",)
    authority: str | None = None
    asked: str = ""
    name: str = ""
    knows_streams_only: bool = False

    @property
    def url(self) -> str:
        """Base URL without a trailing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # an address of IPv6 (RFC 3986, section 3.2.2)
        return f"{'https' if self.authority else 'http'}://{host}:{self.port}{self.path}"

    def stream_url(self, stream_id: str, below: str = "") -> str:
        """Return where a stream is asked for; `below` it, if it has a path of its own."""
        return self._asked(stream_id) or f"{self.url}/stream/{stream_id}{below}"

    @property
    def pulse_url(self) -> str:
        """Where a small complete answer is asked for, which goes the same way."""
        return self._asked(PULSE_MARK) or f"{self.url}/pulse"

    @property
    def shown_url(self) -> str:
        """The same as it is told: without a query, in which a secret may be."""
        return self.pulse_url.partition("?")[0]

    def _asked(self, mark: str) -> str:
        sign = "&" if "?" in self.asked else "?"
        return f"{self.url}{self.asked}{sign}{ASKED_QUERY}={mark}" if self.asked else ""
