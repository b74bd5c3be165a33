"""Runs a real emitter, and asks it as plainly as can be: bytes on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.backends.base import Log
from harness.backends.control import SECRET_VARIABLE, Control
from harness.backends.local import Local
from harness.formats import CODECS
from harness.launchers.process import Launcher, Process
from harness.measure.bench import Bench
from harness.measure.limits import EMITTER
from harness.model import Emission, Workload

SECRET = "open-sesame"
LOAD = Workload("w", tokens=5, token_bytes=100, interval_ms=1)


@dataclass(frozen=True)
class Emitter:
    """A running emitter, and all that it was asked: whoever runs it hangs up where a test did not."""

    process: Process
    port: int
    control_port: int
    secret: str = SECRET
    answers: list[Answer] = field(default_factory=list)

    async def announce(self, emission: Emission) -> Control:
        """Open the control connection of one stream."""
        return await Control.open(("127.0.0.1", self.control_port), self.secret, emission, EMITTER.answer_s)

    async def ask(self, target: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> Answer:
        """Send one request on a connection of its own and return what comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.answers.append(Answer(reader, writer))
        await self.answers[-1].ask(target, method, version, body)
        return self.answers[-1]

    def open_files(self) -> int:
        """Return how many file descriptors the emitter holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Answer:
    """A response, read byte by byte from the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._reader = reader
        self._writer = writer

    async def ask(self, target: str, method: str = "GET", version: str = "1.1", body: bytes = b"") -> None:
        """Send a request and read the head of its response."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/{version}\r\nHost: emitter\r\n{length}\r\n"
        self._writer.write(head.encode() + body)
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}

    async def read(self, size_bytes: int) -> bytes:
        """Return exactly so many bytes of the wire."""
        return await self._reader.readexactly(size_bytes)

    async def rest(self) -> bytes:
        """Return the wire until the connection ends. Raises ConnectionResetError if it is reset."""
        return await self._reader.read()

    async def body(self) -> bytes:
        """Return the whole body, framed as the head says."""
        if self.headers.get("transfer-encoding") == "chunked":
            return b"".join([chunk async for chunk in self._chunks()])
        if length := self.headers.get("content-length"):
            return await self.read(int(length))
        return await self.rest()

    async def chunk(self) -> bytes:
        """Return one chunk; the last one is empty."""
        size_bytes = int(await self._reader.readline(), 16)
        data = await self._reader.readexactly(size_bytes)
        assert await self._reader.readline() == b"\r\n"
        return data

    def leave(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _chunks(self) -> AsyncIterator[bytes]:
        while data := await self.chunk():
            yield data


def listening() -> socket.socket:
    """Return a listening socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def emitter(folder: Path, abandoned_s: float = EMITTER.abandoned_s) -> AsyncIterator[Emitter]:
    """Run an emitter; after the block it must have written nothing, least of all a traceback."""
    with listening() as http, listening() as control:
        fds = http.fileno(), control.fileno()
        argv = [sys.executable, "-m", "harness.backends.emitter", f"--http-fd={fds[0]}", f"--control-fd={fds[1]}"]
        async with Launcher() as launcher:
            log = folder / "emitter.log"
            argv.append(f"--abandoned-s={abandoned_s}")
            process = await launcher.launch("emitter", argv, log=log, env={SECRET_VARIABLE: SECRET}, pass_fds=fds)
            running = Emitter(process, http.getsockname()[1], control.getsockname()[1])
            (await running.ask("/pulse")).leave()
            yield running
            assert process.death() is None
            for answer in running.answers:
                answer.leave()
        assert log.read_text() == ""


def process_of(bench: Bench) -> Process:
    """Return the process of a bench's emitter."""
    assert isinstance(bench.backend, Local)
    return bench.backend.process


def expected_body(emission: Emission, log: Log) -> bytes:
    """Return the body to the byte, given when the tokens left."""
    codec, seed = CODECS[emission.format], emission.workload.seed
    opening = codec.opening() + (codec.filling(emission.prelude, f"prelude:{seed}") if emission.prelude else b"")
    pieces = {0: opening}
    for beat in log.heartbeats:
        pieces[beat.end_bytes] = codec.heartbeat() or b""
    for sent in log.sent:
        pieces[sent.end_bytes] = codec.token(emission.workload, sent.seq, sent.at_ns)
        if emission.padding:
            pieces[sent.end_bytes] += codec.filling(emission.padding, f"padding:{seed}:{sent.seq}")
    closing = codec.closing() if log.ended_ns is not None else b""
    return b"".join(piece for _, piece in sorted(pieces.items())) + closing


def emission(**fields: Any) -> Emission:
    least = CODECS[fields.get("format", "sse")].min_token_bytes
    load = replace(LOAD, token_bytes=max(LOAD.token_bytes, least))
    load = replace(load, **{name: fields.pop(name) for name in list(fields) if hasattr(LOAD, name)})
    return Emission(load, **fields)


def all_granted(control: Control, told: Emission) -> None:
    control.grant(told.workload.tokens - 1)
    control.end()


async def whole(running: Emitter, told: Emission, method: str = "GET", version: str = "1.1") -> tuple[Answer, bytes]:
    """Ask for a stream whose tokens may all go at once; return its head and its body, which is as it must be."""
    control = await running.announce(told)
    all_granted(control, told)
    sent_body = b'{"stream": true}' if method == "POST" else b""
    answer = await running.ask(f"/stream/{control.stream_id}", method, version, sent_body)
    body = await answer.body()
    log = await control.log()
    assert [sent.seq for sent in log.sent] == list(range(told.workload.tokens))
    assert body == expected_body(told, log)
    sizes = told.workload.token_bytes + (told.padding.bytes if told.padding else 0)
    codec = CODECS[told.format]
    before = len(codec.opening()) + (told.prelude.bytes if told.prelude else 0)
    ends = [before + sizes * (n + 1) for n in range(told.workload.tokens)]
    ends[-1] += len(codec.closing()) if told.body == "length" else 0
    assert [sent.end_bytes for sent in log.sent] == ends
    assert log.failure is None
    control.close()
    answer.leave()
    return answer, body
