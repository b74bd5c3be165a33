"""A client in memory, for tests of whatever asks one: it reads what it is given, a piece as a read, and no socket."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from harness.clients.base import Request, Sink
from harness.errors import StreamError
from harness.model import HttpVersion, TransportName


class Fake:
    """Reads what `answer` yields to a request; a ConnectionError that it raises is a bad end of the stream."""

    http: tuple[HttpVersion, ...] = ("1.1",)
    transports: tuple[TransportName, ...] = ("http", "websocket")
    lacks: Mapping[TransportName, str] = {}
    asks_within_s = 0.0

    def __init__(
        self, answer: Callable[[Request], AsyncGenerator[bytes]], name: str = "fake", status: int = 200
    ) -> None:
        self.name = name
        self._answer = answer
        self._status = status

    def version(self) -> str:
        return "0"

    async def stream(self, request: Request, sink: Sink) -> None:
        sink.request(request.headers)
        if not sink.head(self._status, (), time.monotonic_ns()):
            return
        try:
            async with aclosing(self._answer(request)) as body:
                async for data in body:
                    if not sink.read(data, time.monotonic_ns()):
                        return
        except ConnectionError as error:
            raise StreamError(f"the body broke off: {error}") from error

    async def close(self) -> None:
        """Nothing is left open."""
