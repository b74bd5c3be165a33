"""Where messages begin and end in a body: what an app would parse one by one. Pure.

Rules: a message begins with the first byte that says something, and ends with the line end that completes it; blank
lines, comments and filling lie between messages. Lines end as in `lines.py`: with LF, CR or CRLF, at its first byte.
"""

from __future__ import annotations

from collections.abc import Callable

Says = Callable[[bytes, bytes], bool]
"""Tells, of the first byte of a line and of what came of it just now, whether a message is in it."""


class Boundaries:
    """Follows a body piece by piece. `open` tells whether a message has begun and not ended.

    A message is a line that says something or, if not `by_line`, all such lines up to a blank one.
    """

    def __init__(self, says: Says, by_line: bool) -> None:
        self.open = False
        self._says = says
        self._by_line = by_line
        self._first = b""
        self._after_cr = False

    def feed(self, data: bytes) -> int:
        """Take the next bytes of the body; return how many messages begin in them."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        begun = sum(map(self._begins, data.splitlines(keepends=True)))
        if data:
            self._after_cr = data.endswith(b"\r")
        return begun

    def _begins(self, piece: bytes) -> bool:
        """Take a line or a part of one; tell whether a message begins in it."""
        said = piece.rstrip(b"\r\n")
        self._first = self._first or said[:1]
        begins = not self.open and self._says(self._first, said)
        self.open = self.open or begins
        if len(said) < len(piece):
            self.open = self.open and not self._by_line and bool(self._first)
            self._first = b""
        return begins


def events() -> Boundaries:
    """Return what follows server-sent events: a comment outside of an event is none."""
    return Boundaries(lambda first, said: first not in (b"", b":"), by_line=False)


def objects() -> Boundaries:
    """Return what follows lines of JSON: one of whitespace is none."""
    return Boundaries(lambda first, said: bool(said.strip(b" \t")), by_line=True)


def lines() -> Boundaries:
    """Return what follows lines of text: filling starts with a tab."""
    return Boundaries(lambda first, said: first not in (b"", b"\t"), by_line=True)
