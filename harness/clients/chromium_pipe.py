"""Steers Chromium over two pipes that nobody else can open: a port of its own would obey every user of the machine.

Rules: Chromium takes orders from descriptor 3 and answers on 4, messages ended by NUL; it ends when these close.
Playwright only connects to a URL, so the switchboard passes messages on: one connection, under a path that nobody else
is told and no command line has. Over a port, pages went when who steered had gone; here they stay, and we tell.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from aiohttp import web

FLAG = "--remote-debugging-pipe"
END = b"\0"
HELLO = json.dumps({"id": 0, "method": "Browser.getVersion"}).encode()
MESSAGE_BYTES = 2**28


class Pipe:
    """Our ends of the pipes to one browser. `ended` is told when nobody steers it any more."""

    def __init__(self, orders: int, answers: int, ended: Callable[[], object]) -> None:
        self._ends = os.fdopen(orders, "wb", 0), os.fdopen(answers, "rb", 0)
        self._ended = ended
        self._orders: asyncio.WriteTransport | None = None
        self._reading: asyncio.ReadTransport | None = None
        self._answers = asyncio.StreamReader(limit=MESSAGE_BYTES)

    @classmethod
    @contextmanager
    def made(cls, ended: Callable[[], object]) -> Iterator[tuple[Self, tuple[int, int]]]:
        """Make the pipes; yield ours, and the two descriptors that the browser is to inherit meanwhile."""
        (its_orders, our_orders), (our_answers, its_answers) = os.pipe(), os.pipe()
        try:
            yield cls(our_orders, our_answers, ended), (its_orders, its_answers)
        finally:
            os.close(its_orders)
            os.close(its_answers)

    async def greeted(self) -> bool:
        """Return whether the browser answered: once it has, or has hung up."""
        loop = asyncio.get_running_loop()
        orders, answers = self._ends
        self._reading, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._answers), answers)
        self._orders, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, orders)
        self._order(HELLO)
        return bool(await self._answer())

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Pass on what Playwright orders, and what the browser answers, until either hangs up."""
        answering = asyncio.create_task(self._pass_on(socket))
        try:
            async for message in socket:
                self._order(message.data.encode())
        finally:
            answering.cancel()
            self._ended()

    def close(self) -> None:
        """Hang up, if that has not happened."""
        if self._orders and not self._orders.is_closing():
            self._orders.abort()  # what it has not taken, it shall not take from another descriptor of that number
        if self._reading:
            self._reading.close()
        for end in self._ends:
            end.close()

    async def _pass_on(self, socket: web.WebSocketResponse) -> None:
        while answer := await self._answer():
            await socket.send_str(answer.decode())
        await socket.close()

    def _order(self, message: bytes) -> None:
        if self._orders and not self._orders.is_closing():
            self._orders.write(message + END)

    async def _answer(self) -> bytes:
        """Return the next message, nothing once there is none any more."""
        try:
            return (await self._answers.readuntil(END)).removesuffix(END)
        except asyncio.IncompleteReadError:
            return b""


def placed(argv: Sequence[str], inherited: tuple[int, int]) -> list[str]:
    """Return the command that runs `argv` with inherited descriptors as its 3 and 4.

    A shell opens them anew by their paths: the number of another descriptor it only takes up to 9.
    """
    orders, answers = inherited
    return ["sh", "-c", f'exec "$@" 3</dev/fd/{orders} 4>/dev/fd/{answers}', "sh", *argv]
