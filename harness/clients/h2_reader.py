"""Reads a stream in HTTP/2 with the h2 library, which does no I/O: so every receive is seen, and none is blurred.

In the clear it asks with prior knowledge (RFC 9113, 3.3), over TLS it offers HTTP/2 by ALPN as browsers do. Every
stream has a connection of its own, and windows so wide that this end never is what holds.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.clients import tls
from harness.clients.base import Request, Sink
from harness.clients.limits import CONNECT_S
from harness.errors import StreamError, Unavailable
from harness.launchers.words import of_system
from harness.model import HttpVersion, StandIn, TransportName

if TYPE_CHECKING:
    from harness.clients.h2_exchange import Http2Exchange

WIDEST_WINDOW_BYTES = 2**31 - 1
OFFERED = ("h2", "http/1.1")
HTTP, HTTPS = 80, 443
GET_H2 = "pip install 'token-stream-harness[h2]'"


class H2Reader:
    """One connection per stream; holds nothing between two."""

    name = "h2"
    http: tuple[HttpVersion, ...] = ("2",)
    transports: tuple[TransportName, ...] = ("http",)
    lacks: Mapping[TransportName, str] = {"websocket": "does not open WebSockets: nginx does not in HTTP/2"}
    asks_within_s = CONNECT_S
    stand_in = StandIn("aiohttp")

    def __init__(self, connect_timeout_s: float = CONNECT_S, window_bytes: int = WIDEST_WINDOW_BYTES) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._window_bytes = window_bytes

    def version(self) -> str:
        try:
            return importlib.metadata.version("h2")
        except importlib.metadata.PackageNotFoundError:
            raise _missing() from None

    async def stream(self, request: Request, sink: Sink) -> None:
        try:
            from harness.clients.h2_exchange import Http2Exchange
        except ModuleNotFoundError:
            raise _missing() from None
        exchange = Http2Exchange(request, sink, self._window_bytes)
        await self._connect(request, exchange)
        try:
            await exchange.done
        finally:
            exchange.hang_up()
            await exchange.closed

    async def close(self) -> None:
        """Nothing is left open."""

    async def _connect(self, request: Request, exchange: Http2Exchange) -> None:
        url = urlsplit(request.url)
        over_tls = url.scheme == "https"
        host, port = url.hostname or "", url.port or (HTTPS if over_tls else HTTP)
        trusting = tls.context(request.authority, *OFFERED) if over_tls else None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await asyncio.get_running_loop().create_connection(lambda: exchange, host, port, ssl=trusting)
        except ssl.SSLError as error:
            raise StreamError(tls.refusal(error)) from error
        except TimeoutError as error:
            raise StreamError(f"cannot connect: no answer within {self._connect_timeout_s:g} s") from error
        except ConnectionResetError as error:
            raise StreamError(tls.refusal(error) if trusting else f"cannot connect: {of_system(error)}") from error
        except OSError as error:
            raise StreamError(f"cannot connect: {of_system(error)}") from error


def _missing() -> Unavailable:
    return Unavailable("the h2 library is not installed", GET_H2)
