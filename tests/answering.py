"""Plays an application that answers by itself, on a socket in this process or as a command."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

KEY = "sk-very-secret-1"

COMMAND = """\
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Lines(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with Path(__file__).with_name("asked").open("a") as file:
            file.write("GET\\n")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(12):
            line = b'{"n": %d, "text": "%b"}\\n' % (number, b"word " * (number % 4))
            self.wfile.write(b"%x\\r\\n%b\\r\\n" % (len(line), line))
        self.wfile.write(b"0\\r\\n\\r\\n")


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Lines).serve_forever()
"""

EVENTS = [b'data: {"n": %d}\n\n' % number for number in range(12)]
CHUNKED = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def streaming(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer with events, each in a chunk; to HTTP/1.0 as they are, as most servers do."""
    if b"HTTP/1.0\r\n" in request:
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + b"".join(EVENTS))
    else:
        await chunking(request, writer)


async def chunking(request: bytes, writer: asyncio.StreamWriter) -> None:
    """Answer with chunks whoever asks, as uvicorn does on httptools."""
    writer.write(f"{CHUNKED}\r\n".encode())
    for event in EVENTS:
        writer.write(chunk(event))
        await writer.drain()
        await asyncio.sleep(0.003)
    writer.write(b"0\r\n\r\n")


def compressing(flushes: bool) -> Handler:
    """Answer with events, compressed for who offers gzip: as middlewares do it, or flushed after each."""

    async def compress(request: bytes, writer: asyncio.StreamWriter) -> None:
        if not re.search(rb"(?i)\r\naccept-encoding:.*gzip", request):
            await streaming(request, writer)
            return
        packing = zlib.compressobj(wbits=31)
        writer.write(f"{CHUNKED}Content-Encoding: gzip\r\n\r\n".encode())
        for event in EVENTS:
            packed = packing.compress(event) + (packing.flush(zlib.Z_SYNC_FLUSH) if flushes else b"")
            writer.write(chunk(packed) if packed else b"")
            await writer.drain()
            await asyncio.sleep(0.003)
        writer.write(chunk(packing.flush()) + b"0\r\n\r\n")

    return compress


def saying(answer: bytes) -> Handler:
    async def say(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return say


async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


class App:
    """An application on a socket in this process, which keeps what it was asked, whoever asked."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self.port = 0
        self._handler = handler
        self._tls = tls

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/chat"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            self.asked.append(head + (await reader.readexactly(int(length[1])) if length else b""))
            await self._handler(self.asked[-1], writer)
            await writer.drain()
            writer.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[App]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        yield self
        server.close()
