"""A real Chromium, and a server whose answers are written by hand, for tests that let one read the other."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from harness.clients import chromium_tab
from harness.clients.base import Headers, Remote, Request, Unheard
from harness.clients.chromium import Chromium, ChromiumEventSource
from harness.launchers.process import Launcher
from harness.model import Workload
from tests.misbehaving import Answer
from tests.planning import REQUESTS

DEADLINE_S = 60.0
HEADERS = REQUESTS["browser"].headers
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {0}\r\nTransfer-Encoding: chunked\r\n\r\n"
LOAD = Workload("w", tokens=12, token_bytes=112, interval_ms=40)


class Kept(Unheard):
    """Keeps what came, and lets others wait for it."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.frames: list[int] = []
        self.status: int | None = None
        self.asked: dict[str, str] = {}
        self.reader: Remote | None = None
        self.more = asyncio.Condition()
        self._telling: set[asyncio.Task[None]] = set()

    def remote(self, reader: Remote) -> None:
        self.reader = reader

    def request(self, headers: Headers) -> None:
        self.asked = {name.lower(): value for name, value in headers}

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        self.status = status
        return True

    def read(self, data: bytes, at_ns: int) -> bool:
        self.reads.append(data)
        telling = asyncio.create_task(self._tell())
        self._telling.add(telling)
        return True

    def painted(self, reads: int, at_ns: int) -> None:
        self.frames.append(reads)

    async def has(self, reads: int) -> None:
        """Wait until so many reads are here."""
        async with self.more:
            await self.more.wait_for(lambda: len(self.reads) >= reads)

    async def _tell(self) -> None:
        async with self.more:
            self.more.notify_all()


Script = Callable[[Answer, Kept], Awaitable[None]]
"""What the server writes; it may wait for what the browser has read."""


@dataclass(frozen=True)
class Rig:
    """A browser, shared by its two clients."""

    launcher: Launcher
    fetch: Chromium
    eventsource: ChromiumEventSource

    async def read(self, script: Script, client: Chromium | None = None, act: Callable[[], object] = list) -> Kept:
        """Read one response; `act` when the first read is here. What ends badly raises."""
        kept = Kept()
        serving: list[asyncio.Task[None] | None] = []

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.append(asyncio.current_task())
            try:
                with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # a connection made in advance
                    await reader.readuntil(b"\r\n\r\n")
                    await script(Answer(writer), kept)
                    await writer.drain()
            finally:
                writer.close()

        async def acting() -> None:
            await kept.has(1)
            act()

        async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream/1"
            action = asyncio.create_task(acting())
            try:
                await (client or self.fetch).stream(Request(url, headers=HEADERS), kept)
            finally:
                for task in (action, *serving):
                    task and task.cancel()
        return kept

    def browser(self) -> psutil.Process:
        """Return the process that all others of the browser come from."""
        (main,) = [some for some in self.processes("--remote-debugging-pipe") if "--type=" not in line_of(some)]
        return main

    def processes(self, *named: str) -> list[psutil.Process]:
        """Return the processes of the browser, or its driver, that have all of this in their command line."""
        children = psutil.Process().children(recursive=True)
        return [process for process in children if all(part in line_of(process) for part in named)]


def line_of(process: psutil.Process) -> str:
    """Return the command line; none of one that is gone."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def chunks(*data: bytes, content_type: str = "text/event-stream", end: bool = True) -> Script:
    """Write chunk after chunk, each when the browser has read the one before."""

    async def script(answer: Answer, kept: Kept) -> None:
        answer.raw(HEAD.format(content_type).encode())
        for number, each in enumerate(data):
            answer.chunk(each)
            await answer.flush()
            await kept.has(number + 1)
        if end:
            answer.end()

    return script


def whole(*parts: bytes) -> Script:
    """Write this at once, and hang up."""

    async def script(answer: Answer, kept: Kept) -> None:
        answer.raw(b"".join(parts))

    return script


ONE = b"b\r\ndata: one\n\n\r\n"
WHOLE = HEAD.format("text/event-stream").encode() + ONE + b"0\r\n\r\n"
CUT_OFF = WHOLE[:-5]


@contextlib.asynccontextmanager
async def answering(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answer one request after another, each on a connection that then closes; return the port."""
    left = iter(answers)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # a connection made in advance
            await reader.readuntil(b"\r\n\r\n")
            writer.write(next(left))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def resets(answer: Answer, kept: Kept) -> None:
    await chunks(b"data: one\n\n", end=False)(answer, kept)
    answer.reset()


GOOD = chunks(b"data: caf\xc3", b"\xa9\n\n", b"data: 2\n", b"\n")
"""Cut through a character, and through an event."""

EVENTS = chunks(b"data: 1\n\n", b"data: 2\n\n")


def inject(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Have the next page that is opened run a script before its own."""
    page = folder / "page.html"
    html = chromium_tab.PAGE.read_text(encoding="utf-8")
    page.write_text(html.replace("<script>", f"<script>{{{script}}}</script><script>", 1), encoding="utf-8")
    monkeypatch.setattr(chromium_tab, "PAGE", page)
