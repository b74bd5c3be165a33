"""Messages of a WebSocket: each is one line of NDJSON, so what carries a token elsewhere carries it here.

Rule: a message is a whole. Two that were joined, or one that was cut, would be no token to a page that reads it.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import StreamError
from harness.formats.base import Decoder, Token
from harness.formats.ndjson import Ndjson, NdjsonDecoder


class WebSocketDecoder(NdjsonDecoder):
    """Tokens out of messages; what is fed is one message."""

    def __init__(self) -> None:
        super().__init__()
        self._taken_bytes = 0

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the token that the message carries. Raises StreamError if it is not one line."""
        if data and data.find(b"\n") != len(data) - 1:
            raise StreamError(f"a message is not one line, at byte {self._taken_bytes}: {data[:80]!r}")
        self._taken_bytes += len(data)
        return super().feed(data)


class WebSocket(Ndjson):
    """The format `websocket`."""

    name = "websocket"

    def decoder(self) -> Decoder:
        return WebSocketDecoder()
