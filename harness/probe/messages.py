"""Finds messages in the body of an endpoint that we know nothing of: where they end is when they have arrived. Pure.

Rules: the Content-Type says what they are; where it does not, the first bytes do. Of what is neither events nor lines
of JSON each read is one. A content coding is taken off first: what it still keeps back has not arrived. Over a
WebSocket each read is a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.formats.boundaries import Boundaries, events, objects
from harness.formats.coding import content_coding, decoder
from harness.model import TransportName
from harness.probe.takes import Headers

TYPES: tuple[tuple[str, str], ...] = (
    ("text/event-stream", "server-sent event"),
    ("ndjson", "line of JSON"),
    ("jsonl", "line of JSON"),
    ("json-lines", "line of JSON"),
    ("stream+json", "line of JSON"),
)
"""What of a Content-Type names a format, and what a message of it is called."""
CUTS: dict[str, Callable[[], Boundaries]] = {"server-sent event": events, "line of JSON": objects}
CHUNK = b'"chat.completion.chunk"'
LOOKED_AT_BYTES = 4096
SLICE_BYTES = 4096
"""So much of a coded body is taken at once: the little that is a lot, once decoded, is met in pieces."""

_EVENTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:")
_OBJECT = re.compile(rb"\s*\{")


class Messages:
    """Follows one body. `message` is what one of its messages is called, `size_bytes` how much there was, decoded."""

    def __init__(self, headers: Headers, transport: TransportName = "http") -> None:
        self.message = "WebSocket message" if transport == "websocket" else ""
        self.size_bytes = 0
        self.start = b""
        self._coding = decoder(None if transport == "websocket" else content_coding(headers))
        self._type = next((value.lower() for name, value in headers if name.lower() == "content-type"), "")
        self._boundaries: Boundaries | None = None
        self._open = False

    def feed(self, data: bytes, most_bytes: int) -> int:
        """Take a read; return how many messages it completes. Stops at `most_bytes`. Raises StreamError."""
        completed = 0
        for at in range(0, len(data), SLICE_BYTES):
            completed += self._decoded(self._coding.feed(data[at : at + SLICE_BYTES]))
            if self.size_bytes > most_bytes:
                break
        return min(completed, 1) if self._boundaries is None else completed

    def end(self) -> int:
        """Return how many messages the end completes: one, if its last line has no end. Raises StreamError."""
        self._coding.finish()
        return int(self._open)

    def _decoded(self, data: bytes) -> int:
        if not data:
            return 0
        if not self.message:
            self.message = self._name(data)
            if cut := CUTS.get(self.message):
                self._boundaries = cut()
        self.size_bytes += len(data)
        self.start += data[: LOOKED_AT_BYTES - len(self.start)]
        if self.message == "server-sent event" and CHUNK in self.start:
            self.message = "OpenAI chunk"
        if self._boundaries is None:
            return 1
        open_before = self._open
        begun = self._boundaries.feed(data)
        self._open = self._boundaries.open
        return open_before + begun - self._open

    def _name(self, data: bytes) -> str:
        for part, name in TYPES:
            if part in self._type:
                return name
        if _EVENTS.match(data):
            return "server-sent event"
        return "line of JSON" if _OBJECT.match(data) and b"json" not in self._type.encode() else "read"
