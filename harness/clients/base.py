"""What a client is: something that asks once and hands over every read, at once and unaltered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.model import HttpVersion, Method

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for. `authority` is the file (PEM) of who signed the server's certificate, if it has one.

    A `websocket` is asked for at the same URL, with the scheme of HTTP.
    """

    url: str
    method: Method = "GET"
    headers: Headers = ()
    body: bytes | None = None
    websocket: bool = False
    authority: str | None = None


class Sink(Protocol):
    """Where a client puts what it sees. Calls come in the order in which things arrived; none of them blocks."""

    def request(self, headers: Headers) -> None:
        """Take the request headers as they were really sent."""

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> None:
        """Take the response head. `decoded`: the body comes with its content coding taken off already."""

    def read(self, data: bytes, at_ns: int) -> None:
        """Take the body bytes of one receive, transfer coding removed, or one message of a WebSocket."""


class Client(Protocol):
    """One way to read a stream."""

    @property
    def name(self) -> str: ...

    @property
    def http(self) -> Sequence[HttpVersion]:
        """The versions of HTTP it can ask in."""

    def version(self) -> str:
        """Return the version of what reads. Raises Unavailable if it is not installed."""

    async def stream(self, request: Request, sink: Sink) -> None:
        """Send one request and feed `sink` until the response ends.

        Raises StreamError if it ends badly, Unavailable if this client cannot ask so, ClientError if it fails itself.
        """

    async def close(self) -> None:
        """Let go of everything this client holds."""
