"""What formats and transports are: how a token is written and found again, and what carries it. Pure; no socket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from harness.formats.boundaries import Boundaries
from harness.model import Body, CodecName, Filler, Method, RequestProfile, TransportName, Workload

Headers = tuple[tuple[str, str], ...]


class Token(NamedTuple):
    """One token as the client found it."""

    seq: int
    emitted_ns: int
    text: str


class Decoder(Protocol):
    """Finds tokens in bytes that may be cut anywhere. Raises StreamError on bytes it cannot accept."""

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes, in order."""

    def finish(self) -> Sequence[Token]:
        """Return what the end of the stream completes (most formats: nothing)."""


class Codec(Protocol):
    """One format, and how a client asks for it: `path` below the stream's own, `request_body` when it posts."""

    method: Method = "GET"
    path: str = ""
    request_body: str = '{"stream": true}'

    @property
    def name(self) -> CodecName: ...

    @property
    def content_type(self) -> str: ...

    @property
    def min_token_bytes(self) -> int:
        """Smallest event that can carry a sequence number, an emission time and one character."""

    def token(self, workload: Workload, seq: int, at_ns: int) -> bytes:
        """Return event `seq`, exactly `workload.token_bytes` bytes."""

    def filling(self, filler: Filler, key: str) -> bytes:
        """Return exactly `filler.bytes` bytes (at least 1) that decode to no token; random ones differ with `key`.

        Before the first token this is a prelude. After an event it is padding, and it comes after the event's end
        on purpose: a buffer that is let go whole would otherwise keep the event's last bytes.
        """

    def opening(self) -> bytes:
        """Return what comes before all else and decodes to no token."""
        return b""

    def closing(self) -> bytes:
        """Return what comes right behind the last event and decodes to no token."""
        return b""

    def heartbeat(self) -> bytes | None:
        """Return a keep-alive that decodes to no token; None where the format has no such thing."""

    def decoder(self) -> Decoder: ...

    def boundaries(self) -> Boundaries:
        """Return what tells where messages begin and end in a body."""


class Transport(Protocol):
    """What carries messages, and what it asks of a request and its answer."""

    @property
    def name(self) -> TransportName: ...

    @property
    def status(self) -> int:
        """The status of an answer that went well."""

    @property
    def refusals(self) -> Sequence[int]:
        """The statuses with which application servers refuse to be asked over it what they serve otherwise."""

    def request_headers(self, profile: RequestProfile) -> Headers:
        """Return what a client of that profile says of itself."""

    def objections(self, body: Body, method: Method, content_type: str | None) -> Iterator[tuple[str, str]]:
        """Yield which of these it does not have, by name, and why not. `content_type` is None where nobody sets one."""

    def messages(self, data: bytes) -> Sequence[bytes]:
        """Return what the emitter sends of `data` as a whole each, in order."""

    def framed(self, decoder: Decoder) -> Decoder:
        """Return a decoder that is fed what a client reads, one read at a time."""
