"""Transports: what carries the messages of a format, and what that asks of the request and its answer. Pure.

Rule: over HTTP a body may be cut anywhere; a message of a WebSocket is a whole, and a line. Two that were joined, or
one that was cut, would be no message to a page that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import StreamError
from harness.formats.base import Decoder, Headers, Token, Transport
from harness.model import Body, Method, RequestProfile, TransportName


class Http(Transport):
    """A response whose body is the stream."""

    name: TransportName = "http"
    status = 200
    refusals = (404, 405)

    def request_headers(self, profile: RequestProfile) -> Headers:
        return profile.headers

    def objections(self, body: Body, method: Method, content_type: str | None) -> Iterator[tuple[str, str]]:
        yield from ()

    def messages(self, data: bytes) -> Sequence[bytes]:
        return (data,)

    def framed(self, decoder: Decoder) -> Decoder:
        return decoder


class WebSocket(Transport):
    """RFC 6455. Of those who shake hands, browsers fetch nothing and always offer compression; curl never does."""

    name: TransportName = "websocket"
    status = 101
    refusals = (400, 403, 404, 405)

    def request_headers(self, profile: RequestProfile) -> Headers:
        if profile.handshake == "fetched":
            return profile.headers
        return (
            *(header for header in profile.headers if header[0] != "Accept" and not header[0].startswith("Sec-Fetch-")),
            ("Cache-Control", "no-cache"),
            ("Pragma", "no-cache"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        )

    def objections(self, body: Body, method: Method, content_type: str | None) -> Iterator[tuple[str, str]]:
        if body != "chunked":
            yield "body", f"a WebSocket has no body that could be framed by {body}; give body chunked"
        if method != "GET":
            yield "method", "a WebSocket is always asked for with GET"
        if content_type:
            yield "content_type", "a WebSocket has no content type"

    def messages(self, data: bytes) -> Sequence[bytes]:
        return data.splitlines(keepends=True)

    def framed(self, decoder: Decoder) -> Decoder:
        return WholeLines(decoder)


class WholeLines:
    """Decodes messages, one fed at a time, each of which has to be a line."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._taken_bytes = 0

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the token that the message carries, if it does. Raises StreamError if it is not one line."""
        if data and data.find(b"\n") != len(data) - 1:
            raise StreamError(f"a message is not one line, at byte {self._taken_bytes}: {data[:80]!r}")
        self._taken_bytes += len(data)
        return self._decoder.feed(data)

    def finish(self) -> Sequence[Token]:
        """Return what the end completes."""
        return self._decoder.finish()
