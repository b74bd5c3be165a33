"""What a client is: something that asks once and hands over every read, at once and unaltered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Headers = Sequence[tuple[str, str]]


class Sink(Protocol):
    """Where a client puts what it sees. Calls come in the order in which things arrived; none of them blocks."""

    def request(self, headers: Headers) -> None:
        """Take the request headers as they were really sent."""

    def head(self, status: int, headers: Headers, at_ns: int) -> None:
        """Take the response head."""

    def read(self, data: bytes, at_ns: int) -> None:
        """Take the body bytes of one receive: transfer coding removed, content coding untouched."""


class Client(Protocol):
    """One way to read a stream."""

    @property
    def name(self) -> str: ...

    def version(self) -> str:
        """Return the version of what reads. Raises Unavailable if it is not installed."""

    async def stream(self, method: str, url: str, headers: Headers, sink: Sink) -> None:
        """Send one request and feed `sink` until the response ends. Raises StreamError if it ends badly."""

    async def close(self) -> None:
        """Let go of everything this client holds."""
