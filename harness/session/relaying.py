"""Stands between a chain and what it asks: one request of it is for an application, all others are for the emitter.

Rules: the request for the application bears a mark that nobody can guess, which the application does not see. What the
application answers is passed on as it comes, each read at once; when it came is kept. Each request has a connection of
its own behind the relay, so that no other answer is on it. A hop that tries again asks the application again, as it
would where it is deployed: each ask has an answer of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from harness.errors import StreamError
from harness.model import Endpoint
from harness.recordings.answer import Answer

MARK = "X-Harness-Live"
HEAD_BYTES = 2**16
READ_BYTES = 2**16
_HOP_BY_HOP = re.compile(rb"\r\n(?:Connection|Keep-Alive|Proxy-Connection|X-Harness-Live):[^\r\n]*", re.IGNORECASE)
_HOST = re.compile(rb"\r\nHost:[^\r\n]*", re.IGNORECASE)


@dataclass
class Ask:
    """One request for the application: what that has answered, and what was `broken` about it. It is over when either
    side has hung up; `beside_others` says that one before it was not when it came.
    """

    beside_others: bool
    answer: Answer = field(default_factory=Answer)
    broken: str = ""
    is_over: bool = False

    def hear(self, data: bytes) -> None:
        """Take a read of the answer."""
        try:
            self.answer.feed(data, time.monotonic_ns())
        except StreamError as error:
            self.broken = self.broken or str(error)


@dataclass
class Relay:
    """Where a chain ends. `asks` are those that came for the application, in their order.

    `host` is whom the application's requests are for, if not for whoever the chain names.
    """

    application: Endpoint
    context: ssl.SSLContext | None = None
    host: str = ""
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    asks: list[Ask] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self, emitter: Endpoint) -> AsyncIterator[Endpoint]:
        """Listen for as long as the block lasts; yields where."""
        serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._relay(reader, writer, emitter)
            await _closed(writer)

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Know of a connection from its first moment on, so that none is left when the block ends."""
            task = asyncio.create_task(serve(reader, writer))
            serving[task] = writer
            task.add_done_callback(lambda one: one.cancelled() or one.exception() or serving.pop(one))

        server = await asyncio.start_server(accepted, "127.0.0.1", 0, limit=HEAD_BYTES)
        try:
            yield Endpoint(int(server.sockets[0].getsockname()[1]))
        finally:
            server.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            await asyncio.gather(*map(_closed, serving.values()))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, emitter: Endpoint) -> None:
        head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        is_live = self.secret.encode() in head
        to, context = (self.application, self.context) if is_live else (emitter, None)
        head = _HOP_BY_HOP.sub(b"", head)
        if is_live and self.host:
            head = _HOST.sub(b"\r\nHost: " + self.host.encode(), head)
        ask = Ask(any(not one.is_over for one in self.asks))
        if is_live:
            self.asks.append(ask)
        try:
            behind, asking = await asyncio.open_connection(to.host, to.port, ssl=context)
            asking.write(head + b"\r\nConnection: close\r\n\r\n")
            sending = asyncio.create_task(_pump(reader, asking, ask))
            try:
                while data := await behind.read(READ_BYTES):
                    ask.hear(data)
                    writer.write(data)
                    await writer.drain()
                writer.write_eof()
                await writer.drain()
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                await _closed(asking)
        finally:
            ask.is_over = True


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, and wait until it is.

    Who is cancelled here would cancel what the stream tells all others by that it is closed, were that not shielded.
    """
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await asyncio.shield(writer.wait_closed())


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> None:
    """Pass on whatever comes of a request's body, until whoever asks hangs up."""
    try:
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
    finally:
        ask.is_over = True
