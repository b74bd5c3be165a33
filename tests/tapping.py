"""A client that lets a test act in the middle of a stream: at a read, so never at a guess."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from harness.clients import CLIENTS
from harness.clients.aiohttp_reader import AiohttpReader
from harness.clients.base import Headers, Remote, Request, Sink

_NUMBERS = itertools.count(1)


class Tap:
    """Stands before a sink and acts once, right after the sink has taken so many reads."""

    def __init__(self, sink: Sink, reads: int, act: Callable[[], object]) -> None:
        self._sink = sink
        self._left = reads
        self._act = act

    def request(self, headers: Headers) -> None:
        self._sink.request(headers)

    def head(self, status: int, headers: Headers, at_ns: int, decoded: bool = False) -> bool:
        return self._sink.head(status, headers, at_ns, decoded)

    def remote(self, reader: Remote) -> None:
        self._sink.remote(reader)

    def painted(self, reads: int, at_ns: int) -> None:
        self._sink.painted(reads, at_ns)

    def read(self, data: bytes, at_ns: int) -> bool:
        goes_on = self._sink.read(data, at_ns)
        self._left -= 1
        if self._left == 0:
            self._act()
        return goes_on


class Tapped(AiohttpReader):
    """The usual client with a tap."""

    def __init__(self, reads: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._reads = reads
        self._act = act

    async def stream(self, request: Request, sink: Sink) -> None:
        await super().stream(request, Tap(sink, self._reads, self._act))


def tapped(monkeypatch: pytest.MonkeyPatch, reads: int, act: Callable[[], object]) -> str:
    """Register a client that acts after so many reads; return the name that cells use."""
    name = f"tapped-{next(_NUMBERS)}"
    monkeypatch.setitem(CLIENTS, name, lambda: Tapped(reads, act))
    return name
