"""Instants of a page are placed where they can have been, and only a page that knows the way gets through."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clients import chromium_channel
from harness.clients.chromium_channel import RESOLUTION_NS, Clock, Switchboard
from harness.errors import ClientError

WAYS = st.tuples(st.integers(0, 10**8), st.integers(0, 10**8))
"""How long a question and its answer are under way, in ns."""


@given(
    st.integers(-(10**12), 10**12), st.lists(WAYS, min_size=1), st.integers(0, 10**9), st.integers(0, 10**8), st.data()
)
def test_an_instant_is_never_placed_before_it_was_nor_after_it_was_heard_of(
    offset_ns: int, ways: list[tuple[int, int]], at_ns: int, way_ns: int, data: st.DataObject
) -> None:
    def page_ms(ns: int) -> float:
        """What performance.now() says: rounded, up or down."""
        error_ns = data.draw(st.integers(-RESOLUTION_NS, RESOLUTION_NS))
        return (ns - offset_ns + error_ns) / 1e6

    clock = Clock()
    for there_ns, back_ns in ways:
        clock.exchanged(at_ns, page_ms(at_ns + there_ns), at_ns + there_ns + back_ns)
    heard_ns = at_ns + way_ns
    placed_ns = clock.place(page_ms(at_ns), heard_ns)
    assert at_ns - 1 <= placed_ns <= heard_ns
    assert placed_ns - at_ns <= clock.uncertainty_ms * 1e6 + 1


class Heard:
    """Keeps what was heard."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.ended = asyncio.Event()

    def heard_read(self, data: bytes, at_ns: int) -> None:
        self.reads.append(data)

    def heard(self, kind: str, at_ns: int, fields: dict[str, Any]) -> None:
        self.said.append((kind, fields))

    def heard_end(self) -> None:
        self.ended.set()


async def answer(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Answer pings, as a page does, until the socket closes."""
    async for message in socket:
        order = json.loads(message.data)
        if order["do"] == "ping":
            await socket.send_json({"kind": "pong", "at": 1.0, "number": order["number"]})


async def test_only_who_knows_the_way_gets_through_and_only_once() -> None:
    switchboard, heard = Switchboard(), Heard()
    await switchboard.open()
    try:
        async with aiohttp.ClientSession() as session:
            line, way = switchboard.line(heard)
            for url in (way + "x", way.rpartition("/")[0] + "/"):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(url)
            async with session.ws_connect(way) as socket:
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(way)
                answering = asyncio.create_task(answer(socket))
                await line.opened()
                await socket.send_json({"kind": "open", "at": 2.0})
                await socket.send_bytes(bytes(8) + b"a read")
                await line.ping()
                assert heard.said == [("open", {})]
                assert heard.reads == [b"a read"]
            await answering
            await heard.ended.wait()
            with pytest.raises(ClientError, match="has gone"):
                await line.ping()
    finally:
        await switchboard.close()


async def test_a_page_that_does_not_call_or_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium_channel, "CONNECT_S", 0.01)
    monkeypatch.setattr(chromium_channel, "ANSWER_S", 0.01)
    switchboard = Switchboard()
    await switchboard.open()
    try:
        line, way = switchboard.line(Heard())
        with pytest.raises(ClientError, match=r"has not called for 0\.01 s"):
            await line.opened()
        async with aiohttp.ClientSession() as session, session.ws_connect(way):
            while True:
                with pytest.raises(ClientError) as told:
                    await line.ping()
                if "has not answered" in str(told.value):
                    break
    finally:
        await switchboard.close()
