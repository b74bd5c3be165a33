"""What is asked for: the hops, workloads and mitigations that a cell's address is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Format = Literal["sse", "ndjson", "text", "websocket", "openai"]
"""A word of an address. It stands for a codec and for the transport that carries what that writes."""

CodecName = Literal["sse", "ndjson", "text", "openai"]
TransportName = Literal["http", "websocket"]
Body = Literal["chunked", "length", "close"]
Pace = Literal["lockstep", "paced"]
Payload = Literal["repetitive", "random"]
Fill = Literal["spaces", "random"]
Method = Literal["GET", "POST"]
DEFAULT_CLIENT = "aiohttp"
DEFAULT_REQUEST = "curl"
Handshake = Literal["fetched", "browser"]
HopKind = Literal["proxy", "application", "emulator"]
Cost = Literal["header", "request", "format", "bytes", "latency", "config", "architecture"]


@dataclass(frozen=True, slots=True)
class Workload:
    """What the backend emits.

    `tokens` is the least: in lockstep a stream goes on for as long as is needed to tell, unless it is to be `exact`.
    `token_bytes` is the whole event on the wire, framing of the format included and padding excluded.
    `interval_ms` only matters when paced.
    """

    name: str
    tokens: int
    token_bytes: int
    interval_ms: float = 50.0
    payload: Payload = "repetitive"
    seed: int = 1
    exact: bool = False


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """Whose headers a client sends: those of when it fetches something, in their order.

    Asked for a WebSocket, it says the same (`fetched`), or what browsers say then (`browser`).
    """

    name: str
    headers: tuple[tuple[str, str], ...]
    handshake: Handshake = "fetched"


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
