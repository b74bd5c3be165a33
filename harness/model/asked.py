"""What is asked for: the hops, workloads and mitigations that a cell's address is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from harness.model.hops import Hop
from harness.model.recording import Recording
from harness.model.words import Method

Format = Literal["sse", "ndjson", "text", "websocket", "openai"]
"""A word of an address. It stands for a codec and for the transport that carries what that writes."""

Pace = Literal["lockstep", "paced"]
Payload = Literal["repetitive", "random"]
Fill = Literal["spaces", "random"]
DEFAULT_CLIENT = "aiohttp"
DEFAULT_REQUEST = "curl"
Handshake = Literal["fetched", "browser"]
HopKind = Literal["proxy", "application", "emulator", "deployed"]
Cost = Literal["header", "request", "config", "format", "bytes", "latency", "architecture"]
"""What a mitigation asks, the cheapest first: a line of a config is written once, another format asks who writes a
stream and all who read it, and bytes and delays are paid for with every token."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What the backend emits.

    `tokens` is the least: in lockstep a stream goes on for as long as is needed to tell, unless it is to be `exact`.
    `token_bytes` is the whole event on the wire, framing of the format included and padding excluded.
    `interval_ms` only matters when paced. Of a `recording` the tokens are the writes, of whose sizes and distances
    `token_bytes` and `interval_ms` are the means, and `tokens` the number of those before the end.
    """

    name: str
    tokens: int
    token_bytes: int
    interval_ms: float = 50.0
    payload: Payload = "repetitive"
    seed: int = 1
    exact: bool = False
    recording: Recording | None = None


class WorkloadKey(NamedTuple):
    """A key of a workload in files, and its option: what it means, an example, and what holds if nothing is said."""

    kind: type[bool | float | int | str]
    about: str
    example: object
    default: Any = ...  # something has to be said


_USUAL = {field.name: field.default for field in fields(Workload)}
WORKLOAD_KEYS: Mapping[str, WorkloadKey] = {
    "tokens": WorkloadKey(int, "how many tokens at least; in lockstep a stream goes on until its verdict is found", 40),
    "token_bytes": WorkloadKey(int, "size of a token's whole event on the wire, the format's framing included", 120),
    "interval_ms": WorkloadKey(float, "time between tokens when paced", 40, _USUAL["interval_ms"]),
    "payload": WorkloadKey(
        str, "whether its text compresses: `repetitive` does, `random` does not", "random", _USUAL["payload"]
    ),
    "seed": WorkloadKey(int, "what the random text starts from", 7, _USUAL["seed"]),
    "patience_ms": WorkloadKey(
        float, "without effect: files may still say it, but no verdict depends on how long lockstep waits", 1000, 300.0
    ),
    "exact": WorkloadKey(
        bool,
        "whether no stream may have more tokens: what is then too short to tell has no verdict",
        True,
        _USUAL["exact"],
    ),
}
"""What a field of `Workload` cannot say itself, in the order of files; one key has no field any more."""


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
    """Bytes that mean nothing: a prelude before the first token, or padding behind every event."""

    bytes: int
    fill: Fill = "spaces"


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be in effect where a config answers: lines in its program's language, without what ends them.

    Of each in `set` one is in effect, those in `add` go beside others of their name, and of those in `drop` the
    arguments that are named are in effect no more, or nothing of the name if none are.
    """

    set: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One claimed fix as the catalogue tells it: what it claims, who says so, what it changes.

    `chain` is None (leave it), the word `direct`, or a mapping from one hop to another (`nginx:default` to
    `nginx:buffering-off`). `scale` n means n times the tokens, each 1/n of the size, at n times the rate.
    A request header with value None is removed. `client` reads instead of the default one; another stays.
    `edit` says what it changes in configs of the user's, by proxy; `edited` are the hops where that changes anything,
    which is known of a matrix and not of a catalogue.
    `apply` has what people paste, by the proxy whose config it is for, or by who has to do it.
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
    edit: Mapping[str, Edit] = field(default_factory=dict)
    edited: tuple[Hop, ...] = ()
    apply: Mapping[str, str] = field(default_factory=dict)

    @property
    def entry(self) -> str:
        """What the catalogue calls it: `gzip-off` of `gzip-off@gateway`, which is for the config of one hop alone."""
        return self.name.partition("@")[0]
