"""What is done about a cell: who asks whom for what, and what is emitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model.asked import DEFAULT_CLIENT, Body, CodecName, Filler, Method, Pace, TransportName, Workload
from harness.model.hops import Chain

HttpVersion = Literal["1.1", "2"]


@dataclass(frozen=True, slots=True)
class Emission:
    """What the emitter is told to send; travels over the control connection as JSON."""

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
