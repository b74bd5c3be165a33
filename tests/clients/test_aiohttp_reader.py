"""What the reader looks like from the other end of its connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Headers, Request, Unheard
from harness.errors import StreamError

pytestmark = pytest.mark.filterwarnings("error")  # as of a session that nobody closed

DEADLINE_S = 20.0
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Peer:
    """Answers the first request of every connection with the same bytes, and waits until the reader hangs up."""

    def __init__(self, *, answer: bytes) -> None:
        self.requests: list[bytes] = []
        self.url = ""
        self._answer = answer
        self._gone: list[asyncio.Future[None]] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with asyncio.timeout(DEADLINE_S), server:
            yield
            await asyncio.gather(*self._gone)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gone.append(gone)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._answer)
            await reader.read()
        gone.set_result(None)
        writer.close()


class Told(Unheard):
    """A sink that keeps the status."""

    status = 0

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status = status
        return True


async def test_it_asks_as_curl_does_on_connections_of_its_own_and_leaves_none_open() -> None:
    peer, reader = Peer(answer=HEAD + b"5\r\nhello\r\n0\r\n\r\n"), AiohttpReader()
    async with peer.serving():
        for _ in range(3):
            await reader.stream(Request(peer.url, headers=(("Accept", "*/*"),)), Unheard())
    host = peer.url.removeprefix("http://").rstrip("/").encode()
    assert peer.requests == [b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nAccept: */*\r\n\r\n"] * 3


async def test_a_handshake_that_is_sent_elsewhere_is_not_followed_as_no_browser_does() -> None:
    moved = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    peer, sink = Peer(answer=moved), Told()
    async with peer.serving():
        with pytest.raises(StreamError, match="the handshake was sent elsewhere, to /elsewhere"):
            await AiohttpReader().stream(Request(peer.url, transport="websocket", status=101), sink)
    assert sink.status == 308
    assert len(peer.requests) == 1


async def test_what_is_no_http_is_told_in_one_line() -> None:
    peer = Peer(answer=b"\x00\x00\x12\x04 not HTTP at all\r\n\r\n")
    async with peer.serving():
        with pytest.raises(StreamError) as told:
            await AiohttpReader().stream(Request(peer.url), Unheard())
    assert "\n" not in str(told.value)
