"""The relay before an application that is watched as it is: whatever comes of a request, no connection is left."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
import pytest_asyncio

from harness.errors import InputError
from harness.launchers.process import until
from harness.model import Endpoint
from harness.probe.takes import Asking, Take
from harness.session.living import _watched
from harness.session.recording import Application
from harness.session.relaying import MARK, Ask, Relay

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


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("gives_up", [True, False])
async def test_who_asks_again_gets_an_answer_of_its_own(gives_up: bool) -> None:
    asked: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.put_nowait(writer)

    async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(take, "127.0.0.1", 0) as server:
        application = Endpoint(int(server.sockets[0].getsockname()[1]))
        relay = Relay(application)
        async with relay.listening(application) as place:
            request = f"GET / HTTP/1.1\r\n{MARK}: {relay.secret}\r\n\r\n".encode()
            _, first = await asyncio.open_connection(place.host, place.port)
            first.write(request)
            (held := await asked.get()).write(ANSWER + b"a")
            assert await until(lambda: relay.asks[0].answer.writes, DEADLINE_S)
            if gives_up:
                first.transport.abort()
                assert await until(lambda: relay.asks[0].is_over, DEADLINE_S)
            reader, second = await asyncio.open_connection(place.host, place.port)
            second.write(request)
            (answering := await asked.get()).write(ANSWER + b"bb")
            answering.close()
            held.write(b"a")
            held.close()
            assert (await reader.read()).endswith(b"bb")
            for writer in (first, second):
                writer.transport.abort()
        assert [one.beside_others for one in relay.asks] == [False, not gives_up]
        assert [data for _, data in relay.asks[1].answer.writes] == [b"bb"]
        assert b"bb" not in [data for _, data in relay.asks[0].answer.writes]


def answered(number: int, beside_others: bool = False) -> Ask:
    """Return an ask whose answer left in three messages, 100 ms apart, the first after so many seconds."""
    ask = Ask(beside_others, is_over=True)
    ask.answer.feed(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", 0)
    for at in range(4):
        ask.answer.feed(b"data: a\n\n", number * 10**9 + at * 10**8)
    return ask


@pytest.mark.parametrize(
    ("asks", "told"),
    [
        ([answered(0)], r"of 3 messages .* each was here before the next left$"),
        ([answered(0), answered(1)], "each was here .*; a hop asked it 2 times, and the last answer counts$"),
        ([Ask(False), Ask(False)], "no answer of it came, .*: status 502; a hop asked it 2 times$"),
        (
            [answered(0), answered(0, beside_others=True)],
            "a hop asked it 2 times, before its answer was over: which one",
        ),
    ],
)
async def test_it_is_told_that_a_hop_has_asked_again(
    monkeypatch: pytest.MonkeyPatch, asks: list[Ask], told: str
) -> None:
    last = asks[-1].answer.writes
    relay = Relay(Endpoint(1))

    async def ask(_: object, asking: Asking, takes: list[Take], *__: object) -> None:
        relay.asks = asks
        takes.append(Take(asking, status=200 if last else 502, messages_ms=[at / 1e6 + 1 for at, _ in last]))

    monkeypatch.setattr("harness.session.probing.ask", ask)
    monkeypatch.setattr("harness.session.living.time", SimpleNamespace(monotonic_ns=lambda: 0))
    try:
        found = await _watched(
            (), "curl", Endpoint(1), relay, Application("GET", "/chat", (), None, url="http://h/chat"), print
        )
        said = found.reason
    except InputError as error:
        said = str(error)
    assert re.search(told, said), said
