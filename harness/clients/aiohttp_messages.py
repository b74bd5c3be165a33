"""Reads the messages of a WebSocket with aiohttp, for the client `aiohttp`.

A refused handshake is handed over like any response, body included: who refused says why. Only a Close 1000 is an
end; a connection that ends without a Close is 1006, as browsers call it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from ssl import SSLContext

import aiohttp
from aiohttp import WSCloseCode, WSMessage, WSMsgType, hdrs
from multidict import CIMultiDict

from harness.clients.base import Request, Sink
from harness.clients.limits import MESSAGE_BYTES
from harness.errors import StreamError

WINDOW_BITS = 15  # deflate's largest; what browsers offer
NO_CODE = 1005
CLOSE_S = 0.0  # who leaves before the end does not wait for an answer

Sessions = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]
"""Lends a session for one stream, made with the TraceConfigs that it is given."""


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


class Handshake:
    """Tells a sink of the answer to a handshake; aiohttp itself would keep a refusal's body back.

    `status` is that of an answer that is no refusal, `goes_on` whether the sink wants more.
    """

    def __init__(self, sink: Sink, status: int) -> None:
        self.goes_on = True
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._answered)
        self.trace.on_request_redirect.append(self._redirected)
        self._sink = sink
        self._status = status

    async def _answered(self, session: object, context: object, seen: aiohttp.TraceRequestEndParams) -> None:
        self._head(seen.response)
        refused = seen.response.status != self._status
        while self.goes_on and refused and (data := await seen.response.content.readany()):
            self.goes_on = self._sink.read(data, time.monotonic_ns())
        if refused and not self.goes_on:
            seen.response.close()

    async def _redirected(self, session: object, context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
        """Stop where a browser would: it follows no redirect of a handshake."""
        self._head(seen.response)
        raise SentElsewhere(seen.response.headers.get(hdrs.LOCATION))

    def _head(self, response: aiohttp.ClientResponse) -> None:
        self._sink.request(tuple(response.request_info.headers.items()))
        self.goes_on = self._sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())


class SentElsewhere(Exception):
    """The answer to a handshake was a redirect."""


async def read_messages(lend: Sessions, request: Request, sink: Sink, tls: SSLContext | bool) -> None:
    """Shake hands, say the request's body, if it has one, and feed `sink` every message until the Close."""
    handshake = Handshake(sink, request.status)
    headers = CIMultiDict(request.fields)
    offered = headers.popall(hdrs.SEC_WEBSOCKET_EXTENSIONS, [])
    async with lend(handshake.trace) as session:
        try:
            connected = await session.ws_connect(
                request.url,
                headers=headers,
                compress=WINDOW_BITS if offered else 0,
                max_msg_size=MESSAGE_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                ssl=tls,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.WSServerHandshakeError, SentElsewhere) as refusal:
            if handshake.goes_on:
                raise StreamError(_refusal(refusal)) from refusal
            return
        turn, goes_on = Turn(), handshake.goes_on
        async with connected:
            if goes_on and request.body is not None:
                await connected.send_str(request.body.decode())
            while goes_on and (message := await connected.receive()).type is WSMsgType.TEXT:
                goes_on = sink.read(message.data.encode(), turn.at_ns())
    if goes_on and (fault := _fault(message)):
        raise StreamError(fault)


def _refusal(refusal: Exception) -> str:
    match refusal:
        case aiohttp.WSServerHandshakeError():
            return f"no WebSocket came about: {refusal.message}"
        case SentElsewhere():
            return f"the handshake was sent elsewhere, to {refusal}"
    return "the connection closed instead of an answer to the handshake: a hop knows no Upgrade"


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
