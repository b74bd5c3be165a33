"""Reads the messages of a WebSocket with aiohttp, for the client `aiohttp`.

A refused handshake is handed over like any response, body included: who refused says why. Only a Close 1000 is an
end; a connection that ends without a Close is 1006, as browsers call it.
"""

from __future__ import annotations

import asyncio
import time
from ssl import SSLContext
from types import SimpleNamespace

import aiohttp
from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs
from multidict import CIMultiDict

from harness.clients.base import Request, Sink
from harness.errors import StreamError

WINDOW_BITS = 15  # deflate's largest; what browsers offer
NO_CODE = 1005
CLOSE_S = 0.0  # who leaves before the end does not wait for an answer
SWITCHED = 101


class Turn:
    """Stamps messages. Those that came in one receive are handed over in one turn of the event loop: one instant."""

    def __init__(self) -> None:
        self._at_ns: int | None = None

    def at_ns(self) -> int:
        """Return when this turn began to hand over."""
        if self._at_ns is None:
            self._at_ns = time.monotonic_ns()
            asyncio.get_running_loop().call_soon(self._over)
        return self._at_ns

    def _over(self) -> None:
        self._at_ns = None


def handshake(sink: Sink) -> aiohttp.TraceConfig:
    """Return what tells `sink` of the answer to a handshake; aiohttp itself would keep a refusal's body back."""

    async def answered(session: object, context: SimpleNamespace, seen: aiohttp.TraceRequestEndParams) -> None:
        response = seen.response
        sink.request(tuple(response.request_info.headers.items()))
        sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())
        if response.status != SWITCHED:
            sink.read(await response.read(), time.monotonic_ns())

    async def redirected(session: object, context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
        """Stop where a browser would: it follows no redirect of a handshake."""
        sink.request(tuple(seen.response.request_info.headers.items()))
        sink.head(seen.response.status, tuple(seen.response.headers.items()), time.monotonic_ns())
        raise StreamError(f"the handshake was sent elsewhere, to {seen.response.headers.get(hdrs.LOCATION)}")

    told = aiohttp.TraceConfig()
    told.on_request_end.append(answered)
    told.on_request_redirect.append(redirected)
    return told


async def read_messages(session: aiohttp.ClientSession, request: Request, sink: Sink, tls: SSLContext | bool) -> None:
    """Shake hands over a session that was made with `handshake`, and feed `sink` every message until the Close."""
    headers = CIMultiDict(request.headers)
    offered = headers.popall(hdrs.SEC_WEBSOCKET_EXTENSIONS, [])
    shaking = session.ws_connect(
        request.url,
        headers=headers,
        compress=WINDOW_BITS if offered else 0,
        max_msg_size=0,
        timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
        ssl=tls,
    )
    try:
        connected = await shaking
    except aiohttp.ServerDisconnectedError as error:
        raise StreamError(
            "the connection closed instead of an answer to the handshake: a hop knows no Upgrade"
        ) from error
    except aiohttp.WSServerHandshakeError as refusal:
        raise StreamError(f"no WebSocket came about: {refusal.message}") from refusal
    turn = Turn()
    async with connected:
        while (message := await connected.receive()).type is WSMsgType.TEXT:
            sink.read(message.data.encode(), turn.at_ns())
    if fault := _fault(message):
        raise StreamError(fault)


def _fault(last: WSMessage) -> str | None:
    """Return what is wrong with the message that ended the stream of texts."""
    match last.type:
        case WSMsgType.CLOSE if last.data == WSCloseCode.OK:
            return None
        case WSMsgType.CLOSE:
            code = last.data or NO_CODE
            name = WSCloseCode(code).name if code in set(WSCloseCode) else "no code" if code == NO_CODE else "unknown"
            return f"the WebSocket closed with {code} ({name}){': ' if last.extra else ''}{last.extra}"
        case WSMsgType.BINARY:
            return f"a binary message came where text was sent: {bytes(last.data[:80])!r}"
        case WSMsgType.ERROR if isinstance(last.data, aiohttp.WebSocketError):
            return f"what came is no WebSocket ({last.data.code}): {last.data}"
    return "the connection ended without a Close of the WebSocket (1006): somebody on the way broke it off"
