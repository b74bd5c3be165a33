"""Cuts the model's stream into messages: the events of an event stream, the lines of anything else.

Comments that follow an event (padding, say) go with it, and those before the first go alone: they wait for nobody.
"""

from __future__ import annotations

import re

EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
LINE_END = re.compile(rb"\n")
COMMENTS_AFTER = re.compile(rb"(?::[^\n]*\n(?!\n))*")
COMMENTS = re.compile(rb"(?::[^\n]*\n)+")


class Messages:
    """Incremental: `feed` returns what is complete, `rest` what was not when the stream ended."""

    def __init__(self, media_type: str) -> None:
        self._events = media_type.startswith("text/event-stream")
        self._left = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, in order."""
        data, at, found = self._left + data, 0, list[bytes]()
        while end := (EVENT_END if self._events else LINE_END).search(data, at):
            after = COMMENTS_AFTER.match(data, end.end()) if self._events else None
            found.append(data[at : (after or end).end()])
            at += len(found[-1])
        self._left = data[at:]
        if self._events and COMMENTS.fullmatch(self._left):
            comments, self._left = self._left, b""
            found[-1:] = [b"".join((*found[-1:], comments))]
        return found

    def rest(self) -> list[bytes]:
        """Return what the stream ended in the middle of."""
        return [self._left] if self._left else []
