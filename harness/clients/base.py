"""What a client is: something that asks once and hands over every read, at once and unaltered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.launchers.process import Launcher
from harness.model import CodecName, HttpVersion, Method, Remark, StandIn, TransportName

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for. `authority` is the file (PEM) of who signed the server's certificate, if it has one.

    Whatever the transport, the URL has the scheme of HTTP; `status` is that of an answer that goes well. `format` is
    what the body will be in, as an app knows it. `http` are the versions that whoever is asked speaks. `host` is whom
    the request is for, if not the URL's host; a browser has no way to say so.
    """

    url: str
    method: Method = "GET"
    headers: Headers = ()
    body: bytes | None = None
    transport: TransportName = "http"
    status: int = 200
    authority: str | None = None
    format: CodecName = "sse"
    http: Sequence[HttpVersion] = ("1.1",)
    host: str = ""

    @property
    def fields(self) -> Headers:
        """The headers to send, with whom it is for."""
        return (("Host", self.host), *self.headers) if self.host else self.headers


@dataclass(frozen=True, slots=True)
class Remote:
    """What is particular about a reader in another process.

    `awake` returns once the reader has done all that was asked of it before; a silence means nothing until then.
    `trip_ms` is how long it takes to ask it something, in the median while the stream runs (None: nobody can).
    `clock_uncertainty_ms` is how much later than it happened an instant of its may be told (None: its clock is ours).
    `remark` says what is particular about what it shows.
    """

    awake: Callable[[], Awaitable[None]]
    trip_ms: Callable[[], float | None]
    clock_uncertainty_ms: float | None = None
    remark: Remark | None = None


class Sink(Protocol):
    """Where a client puts what it sees. Calls come in the order in which things arrived; none of them blocks or raises.

    `head` and `read` return whether to go on. Told to stop, a client ends its stream at once, hands over nothing more
    and returns as from a good end: what is wrong with the stream, the sink knows.
    """

    def request(self, headers: Headers) -> None:
        """Take the request headers as they were really sent."""

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        """Take the response head; return whether to go on. `decoded`: the body comes with its coding taken off."""

    def read(self, data: bytes, at_ns: int) -> bool:
        """Take the body bytes of one receive, transfer coding removed, or one message; return whether to go on.

        Messages that came in one receive are stamped with the same instant.
        """

    def remote(self, reader: Remote) -> None:
        """Take what is particular about a reader in another process, which is ready and asks now."""

    def painted(self, reads: int, at_ns: int) -> None:
        """Take that the first `reads` reads are on a screen now."""


class Unheard:
    """A sink that keeps nothing and never has enough: for those who care for a part."""

    def request(self, headers: Headers) -> None: ...

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        return True

    def read(self, data: bytes, at_ns: int) -> bool:
        return True

    def remote(self, reader: Remote) -> None: ...

    def painted(self, reads: int, at_ns: int) -> None: ...


class Client(Protocol):
    """One way to read a stream."""

    @property
    def name(self) -> str: ...

    @property
    def http(self) -> Sequence[HttpVersion]:
        """The versions of HTTP it can ask in."""

    @property
    def transports(self) -> Sequence[TransportName]:
        """What it can read; all else is refused before it is asked."""

    @property
    def lacks(self) -> Mapping[TransportName, str]:
        """Why it cannot read others, as what follows its name in a sentence."""

    @property
    def asks_within_s(self) -> float:
        """How long it may take until it asks: to start what it asks with, and to connect."""

    def version(self) -> str:
        """Return the version of what reads. Raises Unavailable if it is not installed."""

    async def stream(self, request: Request, sink: Sink) -> None:
        """Send one request and feed `sink` until the response ends, or the sink has enough.

        Raises StreamError if it ends badly, Unavailable if this client cannot ask so, ClientError if it fails itself.
        However it ends, nothing that was opened or started for it is left.
        """

    async def close(self) -> None:
        """Let go of everything this client holds."""


@dataclass(frozen=True, slots=True)
class Seats:
    """How many streams a program can read at once, for all clients that read with it."""

    program: str
    number: int


@runtime_checkable
class Seated(Protocol):
    """A client that can only read so many streams at once. Whoever asks it sees to that."""

    @property
    def seats(self) -> Seats: ...


@runtime_checkable
class StoodInFor(Protocol):
    """A client that cannot read its own control, which must stream: another does."""

    @property
    def stand_in(self) -> StandIn: ...


@runtime_checkable
class Installing(Protocol):
    """What has a program that can be installed: a proxy, or a client that is one too."""

    def version(self) -> str: ...

    def install(self, progress: Callable[[str], None]) -> None:
        """Install what it needs, once; tell of progress. Raises Unavailable."""


@runtime_checkable
class Launching(Protocol):
    """A client that starts a program of its own."""

    def equip(self, launcher: Launcher, evidence: Path) -> None:
        """Take what starts it, and the folder for its log."""
