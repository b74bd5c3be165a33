"""A backend in memory, for tests of whatever drives one: no socket, no process, and any clock one likes.

    backend = Fake()
    client = clients.fake.Fake(lambda request: backend.answer(request.url))

What a client asks for, `answer` yields: every token in a piece of its own, in a turn of the event loop after its grant.
A hop is whatever is put between the two.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from urllib.parse import urlsplit

from harness.backends.base import Log
from harness.errors import BackendError
from harness.formats.body import EmittedBody
from harness.model import Clock, Emission, Endpoint, Sent

GONE = "the backend broke the response off"


class FakeStream:
    """One announced stream, and the response that it becomes."""

    def __init__(self, stream_id: str, emission: Emission, now_ns: Callable[[], int]) -> None:
        loop = asyncio.get_running_loop()
        self.stream_id = stream_id
        self.asked: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self._emission = emission
        self._now_ns = now_ns
        self._log = Log()
        self._body = EmittedBody(emission)
        self._granted = -1
        self._sent_bytes = 0
        self._may_end = False
        self._closed = False
        self._stirred = asyncio.Event()
        self._left = asyncio.Event()

    def grant(self, through: int) -> None:
        self._granted = self._body.within(through)
        self._stirred.set()

    def end(self) -> None:
        self._may_end = True
        self._stirred.set()

    async def sent(self, through: int) -> None:
        while len(self._log.sent) <= through:
            self._left.clear()
            await self._left.wait()

    async def log(self) -> Log:
        if self.lost.done():
            raise BackendError(self.lost.result())
        return self._log

    def forget(self) -> None:
        self._log.sent.clear()

    def close(self) -> None:
        self._closed = True
        self._stirred.set()

    def lose(self, why: str) -> None:
        """Let it be lost as if the backend had died."""
        if not self._closed:
            self.lost.set_result(why)
            self.close()

    async def respond(self) -> AsyncGenerator[bytes]:
        """Yield the body as it may be sent. Raises ConnectionResetError if the stream is closed before its end."""
        self._log.requests += 1
        if self._log.requests > 1:
            raise ConnectionResetError("this stream was already asked for")
        self.asked.set_result(None)
        self._log.head_ns = self._now_ns()
        if opening := self._body.opening():
            yield self._count(opening)
        seq = 0
        while await self._may_send(seq):
            yield self._token(seq)
            seq += 1
        self._log.ended_ns = self._now_ns()
        if closing := self._body.closing():
            yield closing

    def _token(self, seq: int) -> bytes:
        at_ns = self._now_ns()
        event = self._count(self._body.token(seq, at_ns))
        self._log.sent.append(Sent(seq, at_ns, self._sent_bytes))
        self._left.set()
        return event

    def _count(self, data: bytes) -> bytes:
        self._sent_bytes += len(data)
        return data

    async def _may_send(self, seq: int) -> bool:
        """Wait until a token or the end may leave; tell whether it is the token."""
        through = self._emission.workload.tokens - 1
        if self._emission.pace == "paced":
            await asyncio.sleep(self._emission.gap_ms / 1e3 if seq else 0)
        else:
            while seq > self._granted and not (self._may_end and self._body.may_end_after(seq)):
                await self._stir()
            through = self._granted
        if self._closed:
            raise ConnectionResetError(GONE)
        return seq <= through

    async def _stir(self) -> None:
        if not self._closed:
            self._stirred.clear()
            await self._stirred.wait()
        if self._closed:
            raise ConnectionResetError(GONE)


class Fake:
    """Emits in memory. With `now_ns` its clock is its own, as that of a backend elsewhere is."""

    endpoint = Endpoint(80, host="backend.invalid")

    def __init__(self, now_ns: Callable[[], int] | None = None) -> None:
        self.clock: Clock = "its own" if now_ns else "ours"
        self._now_ns = now_ns or time.monotonic_ns
        self._streams: dict[str, FakeStream] = {}
        self._ids = itertools.count(1)

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    async def ready(self) -> None:
        """It always is."""

    async def open(self, emission: Emission) -> FakeStream:
        stream = FakeStream(str(next(self._ids)), emission, self._now_ns)
        self._streams[stream.stream_id] = stream
        return stream

    async def close(self) -> None:
        self._streams.clear()

    def die(self, why: str) -> None:
        """Lose all streams that are open, as a backend does that dies; the next that is opened is another's."""
        for stream in self._streams.values():
            stream.lose(why)
        self._streams.clear()

    async def answer(self, url: str) -> AsyncGenerator[bytes]:
        """Yield the response to a request that came through a chain."""
        path = urlsplit(url).path
        if path == "/pulse":
            yield b"pulse\n"
            return
        async with aclosing(self._streams[path.split("/")[2]].respond()) as body:
            async for data in body:
                yield data
