"""What passes between Playwright and a browser's pipes; the browser is played."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from harness.clients.chromium_channel import Switchboard
from harness.clients.chromium_pipe import HELLO, Pipe, placed

LONG = json.dumps({"id": 2, "of": "é" * 2**20})


class Played:
    """The browser's ends of its pipes."""

    def __init__(self, inherited: tuple[int, int]) -> None:
        self._orders, self._answers = (os.dup(descriptor) for descriptor in inherited)

    async def hears(self) -> bytes:
        """Return the next order."""
        heard = bytearray()
        while not heard.endswith(b"\0"):
            heard += await asyncio.to_thread(os.read, self._orders, 2**20)
        return bytes(heard[:-1])

    async def says(self, text: str) -> None:
        await asyncio.to_thread(self._write, text.encode() + b"\0")

    def leaves(self) -> None:
        os.close(self._orders)
        os.close(self._answers)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._answers, data) :]


@asynccontextmanager
async def greeted() -> AsyncIterator[tuple[Played, aiohttp.ClientWebSocketResponse]]:
    """A browser that has answered, and who steers it."""
    switchboard = Switchboard()
    await switchboard.open()
    left = asyncio.Event()
    with Pipe.made(left.set) as (pipe, inherited):
        browser = Played(inherited)
    try:
        greeting = asyncio.create_task(pipe.greeted())
        assert await browser.hears() == HELLO
        await browser.says('{"id": 0}')
        assert await greeting
        way = switchboard.lend(pipe)
        async with aiohttp.ClientSession() as session, session.ws_connect(way, max_msg_size=0) as steering:
            yield browser, steering
        await left.wait()
    finally:
        pipe.close()
        await switchboard.close()


async def test_orders_and_answers_pass_whole_and_in_order() -> None:
    async with greeted() as (browser, steering):
        for text in ('{"id": 1}', LONG, "{}"):
            await steering.send_str(text)
            assert (await browser.hears()).decode() == text
        for text in (LONG, '{"id": 1}', "{}"):
            await browser.says(text)
        assert [await steering.receive_str() for _ in range(3)] == [LONG, '{"id": 1}', "{}"]
        browser.leaves()


async def test_who_steers_hears_that_the_browser_has_gone() -> None:
    async with greeted() as (browser, steering):
        browser.leaves()
        assert (await steering.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_the_browser_hears_that_we_have_gone() -> None:
    async with greeted() as (browser, _):
        pass
    assert await asyncio.to_thread(os.read, browser._orders, 1) == b""
    browser.leaves()


async def test_a_browser_that_hangs_up_has_not_answered() -> None:
    with Pipe.made(list) as (pipe, _):
        pass
    assert not await pipe.greeted()
    pipe.close()


@pytest.mark.parametrize("above", [3, 4, 5, 64])
async def test_a_program_has_the_inherited_descriptors_as_its_3_and_4(above: int) -> None:
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(above)]  # so that the numbers are others
    try:
        with Pipe.made(list) as (pipe, inherited):
            argv = placed(["sh", "-c", "cat <&3 >&4", "--port"], inherited)
            with subprocess.Popen(argv, pass_fds=inherited):
                os.write(pipe._ends[0].fileno(), b"an order\0")
                assert os.read(pipe._ends[1].fileno(), 64) == b"an order\0"
                pipe.close()
    finally:
        for descriptor in kept:
            os.close(descriptor)


async def test_what_the_browser_closed_first_can_be_closed_too_and_twice() -> None:
    async with greeted() as (browser, _):
        browser.leaves()
    with Pipe.made(list) as (pipe, _):
        pass
    await pipe.greeted()
    pipe.close()
    pipe.close()
