"""The relay before an application that is watched as it is: whatever comes of a request, no connection is left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from harness.model import Endpoint
from harness.session.relaying import MARK, Relay

DEADLINE_S = 20


@pytest_asyncio.fixture
async def silent() -> AsyncIterator[Endpoint]:
    """Somebody who takes requests and never answers."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    yield Endpoint(int(server.sockets[0].getsockname()[1]))
    server.close()
    for writer in taken:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "said", ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n{mark}\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]
)
@pytest.mark.parametrize("turns", [0, 1, 50])
async def test_who_is_still_connected_when_the_relay_ends_is_hung_up_on(
    silent: Endpoint, said: str, turns: int
) -> None:
    relay = Relay(silent)
    async with asyncio.timeout(DEADLINE_S):
        async with relay.listening(silent) as place:
            reader, writer = await asyncio.open_connection(place.host, place.port)
            writer.write(said.format(mark=f"{MARK}: {relay.secret}").encode())
            for _ in range(turns):
                await asyncio.sleep(0)
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        writer.transport.abort()


@pytest.mark.parametrize("turns", range(60))
async def test_the_relay_ends_at_any_moment_of_an_answer(turns: int) -> None:
    """Also where it is just closing the connection, whose end two wait for then."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        application = Endpoint(int(server.sockets[0].getsockname()[1]))
        relay = Relay(application)
        async with relay.listening(application) as place:
            _, writer = await asyncio.open_connection(place.host, place.port)
            writer.write(f"GET / HTTP/1.1\r\n{MARK}: {relay.secret}\r\n\r\n".encode())
            for _ in range(turns):
                await asyncio.sleep(0)
        writer.transport.abort()
