"""Reads an HTTP/1.1 response as it comes (RFC 9112): its head, its framing, and each write of its body. Pure.

Rules: a chunk is a write, and it is here with its last byte; where the body is not chunked, what one read brings is
one. Interim responses (1xx) are passed over, trailers dropped. Of the body no more than is asked for is kept.
"""

from __future__ import annotations

import re

from harness.errors import StreamError, shortened
from harness.model import Body

HEAD_BYTES = 2**16
_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: .*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
"""RFC 9110, 5.1 and 5.5; what is folded over lines is one (RFC 9112, 5.2)."""
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class Answer:
    """One response. `writes` are instants in ns with the bytes of each; `is_whole` tells whether it came to its end."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.http = ""
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body: Body = "close"
        self.head_ns: int | None = None
        self.writes: list[tuple[int, bytes]] = []
        self.size_bytes = 0
        self.is_whole = False
        self._rest = b""
        self._left: int | None = None
        self._in_trailers = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take a read. Raises StreamError for what is no HTTP."""
        self._rest += data
        if self.status is None and not self._take_head(at_ns):
            return
        if self.body == "chunked":
            while not self.is_whole and self._take_chunk(at_ns):
                pass
        elif self._rest:
            data = self._rest if self._left is None else self._rest[: self._left]
            self._rest = b""
            self._took(data, at_ns)
            if self._left is not None:
                self._left -= len(data)
        self.is_whole = self.is_whole or self._left == 0

    def end(self) -> None:
        """Take that the connection was closed. Raises StreamError if that was too early."""
        if self.status is None:
            raise StreamError("the connection was closed before an answer had come")
        if self.body == "close":
            self.is_whole = True
        elif not self.is_whole:
            raise StreamError(f"the answer broke off after {self.size_bytes} bytes of its body")

    def _take_head(self, at_ns: int) -> bool:
        """Read the head, as soon as all of it is here, and tell whether it is."""
        head, ended, rest = self._rest.partition(b"\r\n\r\n")
        if not ended:
            if len(self._rest) > HEAD_BYTES or not b"HTTP/1.".startswith(self._rest[:7]):
                raise StreamError(f"what came is no HTTP/1.1: {shortened(self._rest[:40])}")
            return False
        first, *lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")
        if not (found := _STATUS.fullmatch(first)):
            raise StreamError(f"what came is no HTTP/1.1: {shortened(first[:40])}")
        self._rest = rest
        if found[2].startswith(b"1"):
            return self._take_head(at_ns)
        self.http, self.status, self.head_ns = found[1].decode(), int(found[2]), at_ns
        self.headers = tuple(map(_field, lines))
        self._frame()
        return True

    def _frame(self) -> None:
        """Find out how the body ends (RFC 9112, 6.3)."""
        said = {name.lower(): value for name, value in self.headers}
        if self.status in (204, 304):
            self._left = 0
        elif "transfer-encoding" in said:
            if said["transfer-encoding"].lower() != "chunked":
                raise StreamError(f"unknown transfer coding {shortened(said['transfer-encoding'])}")
            self.body = "chunked"
        elif "content-length" in said:
            if not said["content-length"].isascii() or not said["content-length"].isdigit():
                raise StreamError(f"Content-Length: {shortened(said['content-length'])} is no length")
            self.body, self._left = "length", int(said["content-length"])

    def _take_chunk(self, at_ns: int) -> bool:
        """Take a chunk, or the end of the body, if all of it is here."""
        line, ended, rest = self._rest.partition(b"\r\n")
        if self._in_trailers:
            self._rest = rest if ended else self._rest
            self.is_whole = bool(ended) and not line
            return bool(ended)
        if not ended:
            if len(line) > HEAD_BYTES:
                raise StreamError("the size of a chunk does not end")
            return False
        if not (found := _SIZE.fullmatch(line)):
            raise StreamError(f"not the size of a chunk: {shortened(line[:40])}")
        size = int(found[1], 16)
        if size == 0:
            self._rest, self._in_trailers = rest, True
            return True
        if len(rest) < size + 2:
            return False
        if rest[size : size + 2] != b"\r\n":
            raise StreamError(f"a chunk of {size} bytes goes on after its end")
        self._rest = rest[size + 2 :]
        self._took(rest[:size], at_ns)
        return True

    def _took(self, data: bytes, at_ns: int) -> None:
        self.size_bytes += len(data)
        self.writes.append((at_ns, data))


def _field(line: bytes) -> tuple[str, str]:
    """Return the name and the value of a header. Raises StreamError for what is none."""
    if not (found := _FIELD.fullmatch(line)):
        raise StreamError(f"not a header: what begins with {shortened(line.partition(b':')[0][:40])}")
    return found[1].decode("latin-1"), found[2].decode("latin-1").strip(" \t")
