"""Cuts the model's stream into messages: the events of an event stream, the lines of anything else.

Comments that follow an event (padding, say) go with it, and those before the first go alone: they wait for nobody.
"""

from __future__ import annotations

BLANK = (b"\n", b"\r\n")


class Messages:
    """Incremental: `feed` returns what is complete, `rest` what was not when the stream ended."""

    def __init__(self, media_type: str) -> None:
        self._events = media_type.startswith("text/event-stream")
        self._event = b""
        self._line = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, in order."""
        *lines, self._line = (self._line + data).split(b"\n")
        messages: list[bytes] = []
        for line in lines:
            self._take(line + b"\n", messages)
        return messages

    def rest(self) -> list[bytes]:
        """Return what the stream ended in the middle of."""
        left = self._event + self._line
        return [left] if left else []

    def _take(self, line: bytes, messages: list[bytes]) -> None:
        """Add a line to the message it belongs to."""
        if not self._events:
            messages.append(line)
        elif not self._event and (line.startswith(b":") or line in BLANK):
            messages[-1:] = [b"".join((*messages[-1:], line))]
        else:
            self._event += line
            if line in BLANK:
                messages.append(self._event)
                self._event = b""
