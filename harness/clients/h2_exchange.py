"""One request and its response on an HTTP/2 connection of their own; the h2 library reads and writes the frames.

Rules: a read is what the DATA frames of one receive carried, stamped before anything else is done; its flow-control
credit goes back at once, padding included; a frame counts when it is whole. Informational responses and trailers
are no reads. A server may say that it will go (GOAWAY without an error) and still finish our stream, which RFC 9113
allows and the library does not (python-hyper/h2 issue 1181): it never sees such a frame.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import FrameTooLargeError, H2Error
from h2.settings import SettingCodes, Settings

from harness.clients.base import Request, Sink
from harness.clients.quoting import unquoted
from harness.errors import StreamError

STREAM = 1
FIRST_WINDOW_BYTES = 65_535  # the connection's, until it is widened
FRAME_HEAD_BYTES = 9
GOAWAY = 7
GOAWAY_BYTES = FRAME_HEAD_BYTES + 8
OF_ONE_CONNECTION = {"connection", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}


class Http2Exchange(asyncio.Protocol):
    """Asks as soon as the connection is made. `done` tells how the response ended, `closed` that the socket is."""

    def __init__(self, request: Request, sink: Sink, window_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._request = request
        self._sink = sink
        self._window_bytes = window_bytes
        self._unsent = request.body or b""
        self._partial = b""
        self._answered = False
        self._http2 = H2Connection(H2Configuration(client_side=True))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls and (agreed := tls.selected_alpn_protocol()) != "h2":
            self._end(StreamError(f"the server does not agree to HTTP/2 (ALPN: {agreed or 'no answer'})"))
            return
        self._http2.local_settings = Settings(
            client=True,
            initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.INITIAL_WINDOW_SIZE: self._window_bytes},
        )
        self._http2.initiate_connection()
        if self._window_bytes > FIRST_WINDOW_BYTES:
            self._http2.increment_flow_control_window(self._window_bytes - FIRST_WINDOW_BYTES)
        headers = request_headers(self._request)
        try:
            self._http2.send_headers(STREAM, headers, end_stream=not self._unsent)
            self._send_body()
        except H2Error as error:
            self._end(StreamError(f"HTTP/2 does not allow this request: {error}"))
            return
        self._sink.request(headers)
        self._flush()

    def data_received(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        if self.done.done():
            return
        try:
            if self._receive(data, at_ns):
                self._end()
        except H2Error as error:
            self._end(StreamError(f"the server broke HTTP/2: {unquoted(str(error))}"))
        except StreamError as error:
            self._end(error)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        when = "in mid-stream" if self._answered else "before a response"
        self._end(StreamError(f"the connection closed {when}{f': {exc}' if exc else ''}"))
        self.closed.set_result(None)

    def hang_up(self) -> None:
        """Close the connection, whether the response has ended or not."""
        self.done.cancel()
        self._http2.close_connection()
        self._flush()
        self._transport.abort()

    def _receive(self, data: bytes, at_ns: int) -> bool:
        """Hand over what came; return whether no more is wanted: it was the last, or the sink has enough."""
        body = bytearray()
        try:
            for event in self._events(data):
                match event:
                    case ResponseReceived():
                        if not self._answer(event, at_ns):
                            return True
                    case DataReceived():
                        body += event.data
                        self._http2.acknowledge_received_data(event.flow_controlled_length, STREAM)
                    case WindowUpdated() | RemoteSettingsChanged():
                        self._send_body()
                    case StreamEnded():
                        return True
                    case StreamReset():
                        raise StreamError(f"the server reset the stream: {_code(event.error_code)}")
                    case ConnectionTerminated():
                        raise StreamError(f"the server ended the connection: {_goodbye(event)}")
            return False
        finally:
            if body and not self._sink.read(bytes(body), at_ns):
                self._end()

    def _events(self, data: bytes) -> Iterator[Event]:
        """Yield what whole frames say, one frame after another: what precedes a broken one still counts."""
        data = self._partial + data
        if data.startswith(b"HTTP/1."):
            raise StreamError(f"the server answers in {_text(data.split(maxsplit=1)[0])}, not in HTTP/2")
        at = 0
        while len(data) - at >= FRAME_HEAD_BYTES:
            payload_bytes = int.from_bytes(data[at : at + 3], "big")
            if payload_bytes > self._http2.max_inbound_frame_size:
                raise FrameTooLargeError(f"a frame of {payload_bytes} bytes")
            size_bytes = FRAME_HEAD_BYTES + payload_bytes
            if len(data) - at < size_bytes:
                break
            frame, at = data[at : at + size_bytes], at + size_bytes
            if not _lets_us_finish(frame):
                yield from self._http2.receive_data(frame)
        self._partial = data[at:]

    def _answer(self, event: ResponseReceived, at_ns: int) -> bool:
        headers = [(_text(name), _text(value)) for name, value in event.headers]
        status = next(value for name, value in headers if name == ":status")
        if not status.isdecimal():
            raise StreamError(f"the server answered with a status that is none: {status!r}")
        self._answered = True
        return self._sink.head(int(status), [header for header in headers if not header[0].startswith(":")], at_ns)

    def _send_body(self) -> None:
        """Send as much of the request body as the server gives credit for."""
        while self._unsent and (room := self._http2.local_flow_control_window(STREAM)) > 0:
            size_bytes = min(room, self._http2.max_outbound_frame_size)
            now, self._unsent = self._unsent[:size_bytes], self._unsent[size_bytes:]
            self._http2.send_data(STREAM, now, end_stream=not self._unsent)

    def _flush(self) -> None:
        if ready := self._http2.data_to_send():
            self._transport.write(ready)

    def _end(self, error: StreamError | None = None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


def request_headers(request: Request) -> list[tuple[str, str]]:
    """Return a request's headers as HTTP/2 has them: pseudo headers first, the rest in lower case."""
    url = urlsplit(request.url)
    given = [(name.lower(), value) for name, value in request.fields]
    sent = [
        (":method", request.method),
        (":scheme", url.scheme),
        (":authority", next((value for name, value in given if name == "host"), url.netloc)),
        (":path", f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"),
    ]
    sent += [(name, value) for name, value in given if name not in OF_ONE_CONNECTION]
    return [*sent, ("content-length", str(len(request.body)))] if request.body else sent


def _lets_us_finish(frame: bytes) -> bool:
    """Tell whether a frame is a GOAWAY without an error by a server that has taken our request."""
    if frame[3] != GOAWAY or len(frame) < GOAWAY_BYTES:
        return False
    last_stream, code = struct.unpack_from(">II", frame, FRAME_HEAD_BYTES)
    return bool(code == ErrorCodes.NO_ERROR and last_stream & 0x7FFF_FFFF >= STREAM)


def _goodbye(event: ConnectionTerminated) -> str:
    said = _text(event.additional_data or b"")
    return f"GOAWAY, {_code(event.error_code)}" + (f", {said}" if said else "")


def _code(code: ErrorCodes | int | None) -> str:
    return code.name if isinstance(code, ErrorCodes) else f"error {code}"


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
