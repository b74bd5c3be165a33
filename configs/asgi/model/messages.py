"""Cuts the model's stream into messages: the events of an event stream, the lines of anything else.

Comments that follow an event (padding, say) go with it, and those before the first go alone: they wait for nobody.
"""

from __future__ import annotations

import re

EVENT = re.compile(rb".*?(?:\r\n\r\n|\n\n|\r\r)(?::[^\n]*\n(?!\n))*", re.DOTALL)
LINE = re.compile(rb".*?\n", re.DOTALL)
COMMENTS = re.compile(rb"(?::[^\n]*\n)+")


class Messages:
    """Incremental: `feed` returns what is complete, `rest` what was not when the stream ended."""

    def __init__(self, media_type: str) -> None:
        self._events = media_type.startswith("text/event-stream")
        self._left = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the messages that `data` completes, in order."""
        data = self._left + data
        found = (EVENT if self._events else LINE).findall(data)
        self._left = data[sum(map(len, found)) :]
        if self._events and COMMENTS.fullmatch(self._left):
            comments, self._left = self._left, b""
            found[-1:] = [b"".join((*found[-1:], comments))]
        return found

    def rest(self) -> list[bytes]:
        """Return what the stream ended in the middle of."""
        return [self._left] if self._left else []
