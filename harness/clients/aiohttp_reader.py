"""Reads a stream with aiohttp: HTTP/1.1, no decompression, every receive on its own.

aiohttp hands over one `readany()` per receive as long as the reader never waits for anything else, which is why a
Sink must not block. Transfer coding is removed by aiohttp, content coding is left as it came.

Every stream has a session, and so a connection, of its own: with `force_close` aiohttp would ask for
`Connection: close`, which curl and browsers do not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ssl import SSLContext

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError

from harness.clients import tls
from harness.clients.aiohttp_messages import Sessions, read_messages
from harness.clients.base import Request, Sink
from harness.clients.limits import CONNECT_S
from harness.clients.quoting import unquoted
from harness.errors import StreamError
from harness.launchers.words import of_system
from harness.model import HttpVersion, TransportName

AUTOMATIC = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.USER_AGENT, hdrs.CONTENT_TYPE)


class AiohttpReader:
    """Asks as curl does: a connection of its own for every stream, and no header that was not asked for.

    With `keep_alive` streams follow each other on the connections of one session.
    """

    name = "aiohttp"
    http: tuple[HttpVersion, ...] = ("1.1",)
    transports: tuple[TransportName, ...] = ("http", "websocket")
    lacks: Mapping[TransportName, str] = {}
    asks_within_s = CONNECT_S

    def __init__(self, connect_timeout_s: float = CONNECT_S, keep_alive: bool = False) -> None:
        self._kept: aiohttp.ClientSession | None = None
        self._keep_alive = keep_alive
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)

    def version(self) -> str:
        return aiohttp.__version__

    async def stream(self, request: Request, sink: Sink) -> None:
        verified = tls.context(request.authority, "http/1.1") if request.authority else True
        try:
            await READERS[request.transport](self._session, request, sink, verified)
        except (TimeoutError, aiohttp.ClientError, HttpProcessingError, ConnectionError) as error:
            raise StreamError(_in_words(error)) from error

    async def close(self) -> None:
        if self._kept:
            await self._kept.close()

    @asynccontextmanager
    async def _session(self, *traces: aiohttp.TraceConfig) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend a session: the one that is kept, or one that is closed after the stream."""
        if self._keep_alive and not traces:
            self._kept = self._kept or self._made()
            yield self._kept
        else:
            async with self._made(*traces) as session:
                yield session

    def _made(self, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**20,
            trace_configs=list(traces),
        )
        session._retry_connection = self._keep_alive  # else it asks again, unseen, if a hop hangs up on a GET
        return session


async def _read_body(lend: Sessions, request: Request, sink: Sink, verified: SSLContext | bool) -> None:
    async with (
        lend() as session,
        session.request(
            request.method,
            request.url,
            headers=dict(request.fields),
            data=request.body,
            allow_redirects=False,
            ssl=verified,
        ) as response,
    ):
        _tell_of_loss(response)
        sink.request(tuple(response.request_info.headers.items()))
        goes_on = sink.head(response.status, tuple(response.headers.items()), time.monotonic_ns())
        content = response.content
        while goes_on and (data := await content.readany()):
            goes_on = sink.read(data, time.monotonic_ns())


READERS: Mapping[TransportName, Callable[[Sessions, Request, Sink, SSLContext | bool], Awaitable[None]]] = {
    "http": _read_body,
    "websocket": read_messages,
}


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


def _answers(error: OSError) -> bool:
    return not isinstance(error, ConnectionRefusedError)


def _in_words(error: BaseException) -> str:
    match error:
        case aiohttp.ClientPayloadError() | HttpProcessingError():
            return f"the body broke off: {_parsers(error)}"
        case aiohttp.ServerDisconnectedError():
            return "the connection closed before a response"
        case aiohttp.ClientConnectorCertificateError():
            return tls.refusal(error.certificate_error)
        case aiohttp.ClientConnectorSSLError():
            return tls.refusal(error.os_error)
        case aiohttp.ClientConnectorError() if isinstance(error.ssl, SSLContext) and _answers(error.os_error):
            return tls.refusal(error.os_error)
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {of_system(error.os_error)}"
        case aiohttp.ClientResponseError():
            return f"what came is no HTTP response: {_parsers(error)}"
    return f"{type(error).__name__}: {error}"


def _parsers(error: BaseException) -> str:
    """Return in one line what the parser of HTTP complained of; if it was not the parser, the error's own words."""
    told = error.__cause__ if isinstance(error, aiohttp.ClientPayloadError) else error
    if isinstance(told, aiohttp.ClientResponseError | HttpProcessingError):
        return unquoted(told.message.partition("\n")[0].rstrip(":"))
    return str(error)
