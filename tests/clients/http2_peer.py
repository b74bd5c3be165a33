"""A server in memory, made with the h2 library: what it says arrives when, and in such pieces as, a test wants."""

from __future__ import annotations

import asyncio
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived

from harness.clients.base import Headers, Request, Unheard
from harness.clients.h2_exchange import STREAM, Http2Exchange

OK = ((":status", "200"), ("content-type", "text/event-stream"))
URL = "http://127.0.0.1:1/stream/7?x=1"
WINDOW_BYTES = 2**31 - 1


class Seen(Unheard):
    """A sink that keeps what a stream's client saw, and has enough once it has as many reads as are `wanted`."""

    def __init__(self) -> None:
        self.wanted: int | None = None
        self.asked: Headers = ()
        self.status: int | None = None
        self.headers: Headers = ()
        self.reads: list[bytes] = []

    def request(self, headers: Headers) -> None:
        self.asked = headers

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status, self.headers = status, headers
        return True

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(data)
        return len(self.reads) != self.wanted


class Wire(asyncio.Transport):
    """What a client wrote, until somebody takes it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written += data

    def take(self) -> bytes:
        written, self._written = self._written, b""
        return written


class Peer:
    """The server's side of one exchange, whose request has come already."""

    def __init__(self, request: Request | None = None, window_bytes: int = WINDOW_BYTES) -> None:
        self.seen = Seen()
        self.exchange = Http2Exchange(request or Request(URL), self.seen, window_bytes)
        self.http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.events: list[Event] = []
        self._wire = Wire()
        self.http2.initiate_connection()
        self.exchange.connection_made(self._wire)
        self.listen()

    def listen(self) -> Self:
        """Take in what the client has written."""
        self.events += self.http2.receive_data(self._wire.take())
        return self

    def head(self, *headers: tuple[str, str], end: bool = False) -> Self:
        """Say a head, or trailers."""
        self.http2.send_headers(STREAM, list(headers or OK), end_stream=end)
        return self

    def data(self, data: bytes, padding: int | None = None, end: bool = False) -> Self:
        """Say one DATA frame."""
        self.http2.send_data(STREAM, data, end_stream=end, pad_length=padding)
        return self

    def said(self) -> bytes:
        """Return what was said and not handed over yet."""
        return self.http2.data_to_send()

    def hand_over(self, *more: bytes) -> None:
        """Let the client receive all that was said at once, and `more`; then hear what it answers."""
        self.exchange.data_received(self.said() + b"".join(more))
        self.listen()

    def asked(self) -> dict[str, str]:
        """Return the request's headers as they came."""
        (request,) = (event for event in self.events if isinstance(event, RequestReceived))
        return {str(name): str(value) for name, value in request.headers}

    def body(self) -> bytes:
        """Return the request's body as far as it came."""
        return b"".join(event.data for event in self.events if isinstance(event, DataReceived))
