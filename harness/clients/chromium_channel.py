"""How a page speaks to us: a WebSocket outside the chain, to a port of ours and under a path that only it knows.

Rules: a read of the page is handed on within the turn of the event loop that receives it; an instant of the page is
placed on our clock no earlier than it was and never later than when we heard of it, so that nothing seems to have
come before it was sent.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import statistics
import struct
import time
from collections import deque
from typing import Any, Protocol
from weakref import WeakSet

from aiohttp import WSMsgType, web

from harness.clients.limits import ANSWER_S, CONNECT_S
from harness.errors import ClientError

EXCHANGES = 8
KEPT = 64
RESOLUTION_NS = 100_000
"""performance.now() is rounded to 0.1 ms, up or down."""


class Clock:
    """Places instants of a page, in ms of its performance.now(), on CLOCK_MONOTONIC. Both run at the same rate."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._trip_ns: int | None = None

    def exchanged(self, asked_ns: int, page_ms: float, answered_ns: int) -> None:
        """Learn from a question and its answer, which the page gave at `page_ms`: the shortest trip counts."""
        trip_ns = answered_ns - asked_ns
        if self._trip_ns is None or trip_ns < self._trip_ns:
            self._trip_ns, self._offset_ns = trip_ns, answered_ns - round(page_ms * 1e6)

    def place(self, page_ms: float, heard_ns: int) -> int:
        """Return the latest instant at which it can have been `page_ms`, of which we heard at `heard_ns`."""
        assert self._offset_ns is not None
        return min(heard_ns, round(page_ms * 1e6) + self._offset_ns + 2 * RESOLUTION_NS)

    @property
    def uncertainty_ms(self) -> float:
        """How much later than it was an instant may be placed."""
        assert self._trip_ns is not None
        return (self._trip_ns + 4 * RESOLUTION_NS) / 1e6


class Listener(Protocol):
    """Who listens to a page."""

    def heard_read(self, data: bytes, at_ns: int) -> None: ...

    def heard(self, kind: str, at_ns: int, fields: dict[str, Any]) -> None: ...

    def heard_end(self) -> None:
        """Take that the page has gone."""


class Line:
    """The connection with one page. It is hung up when the page goes elsewhere."""

    def __init__(self, listener: Listener) -> None:
        self.clock = Clock()
        self._listener: Listener | None = listener
        self._socket: web.WebSocketResponse | None = None
        self._connected = asyncio.Event()
        self._numbers = itertools.count()
        self._trips_ns: deque[int] = deque(maxlen=KEPT)
        self._pongs: dict[int, asyncio.Future[float]] = {}

    async def opened(self) -> None:
        """Wait for the page, and learn its clock. Raises ClientError if it does not call."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connected.wait()
        except TimeoutError:
            raise ClientError(f"the page of the browser has not called for {CONNECT_S:g} s") from None
        for _ in range(EXCHANGES):
            asked_ns = time.monotonic_ns()
            page_ms = await self.ping()
            self.clock.exchanged(asked_ns, page_ms, time.monotonic_ns())

    def forget(self) -> None:
        """Listen no more: the page goes elsewhere."""
        self._listener = None

    def trip_ms(self) -> float:
        """Return the median duration of the last pings."""
        return statistics.median(self._trips_ns) / 1e6

    async def order(self, do: str, **more: Any) -> None:
        """Tell the page to do something. One that is gone is told of by its end."""
        if self._socket and not self._socket.closed:
            await self._socket.send_str(json.dumps({"do": do, **more}))

    async def ping(self) -> float:
        """Return the page's time once it has done all before this question. Raises ClientError if it has gone."""
        asked_ns = time.monotonic_ns()
        page_ms = await self.asked("ping")
        self._trips_ns.append(time.monotonic_ns() - asked_ns)
        return page_ms

    async def asked(self, do: str, **more: Any) -> float:
        """Return the page's time once it has done this. Raises ClientError if it has gone, or does not answer."""
        number = next(self._numbers)
        pong: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pongs[number] = pong
        if self._socket is None or self._socket.closed:
            raise ClientError("the page of the browser has gone")
        try:
            async with asyncio.timeout(ANSWER_S):
                await self.order(do, number=number, **more)
                return await pong
        except TimeoutError:
            raise ClientError(f"the page of the browser has not answered for {ANSWER_S:g} s") from None
        finally:
            self._pongs.pop(number, None)

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Hear the page out."""
        self._socket = socket
        self._connected.set()
        try:
            async for message in socket:
                heard_ns = time.monotonic_ns()
                if message.type is WSMsgType.BINARY and self._listener:
                    (page_ms,) = struct.unpack_from("<d", message.data)
                    self._listener.heard_read(message.data[8:], self.clock.place(page_ms, heard_ns))
                elif message.type is WSMsgType.TEXT:
                    self._say(json.loads(message.data), heard_ns)
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Tell whoever listens, or waits for an answer, that none comes any more."""
        for pong in self._pongs.values():
            if not pong.done():
                pong.set_exception(ClientError("the page of the browser has gone"))
        if self._listener:
            self._listener.heard_end()

    def _say(self, fields: dict[str, Any], heard_ns: int) -> None:
        kind, page_ms = fields.pop("kind"), fields.pop("at")
        if kind == "pong":
            if (pong := self._pongs.get(fields["number"])) and not pong.done():
                pong.set_result(page_ms)
        elif self._listener:
            self._listener.heard(kind, self.clock.place(page_ms, heard_ns), fields)


class Callee(Protocol):
    """Who waits for a call: of a page, or of what steers the browser."""

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Lead the conversation to its end."""


class Switchboard:
    """The server that pages call, and Playwright. Who does not know a path that was lent out gets nobody."""

    def __init__(self) -> None:
        self._callees: dict[str, Callee] = {}
        self._lines: WeakSet[Line] = WeakSet()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def open(self) -> None:
        """Listen on a free port of the loopback."""
        app = web.Application()
        app.router.add_get("/pulse", self._pulse)
        app.router.add_get("/{token}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    @property
    def pulse(self) -> str:
        """The URL of a small answer that any page may fetch."""
        return f"http://127.0.0.1:{self._port}/pulse"

    def line(self, listener: Listener) -> tuple[Line, str]:
        """Return a line, and the URL at which one page can call it, once."""
        line = Line(listener)
        self._lines.add(line)
        return line, self.lend(line)

    def lend(self, callee: Callee) -> str:
        """Return a URL that can be called, once, by whoever is told it."""
        token = secrets.token_urlsafe(16)
        self._callees[token] = callee
        return f"ws://127.0.0.1:{self._port}/{token}"

    def hang_up(self) -> None:
        """Give up all lines: nobody can have a page do anything any more."""
        for line in tuple(self._lines):
            line.hang_up()

    async def close(self) -> None:
        """Listen no more."""
        if self._runner:
            await self._runner.cleanup()

    async def _pulse(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="pulse", headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        callee = self._callees.pop(request.match_info["token"], None)
        if callee is None:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        await callee.serve(socket)
        return socket
