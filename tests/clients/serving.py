"""A server whose answers a test writes by hand, whatever carries them: HTTP/1.1, HTTP/2 or a WebSocket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, RequestReceived
from hpack import Encoder

from harness.model import HttpVersion, TransportName
from tests.clients.http2_peer import OK
from tests.misbehaving import Answer
from tests.tunnelling import CLOSE, TEXT, frame

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE_OK = frame(CLOSE, (1000).to_bytes(2))
HEADERS, CONTINUATION = 1, 9
MORE_FIELDS = b"\x00\x06x-more\x08and more"
MORE_HEADERS = b"X-More: and more\r\n" * 100
RESET = struct.pack("ii", 1, 0)  # as SO_LINGER: to close is to reset


class Served:
    """The server's side of one request, in HTTP/1.1. `asked` are its headers."""

    nonsense = b"what?\r\n\r\n"
    _in_head = False

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked: dict[str, str] = {}
        self._listening: asyncio.Task[None] | None = None
        self._reader = reader
        self._writer = writer
        self._answer = Answer(writer)

    async def accept(self) -> None:
        """Take the request. Raises IncompleteReadError on a connection that was only made in advance."""
        _, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.asked = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self._listening = asyncio.create_task(self._listen())

    def interim(self) -> None:
        """Answer that there will be an answer."""
        self._answer.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")

    def head(self) -> None:
        """Begin the answer."""
        self._answer.head()

    def odd(self, name: str, value: str) -> None:
        """Answer with a header as it is given, whether it may be sent or not, and an empty body."""
        self._answer.raw(f"HTTP/1.1 200 OK\r\n{name}: {value}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))

    async def more_head(self) -> None:
        """Begin the answer, or go on with it, and do not come to its body."""
        self._answer.raw(MORE_HEADERS if self._in_head else b"HTTP/1.1 200 OK\r\n")
        self._in_head = True
        await self._writer.drain()

    async def say(self, data: bytes) -> None:
        """Send a piece of the body, as a chunk or whatever there is."""
        self._answer.chunk(data)
        await self._writer.drain()

    def end(self) -> None:
        """End the body well."""
        self._answer.end()

    def babble(self) -> None:
        """Say what nobody can understand, and stay."""
        self._answer.raw(self.nonsense)

    def cut(self) -> None:
        """Close the connection, whether the body has ended or not."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection off."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()

    async def left(self) -> None:
        """Wait until the client has hung up."""
        assert self._listening, "it has asked"
        await asyncio.wait({self._listening})

    async def close(self) -> None:
        """Hang up, at once, and see it done."""
        if self._listening:
            self._listening.cancel()
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await self._reader.read(2**16):
                self._hear(data)

    def _hear(self, data: bytes) -> None:
        """Take what the client says after its request."""


class OverWebSocket(Served):
    """The same over a WebSocket: a piece is a message."""

    nonsense = b"\xff\x7f" * 8 + b"\r\n\r\n"  # all of the reserved bits, and an opcode that is none
    _ended = False

    def head(self) -> None:
        accept = base64.b64encode(hashlib.sha1((self.asked["sec-websocket-key"] + GUID).encode()).digest()).decode()
        upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}"
        self._answer.raw(f"HTTP/1.1 101 Switching Protocols\r\n{upgrade}\r\n\r\n".encode())

    async def say(self, data: bytes) -> None:
        self._answer.raw(frame(TEXT, data))
        await self._writer.drain()

    def end(self) -> None:
        self._ended = True
        self._answer.raw(CLOSE_OK)

    def _hear(self, data: bytes) -> None:
        if data[0] & 0xF == CLOSE:
            if not self._ended:
                self.end()
            self._writer.close()


class Verbatim(Encoder):
    """Leaves out Huffman's code, which takes a second of a long value where it is Python's."""

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        return super().encode(headers, huffman=False)


class InHttp2(Served):
    """The same in HTTP/2."""

    nonsense = b"\xff\xff\xff\0\0\0\0\0\1"  # a frame that is longer than any may be

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._stream = 0
        self._gone = False
        self._heard = asyncio.Event()

    async def accept(self) -> None:
        self._http2.initiate_connection()
        self._flush()
        while not self._stream:
            if not (data := await self._reader.read(2**16)):
                raise asyncio.IncompleteReadError(b"", None)
            self._hear(data)
        self._listening = asyncio.create_task(self._listen())

    def interim(self) -> None:
        self._http2.send_headers(self._stream, [(":status", "103"), ("link", "</x>")])
        self._flush()

    def head(self) -> None:
        self._http2.send_headers(self._stream, list(OK))
        self._flush()

    def odd(self, name: str, value: str) -> None:
        fields = [(field.encode("latin-1"), text.encode("latin-1")) for field, text in (*OK, (name.lower(), value))]
        self._http2.config.validate_outbound_headers = self._http2.config.normalize_outbound_headers = False
        self._http2.encoder = Verbatim()
        self._http2.send_headers(self._stream, fields, end_stream=True)
        self._flush()

    async def more_head(self) -> None:
        kind = CONTINUATION if self._in_head else HEADERS
        self._writer.write(len(MORE_FIELDS).to_bytes(3) + bytes((kind, 0)) + self._stream.to_bytes(4) + MORE_FIELDS)
        self._in_head = True
        await self._writer.drain()

    async def say(self, data: bytes) -> None:
        while data:
            if self._gone:
                raise ConnectionResetError("the client has gone away")
            self._heard.clear()
            size_bytes = min(self._http2.local_flow_control_window(self._stream), self._http2.max_outbound_frame_size)
            now, data = data[:size_bytes], data[size_bytes:]
            if now:
                self._http2.send_data(self._stream, now)
                self._flush()
                await self._writer.drain()
            else:
                await self._heard.wait()

    def end(self) -> None:
        self._http2.end_stream(self._stream)
        self._flush()

    def _hear(self, data: bytes) -> None:
        for event in self._http2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._stream = event.stream_id
                self.asked = {str(name): str(value) for name, value in event.headers}
            self._gone |= isinstance(event, ConnectionTerminated)
        self._heard.set()
        self._flush()

    def _flush(self) -> None:
        self._writer.write(self._http2.data_to_send())


SPOKEN: dict[tuple[TransportName, HttpVersion], type[Served]] = {
    ("http", "1.1"): Served,
    ("http", "2"): InHttp2,
    ("websocket", "1.1"): OverWebSocket,
}


class Server:
    """Answers every request on a connection of its own by the script, until the block is left."""

    def __init__(
        self,
        script: Callable[[Served], Awaitable[None]],
        transport: TransportName = "http",
        version: HttpVersion = "1.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.served: list[Served] = []
        self._script = script
        self._spoken = SPOKEN[transport, version]
        self._tls = tls
        self._scripts: set[asyncio.Task[None]] = set()
        self._connections: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        """What to ask for."""
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{port}/stream/1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for script in self._scripts:
            script.cancel()
        ended = await asyncio.gather(*self._scripts, return_exceptions=True)
        for connection in self._connections:  # also those whose script had not begun, as a browser connects in advance
            connection.transport.abort()
        for one in ended:
            if isinstance(one, Exception):
                raise one

    async def left(self) -> None:
        """Wait until everybody who asked has hung up."""
        for served in self.served:
            await served.left()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(writer)
        self._scripts.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served = self._spoken(reader, writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await served.accept()
                self.served.append(served)
                await self._script(served)
                await served.left()
        finally:
            await served.close()


@contextlib.asynccontextmanager
async def within(deadline_s: float, server: Server) -> AsyncIterator[Server]:
    """Serve, and fail instead of hanging."""
    async with asyncio.timeout(deadline_s), server:
        yield server
