"""The emitter's side of HTTP: what the stream writes leaves as the body of a response, in the framing it is told."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from harness.model import Emission


class HttpBody(web.StreamResponse):
    """A response whose body leaves chunked, in its announced length of `size_bytes`, or until the connection closes.

    A body that ends with the connection (RFC 9112, 6.3, item 8) is one that aiohttp offers to no HTTP/1.1 client. The
    switch, `_length_check`, is the one that its own WebSocketResponse uses. Nor does it offer chunks to HTTP/1.0, which
    some servers send all the same: what does so is framed here.
    """

    reader_may_leave_on_end = False

    def __init__(
        self, request: web.BaseRequest, emission: Emission, size_bytes: int | None, on_left: Callable[[], object]
    ) -> None:
        super().__init__()
        recording = emission.workload.recording
        old = emission.body == "chunked" and request.version < (1, 1)
        self._frames_itself = bool(old and recording and recording.chunks_http10)
        if emission.body == "close" or old:
            self._length_check = False
            self.force_close()
        if self._frames_itself:
            self.headers["Transfer-Encoding"] = "chunked"
        self.content_length = size_bytes
        self.headers["Content-Type"] = emission.content_type
        self.headers.extend(emission.headers)

    @staticmethod
    def refusal(request: web.BaseRequest) -> web.Response | None:
        """Refuse nothing."""
        return None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head."""
        writer = await super().prepare(request)
        assert request.transport is not None
        self._wire = request.transport
        self._frames = self.headers.get("Transfer-Encoding") == "chunked"
        return writer

    def put(self, data: bytes) -> None:
        """Put bytes of the body on the wire without waiting: as a chunk, or as they are."""
        self._wire.write(_chunk(data) if self._frames else data)

    async def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        """Write bytes of the body."""
        await super().write(_chunk(bytes(data)) if self._frames_itself else data)

    async def write_eof(self, data: bytes = b"") -> None:
        """End the body."""
        await super().write_eof(b"0\r\n\r\n" if self._frames_itself else data)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
