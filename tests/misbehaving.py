"""A proxy that behaves as a test wants: it asks the emitter, and hands the response on through a behaviour.

Nothing here waits for a clock unless its name says so; what is let go depends on what has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Self

import aiohttp

from harness.model import Endpoint

EVENT_END = b"\n\n"
OF_ONE_CONNECTION = ("connection", "content-length", "host")
TICK_S = 1e-6
"""Callbacks of one instant come in any order."""


class Answer:
    """The client's side of one exchange: what is written here is on the wire at once."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def head(self, status: int = 200, framing: str = "Transfer-Encoding: chunked", *headers: str) -> None:
        """Write a response head."""
        lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: text/event-stream", framing, *headers, "", ""]
        self.raw("\r\n".join(line for line in lines[:-2] if line).encode() + b"\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        """Write one chunk."""
        if data:
            self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """Write the last chunk."""
        self.raw(b"0\r\n\r\n")

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)

    async def flush(self) -> None:
        """Wait until the client's machine has it: what follows cannot overtake it."""
        await self._writer.drain()

    def reset(self) -> None:
        """Break the connection off."""
        tcp = self._writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Behaviour = Callable[[aiohttp.ClientResponse, Answer], Awaitable[None]]
"""How a response is handed on. It writes the whole of the answer, head included."""


class Misbehaving:
    """Serves on a free port until the block is left. Streams meet the behaviour; a pulse its own, or it passes."""

    def __init__(self, upstream: Endpoint, behave: Behaviour, pulse: Behaviour | None = None) -> None:
        self.pulses = 0
        self._upstream = upstream
        self._behave = behave
        self._behave_to_pulse = pulse or passes
        self._exchanges: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for exchange in self._exchanges:
            exchange.cancel()
        await asyncio.gather(*self._exchanges, return_exceptions=True)
        await self._session.close()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(self._server.sockets[0].getsockname()[1])

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = asyncio.create_task(self._exchange(reader, writer))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, target, _ = first.split()
            said = dict(line.split(": ", 1) for line in lines if line)
            passed = {name: value for name, value in said.items() if name.lower() not in OF_ONE_CONNECTION}
            body = await reader.readexactly(int(said.get("Content-Length", 0)))
            behave = self._behave if target.startswith("/stream/") else self._pulse
            await self._before(target)
            async with self._session.request(
                method, self._upstream.url + target, headers=passed, data=body
            ) as response:
                await behave(response, Answer(writer))
        writer.close()

    async def _before(self, target: str) -> None:
        """Do something before a request is handed on."""

    async def _pulse(self, response: aiohttp.ClientResponse, answer: Answer) -> None:
        self.pulses += 1
        await self._behave_to_pulse(response, answer)


class Tardy(Misbehaving):
    """Hands on the first grants late, as who has just woken up, and all else at once."""

    def __init__(self, upstream: Endpoint, late_s: float, grants: int) -> None:
        super().__init__(upstream, passes)
        self.late = 0
        self._late_s = late_s
        self._grants = grants

    async def _before(self, target: str) -> None:
        if target.endswith("/grant") and self.late < self._grants:
            self.late += 1
            await asyncio.sleep(self._late_s)


class Shared(Misbehaving):
    """A tunnel that many responses share: it writes what it has of all of them whenever one ends, and else nothing.

    Answers to grants end so much later than they came.
    """

    def __init__(self, upstream: Endpoint, late_s: float = 0.0) -> None:
        super().__init__(upstream, self._collect)
        self._late_s = late_s
        self._held: dict[Answer, bytes] = {}

    async def _collect(self, response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        async for data in response.content.iter_any():
            self._held[answer] = self._held.get(answer, b"") + data
        self._let_go()
        answer.end()

    async def _pulse(self, response: aiohttp.ClientResponse, answer: Answer) -> None:
        if self._late_s and response.url.path.endswith("/grant"):
            await asyncio.sleep(self._late_s)
        self._let_go()
        await passes(response, answer)

    def _let_go(self) -> None:
        for answer, data in self._held.items():
            answer.chunk(data)
        self._held.clear()


async def passes(response: aiohttp.ClientResponse, answer: Answer) -> None:
    """Hand on every read at once."""
    told = [f"{name}: {value}" for name, value in response.headers.items() if name.startswith("X-Harness")]
    answer.head(response.status, "Transfer-Encoding: chunked", *told, "Cache-Control: no-store", "Connection: close")
    async for data in response.content.iter_any():
        answer.chunk(data)
    answer.end()


def rewrites(rewrite: Callable[[int, bytes], Sequence[bytes]]) -> Behaviour:
    """Hand on, in place of event n, the events that `rewrite(n, event)` says."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        number = 0
        async for event in events(response):
            for data in rewrite(number, event):
                answer.chunk(data)
            number += 1
        answer.end()

    return behave


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Give out the events of a response, each when it is whole."""
    rest = b""
    async for data in response.content.iter_any():
        *whole, rest = (rest + data).split(EVENT_END)
        for event in whole:
            yield event + EVENT_END


def collects(size_bytes: int) -> Behaviour:
    """Hand everything on whenever so many bytes are there, and at the end."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        held = b""
        async for data in response.content.iter_any():
            held += data
            if len(held) >= size_bytes:
                answer.chunk(held)
                held = b""
        answer.chunk(held)
        answer.end()

    return behave


def lags(late_s: Callable[[int], float]) -> Behaviour:
    """Hand on event n `late_s(n)` after it came, however many come meanwhile."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        loop, number, until = asyncio.get_running_loop(), 0, 0.0
        async for event in events(response):
            until = max(until + TICK_S, loop.time() + late_s(number))
            loop.call_at(until, answer.chunk, event)
            number += 1
        await asyncio.sleep(until + TICK_S - loop.time())
        answer.end()

    return behave


def flushes(after_s: float, periodic: bool) -> Behaviour:
    """Hand everything on so long after the first byte that is held, or again and again whatever comes."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head()
        loop, held, due = asyncio.get_running_loop(), bytearray(), list[asyncio.TimerHandle]()

        def flush() -> None:
            answer.chunk(bytes(held))
            held.clear()
            due[:] = [loop.call_later(after_s, flush)] if periodic else []

        async for data in response.content.iter_any():
            held += data
            due = due or [loop.call_later(after_s, flush)]
        for timer in due:
            timer.cancel()
        answer.chunk(bytes(held))
        answer.end()

    return behave


def codes(flush: int, coding: str = "gzip", wbits: int = 31) -> Behaviour:
    """Compress, and after every read do as zlib's `flush` mode says."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(200, "Transfer-Encoding: chunked", f"Content-Encoding: {coding}")
        coder = zlib.compressobj(wbits=wbits)
        async for data in response.content.iter_any():
            answer.chunk(coder.compress(data) + (coder.flush(flush) if flush else b""))
        answer.chunk(coder.flush())
        answer.end()

    return behave


def never_ends(say: bytes, every_s: float = 0.0, status: int = 200) -> Behaviour:
    """Hand on every read at once; then, for ever, say something of its own: as fast as it is taken, or now and then."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(status)
        if status == 200:
            async for data in response.content.iter_any():
                answer.chunk(data)
        while True:
            answer.chunk(say)
            await answer.flush()
            await asyncio.sleep(every_s)

    return behave


def after(count: int, then: Callable[[Answer], None], framing: str = "Transfer-Encoding: chunked") -> Behaviour:
    """Hand on `count` events, each in a chunk of its own or bare, as the framing says; then do as the test wants."""

    async def behave(response: aiohttp.ClientResponse, answer: Answer) -> None:
        answer.head(200, framing)
        number = 0
        async for event in events(response):
            if number == count:
                break
            (answer.chunk if "chunked" in framing else answer.raw)(event)
            number += 1
        await answer.flush()
        then(answer)

    return behave


class Serial(Misbehaving):
    """Serves one request after another, whatever they are."""

    def __init__(self, upstream: Endpoint, behave: Behaviour) -> None:
        super().__init__(upstream, behave)
        self._turn = asyncio.Lock()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._turn:
            await super()._exchange(reader, writer)


class Several(Misbehaving):
    """Asks one of several after the other, or only for streams, and the first for all else."""

    def __init__(self, *upstreams: Endpoint, for_streams: bool = False) -> None:
        super().__init__(upstreams[0], passes)
        self._upstreams = upstreams
        self._next = itertools.cycle(upstreams)
        self._for_streams = for_streams

    async def _before(self, target: str) -> None:
        if not self._for_streams:
            self._upstream = next(self._next)
        elif target.startswith("/stream/"):
            self._upstream = self._upstreams[-1]
        else:
            self._upstream = self._upstreams[0]
