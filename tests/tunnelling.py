"""A hop that tunnels WebSockets to the emitter, frame by frame, and treats them as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Self

from harness.model import Endpoint

TEXT, CONTINUATION, BINARY, CLOSE, PING = 1, 0, 2, 8, 9
FIN = 0x80
RESET = b"reset"  # in place of bytes: break the connection off
LEAVE = b"leave"  # close it, as if that were an end

Treat = Callable[[int, int, bytes], Iterable[bytes]]
"""From the number of a frame, its opcode and payload to what goes on in its place."""


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """Return a frame as a server sends it."""
    size = bytes((len(payload),)) if len(payload) < 126 else b"\x7e" + struct.pack("!H", len(payload))
    return bytes((opcode | (FIN if fin else 0),)) + size + payload


def passes(number: int, opcode: int, payload: bytes) -> Iterable[bytes]:
    """Hand every frame on."""
    yield frame(opcode, payload)


def at(number: int, *instead: bytes) -> Treat:
    """Hand every frame on, but something else in place of that one."""

    def treat(at: int, opcode: int, payload: bytes) -> Iterable[bytes]:
        return instead if at == number else passes(at, opcode, payload)

    return treat


class Tunnel:
    """Serves on a free port until the block is left.

    `answer` stands in for the emitter's answer to a handshake; a `deaf` one lets nothing through that the client says.
    """

    def __init__(
        self, upstream: Endpoint, treat: Treat = passes, answer: bytes | None = None, deaf: bool = False
    ) -> None:
        self._upstream = upstream
        self._treat = treat
        self._answer = answer
        self._deaf = deaf
        self._connections: set[asyncio.Task[None]] = set()
        self.said = b""  # by the client, after its handshake

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(self._server.sockets[0].getsockname()[1])

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._connection(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._upstream.host, self._upstream.port)
        upwards: asyncio.Task[None] | None = None
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                up_writer.write(await reader.readuntil(b"\r\n\r\n"))
                head = await up_reader.readuntil(b"\r\n\r\n")
                upgraded = b" 101 " in head.split(b"\r\n")[0]
                writer.write(self._answer if self._answer and upgraded else head)
                if upgraded:
                    upwards = asyncio.create_task(self._upwards(reader, up_writer))
                    await self._downwards(up_reader, writer)
                else:
                    writer.write(await up_reader.read(2**16))
        finally:
            if upwards:
                upwards.cancel()
            writer.close()
            up_writer.close()

    async def _upwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            self.said += data
            if not self._deaf:
                writer.write(data)

    async def _downwards(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while True:
            first, size_bytes = await reader.readexactly(2)
            if size_bytes == 126:
                size_bytes = int.from_bytes(await reader.readexactly(2))
            for data in self._treat(number, first & 0xF, await reader.readexactly(size_bytes)):
                await writer.drain()  # what was written before is with the client's machine
                if data == RESET:
                    tcp = writer.get_extra_info("socket")
                    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                if data == LEAVE:
                    return
                writer.write(data)
            number += 1
