"""One client that reads what a test's server sends, over one transport, and all that it is told of that."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trustme

from harness.clients import CLIENTS
from harness.clients.base import Client, Headers, Launching, Remote, Request, Unheard
from harness.formats import TRANSPORTS
from harness.launchers.process import Launcher
from harness.model import HttpVersion, TransportName
from tests.clients.serving import Served, Server, within
from tests.planning import REQUESTS

DEADLINE_S = 60.0
EVENTS = (b"data: 1\n\n", "data: café\n\n".encode(), b"data: " + b"x" * 60_000 + b"\n\n", b"data: 4\n\n")
LINES = (b'{"n": 1}\n', '{"d": "café"}\n'.encode(), b'{"d": "' + b"x" * 60_000 + b'"}\n', b'{"n": 4}\n')
PIECES: dict[TransportName, tuple[bytes, ...]] = {"http": EVENTS, "websocket": LINES}


class Kept(Unheard):
    """Keeps every call. It has enough after `wanted` calls of `head` and `read` together."""

    def __init__(self, wanted: int | None = None) -> None:
        self.calls: list[str] = []
        self.asked: dict[str, str] = {}
        self.status: int | None = None
        self.answered: Headers = ()
        self.reads: list[bytes] = []
        self.stamps: list[int] = []
        self._wanted = wanted
        self._changed = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.reads)

    async def has(self, size_bytes: int) -> None:
        """Wait until so much of the body is here."""
        while len(self.body) < size_bytes:
            self._changed.clear()
            await self._changed.wait()

    def remote(self, reader: Remote) -> None:
        self.calls.append("remote")

    def request(self, headers: Headers) -> None:
        self.calls.append("request")
        self.asked = {name.lower(): value for name, value in headers}

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status, self.answered = status, headers
        return self._took("head", at_ns)

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(data)
        return self._took("read", at_ns)

    def painted(self, reads: int, at_ns: int) -> None:
        self.calls.append("painted")

    def _took(self, call: str, at_ns: int) -> bool:
        self.calls.append(call)
        self.stamps.append(at_ns)
        self._changed.set()
        return len(self.stamps) != self._wanted


Script = Callable[[Served, Kept], Any]


class Clients:
    """The clients of a module, made on first use, each with what it starts programs with."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        self.signer = trustme.CA()
        self.authority = str(folder / "authority.pem")
        self.signer.cert_pem.write_to_path(self.authority)
        self._launcher = launcher
        self._folder = folder
        self._clients: dict[str, Client] = {}

    def client(self, name: str) -> Client:
        """Return the client of that name."""
        if name not in self._clients:
            client = self._clients[name] = CLIENTS[name]()
            if isinstance(client, Launching):
                client.equip(self._launcher, self._folder)
        return self._clients[name]

    async def close(self) -> None:
        """Let go of all."""
        for client in self._clients.values():
            await client.close()


class Asking:
    """One client, over one transport."""

    def __init__(self, clients: Clients, name: str, transport: TransportName, version: HttpVersion) -> None:
        self.client = clients.client(name)
        self.pieces = PIECES[transport]
        self._transport = transport
        self._version = version
        self._profile: Any = "browser" if name.startswith("chromium") else "curl"

    def server(self, script: Script, kept: Kept, tls: ssl.SSLContext | None = None) -> Server:
        """Return a server that answers by a script, which may wait for what was read."""
        return Server(lambda served: script(served, kept), self._transport, self._version, tls)

    async def stream(self, server: Server, kept: Kept, authority: str | None = None) -> None:
        """Ask it."""
        transport = TRANSPORTS[self._transport]
        headers = transport.request_headers(REQUESTS[self._profile])
        format: Any = "sse" if self._transport == "http" else "ndjson"
        told = {"format": format, "authority": authority, "http": (self._version,)}
        asked = Request(server.url, headers=headers, transport=transport.name, status=transport.status, **told)
        await self.client.stream(asked, kept)

    async def read(self, script: Script, kept: Kept | None = None) -> Kept:
        """Read one stream to its end; return what came."""
        kept = kept or Kept()
        async with within(DEADLINE_S, self.server(script, kept)) as server:
            await self.stream(server, kept)
        return kept

    async def one_by_one(self, served: Served, kept: Kept) -> None:
        """Answer piece by piece, each when those before it are here."""
        served.head()
        await self.some(served, kept)
        served.end()

    async def some(self, served: Served, kept: Kept, count: int | None = None) -> None:
        """Send the first pieces, each when those before it are here, and wait for the last."""
        sent_bytes = 0
        for piece in self.pieces[:count]:
            await served.say(piece)
            sent_bytes += len(piece)
            await kept.has(sent_bytes)

    async def reads_well(self) -> None:
        """Check that it reads a whole stream, whatever was before."""
        assert (await self.read(self.one_by_one)).body == b"".join(self.pieces)
