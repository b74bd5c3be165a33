"""The emitter's side of HTTP: what the stream writes leaves as the body of a response, in the framing it is told."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from harness.model import Emission


class HttpBody(web.StreamResponse):
    """A response whose body leaves chunked, in its announced length of `size_bytes`, or until the connection closes.

    A body that ends with the connection (RFC 9112, 6.3, item 8) is one that aiohttp offers to no HTTP/1.1 client. The
    switch, `_length_check`, is the one that its own WebSocketResponse uses.
    """

    reader_may_leave_on_end = False

    def __init__(
        self, request: web.BaseRequest, emission: Emission, size_bytes: int | None, on_left: Callable[[], object]
    ) -> None:
        super().__init__()
        if emission.body == "close" or (emission.body == "chunked" and request.version < (1, 1)):
            self._length_check = False
            self.force_close()
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
        self._wire.write(b"%x\r\n%b\r\n" % (len(data), data) if self._frames else data)
