"""Reads a stream with aiohttp: HTTP/1.1, no decompression, every receive on its own.

aiohttp hands over one `readany()` per receive as long as the reader never waits for anything else, which is why a
Sink must not block. Transfer coding is removed by aiohttp, content coding is left as it came.
"""

from __future__ import annotations

import time
from ssl import SSLContext

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError

from harness.clients import tls
from harness.clients.base import Request, Sink
from harness.clients.messages import handshake, read_messages
from harness.errors import StreamError
from harness.model import HttpVersion

AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)


class AiohttpReader:
    """One session for a whole run; every stream has a connection of its own, unless connections are kept alive."""

    name = "aiohttp"
    http: tuple[HttpVersion, ...] = ("1.1",)

    def __init__(self, connect_timeout_s: float = 10.0, keep_alive: bool = False) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._keep_alive = keep_alive
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)

    def version(self) -> str:
        return aiohttp.__version__

    async def stream(self, request: Request, sink: Sink) -> None:
        verified = tls.context(request.authority, "http/1.1") if request.authority else True
        try:
            if request.websocket:
                async with self._made(handshake(sink)) as session:
                    await read_messages(session, request, sink, verified)
            else:
                await self._read_body(request, sink, verified)
        except (TimeoutError, aiohttp.ClientError, HttpProcessingError, ConnectionError) as error:
            raise StreamError(_in_words(error)) from error

    async def _read_body(self, request: Request, sink: Sink, verified: SSLContext | bool) -> None:
        if self._session is None:
            self._session = self._made()
        asked = self._session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body,
            allow_redirects=False,
            ssl=verified,
        )
        async with asked as response:
            sink.request(tuple(response.request_info.headers.items()))
            sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())
            content = response.content
            while data := await content.readany():
                sink.read(data, time.monotonic_ns())

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def _made(self, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=not self._keep_alive),
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**20,
            trace_configs=list(traces),
        )
        session._retry_connection = self._keep_alive  # else it asks again, unseen, if a hop hangs up on a GET
        return session


def _in_words(error: BaseException) -> str:
    match error:
        case aiohttp.ClientPayloadError():
            return f"the body broke off: {error}"
        case aiohttp.ServerDisconnectedError():
            return "the connection closed before a response"
        case aiohttp.ClientConnectorCertificateError():
            return tls.refusal(error.certificate_error)
        case aiohttp.ClientConnectorSSLError():
            return tls.refusal(error.os_error)
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error}"
    return f"{type(error).__name__}: {error}"
