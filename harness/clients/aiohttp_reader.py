"""Reads a stream with aiohttp: HTTP/1.1, no decompression, every receive on its own.

aiohttp hands over one `readany()` per receive as long as the reader never waits for anything else, which is why a
Sink must not block. Transfer coding is removed by aiohttp, content coding is left as it came.
"""

from __future__ import annotations

import time

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError

from harness.clients.base import Request, Sink
from harness.errors import StreamError
from harness.model import HttpVersion

AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)


class AiohttpReader:
    """One session for a whole run; every stream has a connection of its own."""

    name = "aiohttp"
    http: tuple[HttpVersion, ...] = ("1.1",)

    def __init__(self, connect_timeout_s: float = 10.0) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)

    def version(self) -> str:
        return aiohttp.__version__

    async def stream(self, request: Request, sink: Sink) -> None:
        session = self._open()
        asked = session.request(
            request.method, request.url, headers=dict(request.headers), data=request.body, allow_redirects=False
        )
        try:
            async with asked as response:
                sink.request(tuple(response.request_info.headers.items()))
                sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())
                content = response.content
                while data := await content.readany():
                    sink.read(data, time.monotonic_ns())
        except (TimeoutError, aiohttp.ClientError, HttpProcessingError, ConnectionError) as error:
            raise StreamError(_in_words(error)) from error

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=self._timeout,
                auto_decompress=False,
                skip_auto_headers=AUTOMATIC,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=2**20,
            )
        return self._session


def _in_words(error: BaseException) -> str:
    match error:
        case aiohttp.ClientPayloadError():
            return f"the body broke off: {error}"
        case aiohttp.ServerDisconnectedError():
            return "the connection closed before a response"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error}"
    return f"{type(error).__name__}: {error}"
