"""Reads a stream with aiohttp: HTTP/1.1, no decompression, every receive on its own.

aiohttp hands over one `readany()` per receive as long as the reader never waits for anything else, which is why a
Sink must not block. Transfer coding is removed by aiohttp, content coding is left as it came.

Every stream has a session, and so a connection, of its own: with `force_close` aiohttp would ask for
`Connection: close`, which curl and browsers do not.
"""

from __future__ import annotations

import asyncio
import time

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError

from harness.clients.base import Request, Sink
from harness.errors import StreamError
from harness.model import HttpVersion

AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)


class AiohttpReader:
    """Asks as curl does: a connection of its own for every stream, and no header that was not asked for."""

    name = "aiohttp"
    http: tuple[HttpVersion, ...] = ("1.1",)

    def __init__(self, connect_timeout_s: float = 10.0) -> None:
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)

    def version(self) -> str:
        return aiohttp.__version__

    async def stream(self, request: Request, sink: Sink) -> None:
        try:
            async with (
                self._session() as session,
                session.request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    data=request.body,
                    allow_redirects=False,
                ) as response,
            ):
                _tell_of_loss(response)
                sink.request(tuple(response.request_info.headers.items()))
                sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())
                content = response.content
                while data := await content.readany():
                    sink.read(data, time.monotonic_ns())
        except (TimeoutError, aiohttp.ClientError, HttpProcessingError, ConnectionError) as error:
            raise StreamError(_in_words(error)) from error

    async def close(self) -> None:
        """Do nothing: streams clean up after themselves."""

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**20,
        )


def _tell_of_loss(response: aiohttp.ClientResponse) -> None:
    """Have the body fail when its connection is gone before its end.

    The C parser of aiohttp (3.14) tells of a chunk that is none to the connection only: who reads waits for ever.
    """
    body, protocol = response.content, response.connection and response.connection.protocol
    if protocol is None or (closed := protocol.closed) is None:
        return  # the whole response is here

    def lost(closed: asyncio.Future[None]) -> None:
        error = None if closed.cancelled() else closed.exception() or protocol.exception()
        if error and not body.is_eof() and not body.exception():
            body.set_exception(error)

    closed.add_done_callback(lost)


def _in_words(error: BaseException) -> str:
    match error:
        case aiohttp.ClientPayloadError():
            return f"the body broke off: {error}"
        case HttpProcessingError():
            return f"the body broke off: {error.message.splitlines()[0].rstrip(':')}"
        case aiohttp.ServerDisconnectedError():
            return "the connection closed before a response"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {error}"
    return f"{type(error).__name__}: {error}"
