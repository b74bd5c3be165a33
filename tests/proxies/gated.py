"""A backend that sends only what a test tells it to, and emulators in front of it: no test waits for time to pass.

Where nothing must have come, requests that go round the same emulator meanwhile show that it had its turns.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from harness.launchers.process import Launcher
from harness.model import Endpoint
from harness.proxies.base import Running
from harness.proxies.emulator import CLOUD_RUN
from harness.resources import configs

PROFILES = {path.stem: path for name in ("cloudrun", "emulator") for path in (configs() / name).glob("*.yaml")}
"""What the emulator plays, by name."""
HEAD = "about: A test.\nclaim: nobody's\nsource: none\n"
SSE = {"Content-Type": "text/event-stream"}
END, RESET = None, "reset"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Backend:
    """What the next request to `/stream` is answered with, step by step; what was asked is kept."""

    def __init__(self) -> None:
        self.port = 0
        self.response = web.StreamResponse()
        self.steps: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.left = asyncio.Event()
        self.asked = dict[str, str]()
        self.body = b""
        self.sent_bytes = 0

    def answers(self, headers: Mapping[str, str] = SSE, status: int = 200) -> None:
        """Start a new conversation: the next response has this head."""
        self.response = web.StreamResponse(status=status, headers=headers)
        self.steps, self.left = asyncio.Queue(), asyncio.Event()
        self.sent_bytes = 0

    def send(self, *steps: bytes | str | None) -> None:
        for step in steps:
            self.steps.put_nowait(step)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/stream", self.stream)
        for path, handler in (("/pulse", self.pulse), ("/closing", self.closing), ("/echo", self.echo)):
            app.router.add_get(path, handler)
        return app

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.asked, self.body = dict(request.headers), await request.read()
        response, left = self.response, self.left
        try:
            await response.prepare(request)
            while (step := await self.steps.get()) is not END:
                if isinstance(step, str):
                    reset(request)
                    return response
                await response.write(step)
                self.sent_bytes += len(step)
        except (asyncio.CancelledError, ConnectionError):
            left.set()
            raise
        return response

    async def pulse(self, request: web.Request) -> web.Response:
        return web.Response(text="pulse")

    async def closing(self, request: web.Request) -> web.StreamResponse:
        """Answer as HTTP/1.0 servers do: nothing but the end of the connection ends the body."""
        assert request.transport
        request.transport.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nbody")
        if await self.steps.get() is END:
            request.transport.close()
        else:
            reset(request)
        return web.Response()

    async def echo(self, request: web.Request) -> web.WebSocketResponse:
        messages = web.WebSocketResponse(protocols=["tokens"])
        await messages.prepare(request)
        async for message in messages:
            if message.data == "reset":
                reset(request)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await messages.send_str(message.data)
            else:
                await messages.send_bytes(message.data)
            if message.data == "bye":
                await messages.close(code=4000, message=b"as you wish")
        return messages


def reset(request: web.Request) -> None:
    """Break a connection off."""
    assert request.transport
    peer = request.transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    request.transport.abort()


class Emulators:
    """Emulators by profile, started when first asked for, and a client for all."""

    def __init__(self, launcher: Launcher, folder: Path, port: int, client: aiohttp.ClientSession) -> None:
        self.client = client
        self._launcher, self._folder, self._upstream = launcher, folder, Endpoint(port)
        self._running = dict[str, Running]()
        self._writers = list[asyncio.StreamWriter]()  # a writer that nobody holds closes its connection

    async def start(self, profile: str, upstream: Endpoint | None = None) -> Running:
        """Start a shipped profile, or parameters written as YAML."""
        evidence = self._folder / str(len(list(self._folder.iterdir())))
        evidence.mkdir()
        if (config := PROFILES.get(profile)) is None:
            config = evidence / "own.yaml"
            config.write_text(HEAD + profile)
        return await CLOUD_RUN.start(config, upstream or self._upstream, evidence, self._launcher)

    async def url(self, profile: str) -> str:
        if profile not in self._running:
            self._running[profile] = await self.start(profile)
        return self._running[profile].endpoint.url

    async def turns(self, profile: str) -> None:
        """Make the emulator work off everything that has reached it."""
        for _ in range(5):
            async with self.client.get(await self.url(profile) + "/pulse") as response:
                await response.read()

    async def get(self, profile: str, path: str = "/stream", **options: Any) -> aiohttp.ClientResponse:
        return await self.client.get(await self.url(profile) + path, **options)

    async def raw(self, profile: str, request: bytes) -> asyncio.StreamReader:
        """Send a request of one's own making."""
        port = int((await self.url(profile)).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        self._writers.append(writer)
        return reader


def reading(response: aiohttp.ClientResponse) -> asyncio.Task[bytes]:
    """Start to read, so that one can see whether anything came."""
    return asyncio.create_task(response.content.readany())
