"""Server-sent events (WHATWG HTML 9.2): a generic event parser, and tokens as the events of it.

A token is `data: {"n":12,"t":1234,"d":"..."}` and a blank line; all filling is comments.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from harness.errors import StreamError
from harness.formats import boundaries, envelope, payload
from harness.formats.base import Codec, Decoder, Token
from harness.formats.boundaries import Boundaries
from harness.formats.lines import LineSplitter
from harness.model import CodecName, Filler, Workload

_FRAME_BYTES = len("data: \n\n")
_RETRY = re.compile(r"[0-9]{1,18}")  # the standard sets no limit; nobody waits longer than these can say


class Event(NamedTuple):
    """One dispatched event. `offset` is where its first data line starts, in bytes of the stream."""

    type: str
    data: str
    last_event_id: str
    offset: int


class EventParser:
    """The standard's event stream interpretation (9.2.6), incremental; knows nothing of tokens.

    Malformed UTF-8 becomes U+FFFD, an unfinished last event is discarded: no input is an error.
    `retry_ms` is the reconnection time the stream asked for last, None until it does.
    """

    def __init__(self) -> None:
        self.retry_ms: int | None = None
        self._lines = LineSplitter()
        self._type = ""
        self._data: list[str] = []
        self._last_event_id = ""
        self._offset = 0

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes, in order."""
        events: list[Event] = []
        for offset, line in self._lines.feed(data):
            if not line:
                events += self._dispatch()
            elif not line.startswith(b":"):
                if not self._data:
                    self._offset = offset
                # All line ends are ASCII, so decoding line by line is decoding the stream.
                self._field(line.decode("utf-8", "replace"))
        return events

    def _dispatch(self) -> list[Event]:
        kind, self._type = self._type or "message", ""
        if not self._data:
            return []
        data, self._data = "\n".join(self._data), []
        return [Event(kind, data, self._last_event_id, self._offset)]

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._last_event_id = value
        elif name == "retry" and _RETRY.fullmatch(value):
            self.retry_ms = int(value)


class SseDecoder:
    """Tokens out of `message` events; events of other types are not for us."""

    def __init__(self) -> None:
        self._parser = EventParser()

    def feed(self, data: bytes) -> Sequence[Token]:
        """Return the tokens that `data` completes. Raises StreamError for a message that is no token."""
        return [_token(event) for event in self._parser.feed(data) if event.type == "message"]

    def finish(self) -> Sequence[Token]:
        """Return nothing: an event without its blank line was not sent in full."""
        return ()


class Sse(Codec):
    """The format `sse`. Filling is a comment."""

    name: CodecName = "sse"
    content_type = "text/event-stream"
    min_token_bytes = _FRAME_BYTES + envelope.MIN_BYTES

    def token(self, workload: Workload, seq: int, at_ns: int) -> bytes:
        return f"data: {envelope.write(workload, seq, at_ns, workload.token_bytes - _FRAME_BYTES)}\n\n".encode()

    def filling(self, filler: Filler, key: str) -> bytes:
        return f": {payload.filling(filler.fill, filler.bytes, key)}"[: filler.bytes - 1].encode() + b"\n"

    def heartbeat(self) -> bytes:
        return b": heartbeat\n\n"

    def decoder(self) -> Decoder:
        return SseDecoder()

    def boundaries(self) -> Boundaries:
        return boundaries.events()


def _token(event: Event) -> Token:
    token = envelope.read(event.data, event.offset)
    if token is None:
        raise StreamError(f"not a token at byte {event.offset}: {event.data[:80]!r}")
    return token
