"""The emitter's side of a WebSocket (RFC 6455): what the stream writes leaves as text messages.

Frames are made here, not by aiohttp, because a granted token must leave in the very call that grants it; the
handshake, Ping and Close are aiohttp's. permessage-deflate (RFC 7692) is used whenever it was offered.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, hdrs, web
from aiohttp.abc import AbstractStreamWriter

from harness.formats import TRANSPORTS
from harness.model import Emission

TEXT = 0x81  # FIN and the opcode of text
COMPRESSED = 0x40  # RSV1, as RFC 7692 uses it
FLUSHED = b"\x00\x00\xff\xff"  # the end of every flush, which RFC 7692 leaves out
CLOSE_OK = WSCloseCode.OK.to_bytes(2)
CLOSE_S = 5.0

WAY_OUT = (
    "a hop dropped it, as nginx does unless it has proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection upgrade;"
)


def refusal(request: web.BaseRequest) -> str | None:
    """Return what is missing for a handshake, and the way out; None if nothing is."""
    present = {
        "HTTP/1.1": request.version >= (1, 1),
        "Upgrade: websocket": "websocket" in _options(request, hdrs.UPGRADE),
        "Connection: upgrade": "upgrade" in _options(request, hdrs.CONNECTION),
        "Sec-WebSocket-Key": hdrs.SEC_WEBSOCKET_KEY in request.headers,
        "Sec-WebSocket-Version: 13": request.headers.get(hdrs.SEC_WEBSOCKET_VERSION) == "13",
    }
    missing = ", ".join(what for what, here in present.items() if not here)
    return f"the WebSocket handshake came without {missing}: {WAY_OUT}" if missing else None


def upgrade_required(why: str) -> web.Response:
    """Return the refusal as a response."""
    return web.Response(status=426, text=f"{why}\n", headers={hdrs.UPGRADE: "websocket", hdrs.CONNECTION: "upgrade"})


class Frames:
    """Makes text messages into frames. `window_bits` is deflate's, 0 for none; `fresh` forgets after each message."""

    def __init__(self, window_bits: int, fresh: bool) -> None:
        self._deflate = zlib.compressobj(wbits=-window_bits) if window_bits else None
        self._flush = zlib.Z_FULL_FLUSH if fresh else zlib.Z_SYNC_FLUSH

    def text(self, message: bytes) -> bytes:
        """Return the message in one frame, not masked, as servers send it."""
        first = TEXT
        if self._deflate:
            first |= COMPRESSED
            message = (self._deflate.compress(message) + self._deflate.flush(self._flush)).removesuffix(FLUSHED)
        size_bytes = len(message)
        if size_bytes < 126:
            return bytes((first, size_bytes)) + message
        if size_bytes < 2**16:
            return bytes((first, 126)) + size_bytes.to_bytes(2) + message
        return bytes((first, 127)) + size_bytes.to_bytes(8) + message


class WebSocketBody(web.WebSocketResponse):
    """A response whose body leaves as messages. When the reader closes it or breaks it off, `on_left` is called."""

    reader_may_leave_on_end = True

    def __init__(
        self, request: web.BaseRequest, emission: Emission, size_bytes: int | None, on_left: Callable[[], object]
    ) -> None:
        super().__init__(autoclose=False)
        self.headers.extend(emission.headers)
        self._messages = TRANSPORTS[emission.transport].messages
        self._on_left = on_left
        self._ending = False

    @staticmethod
    def refusal(request: web.BaseRequest) -> web.Response | None:
        """Return how a request is refused that is no handshake, None if it is one."""
        why = refusal(request)
        return upgrade_required(why) if why else None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Shake hands; from then on a Ping is answered and a Close is heard."""
        wire = await super().prepare(request)
        assert request.transport is not None
        fresh = "server_no_context_takeover" in self.headers.get(hdrs.SEC_WEBSOCKET_EXTENSIONS, "")
        self._frames = Frames(int(self.compress), fresh)
        self._wire, self._drained = request.transport, wire.drain
        self._hearing = asyncio.create_task(self._hear())
        return wire

    def put(self, data: bytes) -> None:
        """Put each message of `data` on the wire, without waiting."""
        for message in self._messages(data):
            self._wire.write(self._frames.text(message))

    async def write(self, data: bytes) -> None:  # type: ignore[override]
        """Put it on the wire, and wait while the reader has too much to read."""
        if self._wire.is_closing():
            raise ConnectionResetError("the reader left")
        self.put(data)
        await self._drained()

    async def write_eof(self) -> None:  # type: ignore[override]
        """Say Close 1000, and wait for the reader to say so too."""
        if self._ending:
            return
        self._ending = True
        await self.send_frame(CLOSE_OK, WSMsgType.CLOSE)
        await asyncio.wait({self._hearing}, timeout=CLOSE_S)
        self._wire.close()

    async def _hear(self) -> None:
        async for _ in self:
            pass  # who reads a stream has nothing to say
        if not self._ending:
            await self.close()
            self._on_left()


def _options(request: web.BaseRequest, name: str) -> set[str]:
    """Return the items of a list header, in lower case."""
    return {item.strip().lower() for value in request.headers.getall(name, ()) for item in value.split(",")}
