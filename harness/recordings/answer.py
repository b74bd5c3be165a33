"""Reads an HTTP/1.1 response as it comes (RFC 9112): its head, its framing, and each write of its body. Pure.

Rules: a chunk is a write, and it is here with its last byte; where the body is not chunked, what one read brings is
one. Interim responses (1xx) are passed over, trailers dropped. What is kept is never more than what came, and each byte
is looked at once: who reads stops at so many bytes as they please.
"""

from __future__ import annotations

import re

from harness.errors import StreamError, shortened
from harness.model import Body

HEAD_BYTES = 2**16
_STATUS = re.compile(rb"HTTP/(1\.[01]) ([1-9][0-9]{2})(?: .*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
"""RFC 9110, 5.1 and 5.5; what is folded over lines is one (RFC 9112, 5.2)."""
_LENGTH = re.compile(r"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class Answer:
    """One response. `writes` are instants in ns with the bytes of each, `size_bytes` what these have; `came_bytes` is
    all that came, with head and framing. `is_whole` tells whether it came to its end.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.http = ""
        self.headers: tuple[tuple[str, str], ...] = ()
        self.body: Body = "close"
        self.head_ns: int | None = None
        self.writes: list[tuple[int, bytes]] = []
        self.size_bytes = 0
        self.came_bytes = 0
        self.is_whole = False
        self._rest = bytearray()
        self._left: int | None = None
        self._chunk_bytes = 0
        self._in_trailers = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take a read. Raises StreamError for what is no HTTP."""
        self.came_bytes += len(data)
        self._rest += data
        while self.status is None:
            if not self._take_head(at_ns):
                return
        if self.body == "chunked":
            while not self.is_whole and self._take_chunk(at_ns):
                pass
        elif self._rest:
            data = bytes(self._rest if self._left is None else self._rest[: self._left])
            self._rest.clear()
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

    @property
    def begun(self) -> str:
        """How far an answer without any write has come, in words."""
        if self.status is None:
            return "no whole head" if self.came_bytes else "nothing"
        of = f" and the beginning of a chunk of {self._chunk_bytes} bytes" if self._chunk_bytes else ""
        return f"nothing but a head{of}"

    def _take_head(self, at_ns: int) -> bool:
        """Read a head, as soon as all of it is here, and tell whether it is; one that is interim counts for nothing."""
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > HEAD_BYTES or not b"HTTP/1.".startswith(self._rest[:7]):
                raise StreamError(f"what came is no HTTP/1.1: {shortened(bytes(self._rest[:40]))}")
            return False
        head = self._took_out(end, 4)
        first, *lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")
        if not (found := _STATUS.fullmatch(first)):
            raise StreamError(f"what came is no HTTP/1.1: {shortened(first[:40])}")
        if found[2].startswith(b"1"):
            return True
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
            if not _LENGTH.fullmatch(said["content-length"]):
                raise StreamError(f"Content-Length: {shortened(said['content-length'])} is no length")
            self.body, self._left = "length", int(said["content-length"])

    def _take_chunk(self, at_ns: int) -> bool:
        """Take the size of a chunk, a chunk, or a trailer, if all of it is here, and tell whether it is."""
        if size := self._chunk_bytes:
            if len(self._rest) < size + 2:
                return False
            if self._rest[size : size + 2] != b"\r\n":
                raise StreamError(f"a chunk of {size} bytes goes on after its end")
            self._chunk_bytes = 0
            self._took(self._took_out(size, 2), at_ns)
            return True
        if (end := self._rest.find(b"\r\n")) < 0:
            if len(self._rest) > HEAD_BYTES:
                raise StreamError(f"the {'trailer' if self._in_trailers else 'size of a chunk'} does not end")
            return False
        line = self._took_out(end, 2)
        if self._in_trailers:
            self.is_whole = not line
        elif found := _SIZE.fullmatch(line):
            self._chunk_bytes = int(found[1], 16)
            self._in_trailers = not self._chunk_bytes
        else:
            raise StreamError(f"not the size of a chunk: {shortened(line[:40])}")
        return True

    def _took_out(self, size: int, mark: int) -> bytes:
        """Return so many of the bytes that wait, and take them out, with the mark behind them."""
        data = bytes(self._rest[:size])
        del self._rest[: size + mark]
        return data

    def _took(self, data: bytes, at_ns: int) -> None:
        self.size_bytes += len(data)
        self.writes.append((at_ns, data))


def _field(line: bytes) -> tuple[str, str]:
    """Return the name and the value of a header. Raises StreamError for what is none."""
    if not (found := _FIELD.fullmatch(line)):
        raise StreamError(f"not a header: what begins with {shortened(line.partition(b':')[0][:40])}")
    return found[1].decode("latin-1"), found[2].decode("latin-1").strip(" \t")
